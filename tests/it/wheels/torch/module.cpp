#include <torch/extension.h>

int scale_on_device(float *values, int count, float factor);

// Returns false if there is no GPU to run on.
static bool scale(torch::Tensor values, float factor) {
    return scale_on_device(values.data_ptr<float>(), static_cast<int>(values.numel()), factor) == 0;
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, module) {
    module.def("scale", &scale);
    module.def("twice", [](torch::Tensor values) { return values + values; });
}
