// Each row with mean 0 and variance 1.
#include "ops.h"
#include "rows.h"

namespace ops {
namespace {

__global__ void layer_norm_kernel(float *matrix, unsigned columns, float epsilon) {
    float *row = matrix + std::size_t(blockIdx.x) * columns;
    const float mean = over_row(row, columns, sample::Sum(), [](float x) { return x; }) / columns;
    const auto square = [mean](float x) { return (x - mean) * (x - mean); };
    const float variance = over_row(row, columns, sample::Sum(), square) / columns;
    const float scale = rsqrtf(variance + epsilon);
    for (unsigned i = threadIdx.x; i < columns; i += sample::BLOCK)
        row[i] = (row[i] - mean) * scale;
}

} // namespace

Values layer_norm(const Values &matrix, std::size_t rows, float epsilon) {
    sample::DeviceArray<float> device(matrix);
    layer_norm_kernel<<<unsigned(rows), sample::BLOCK>>>(device.get(), unsigned(matrix.size() / rows), epsilon);
    SAMPLE_CHECK(hipGetLastError());
    return device.to_host();
}

} // namespace ops
