// The Python side: lists of numbers in, lists of numbers out, an exception for an exception. Host code.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ops.h"
#include "sample.h"

#include <exception>
#include <string>
#include <vector>

namespace {

template <typename T> bool from_python(PyObject *list, std::vector<T> &values) {
    PyObject *fast = PySequence_Fast(list, "expected a sequence of numbers");
    if (!fast)
        return false;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast) && !PyErr_Occurred(); ++i)
        values.push_back(static_cast<T>(PyFloat_AsDouble(PySequence_Fast_GET_ITEM(fast, i))));
    Py_DECREF(fast);
    return !PyErr_Occurred();
}

template <typename T> PyObject *to_python(const std::vector<T> &values) {
    PyObject *list = PyList_New(static_cast<Py_ssize_t>(values.size()));
    for (std::size_t i = 0; list && i < values.size(); ++i) {
        PyObject *value = PyFloat_FromDouble(static_cast<double>(values[i]));
        if (!value)
            Py_CLEAR(list);
        else
            PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), value);
    }
    return list;
}

// Runs `work` on the GPU and turns what it throws into a Python exception.
template <typename Work> PyObject *guarded(Work work) {
    try {
        return work();
    } catch (const std::exception &error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
        return nullptr;
    }
}

template <typename T, typename Function> PyObject *on_values(PyObject *list, Function function) {
    std::vector<T> values;
    if (!from_python(list, values))
        return nullptr;
    return guarded([&] { return to_python(function(values)); });
}

template <typename Function> PyObject *on_rows(PyObject *args, Function function) {
    PyObject *list;
    Py_ssize_t rows;
    if (!PyArg_ParseTuple(args, "On", &list, &rows))
        return nullptr;
    if (rows < 1 || PySequence_Size(list) % rows != 0) {
        PyErr_SetString(PyExc_ValueError, "the numbers do not make up that many rows");
        return nullptr;
    }
    return on_values<float>(list, [&](const auto &values) { return function(values, std::size_t(rows)); });
}

PyObject *device_count(PyObject *, PyObject *) { return PyLong_FromLong(sample::device_count()); }
PyObject *gelu(PyObject *, PyObject *x) { return on_values<float>(x, ops::gelu); }
PyObject *sort(PyObject *, PyObject *x) { return on_values<float>(x, ops::sort); }
PyObject *scan(PyObject *, PyObject *x) { return on_values<int>(x, sample::inclusive_scan<int>); }
PyObject *histogram(PyObject *, PyObject *x) { return on_values<unsigned char>(x, sample::histogram); }
PyObject *softmax(PyObject *, PyObject *args) { return on_rows(args, ops::softmax); }
PyObject *layer_norm(PyObject *, PyObject *args) {
    return on_rows(args, [](const auto &values, std::size_t rows) { return ops::layer_norm(values, rows, 1e-5f); });
}
PyObject *transpose(PyObject *, PyObject *args) {
    return on_rows(args, [](const auto &values, std::size_t rows) {
        return sample::transpose(values, rows, values.size() / rows);
    });
}
PyObject *total(PyObject *, PyObject *x) {
    return on_values<float>(x, [](const auto &values) { return std::vector<float>{sample::reduce_sum(values)}; });
}
PyObject *doubled(PyObject *, PyObject *x) {
    return on_values<float>(x, [](const auto &values) {
        std::vector<float> y(values);
        sample::saxpy(1.0f, values, y);
        return y;
    });
}
PyObject *squared(PyObject *, PyObject *args) {
    return on_rows(args, [](const auto &values, std::size_t rows) { return sample::gemm(values, values, rows); });
}

PyMethodDef methods[] = {
    {"device_count", device_count, METH_NOARGS, "How many GPUs there are."},
    {"doubled", doubled, METH_O, "x + x."},
    {"gelu", gelu, METH_O, "The Gaussian error linear unit of each number."},
    {"histogram", histogram, METH_O, "How often each of the numbers from 0 to 255 occurs."},
    {"layer_norm", layer_norm, METH_VARARGS, "Each of the rows with mean 0 and variance 1."},
    {"scan", scan, METH_O, "Inclusive prefix sums of whole numbers."},
    {"softmax", softmax, METH_VARARGS, "The softmax of each of the rows."},
    {"sort", sort, METH_O, "The numbers in ascending order."},
    {"squared", squared, METH_VARARGS, "A square matrix of so many rows, times itself."},
    {"total", total, METH_O, "The sum, as the only item of a list."},
    {"transpose", transpose, METH_VARARGS, "A matrix of so many rows, with rows and columns exchanged."},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit__native() { return PyModule_Create(&module); }
