// The same work on the CPU, as plainly as it can be said.
#include "sample.h"

namespace sample {
namespace reference {

std::vector<int> inclusive_scan(const std::vector<int> &values) {
    std::vector<int> result;
    int sum = 0;
    for (int value : values)
        result.push_back(sum += value);
    return result;
}

std::vector<float> transpose(const std::vector<float> &matrix, std::size_t rows, std::size_t columns) {
    std::vector<float> result(matrix.size());
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t column = 0; column < columns; ++column)
            result[column * rows + row] = matrix[row * columns + column];
    return result;
}

std::vector<unsigned> histogram(const std::vector<unsigned char> &bytes) {
    std::vector<unsigned> result(256);
    for (unsigned char byte : bytes)
        ++result[byte];
    return result;
}

std::vector<float> gemm(const std::vector<float> &a, const std::vector<float> &b, std::size_t n) {
    std::vector<float> result(n * n);
    for (std::size_t i = 0; i < n; ++i)
        for (std::size_t k = 0; k < n; ++k)
            for (std::size_t j = 0; j < n; ++j)
                result[i * n + j] += a[i * n + k] * b[k * n + j];
    return result;
}

} // namespace reference
} // namespace sample
