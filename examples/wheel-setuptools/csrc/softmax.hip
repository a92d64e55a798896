// exp(x) over the sum of the row, less the row's maximum, so that nothing overflows.
#include "ops.h"
#include "rows.h"

namespace ops {
namespace {

__global__ void softmax_kernel(float *matrix, unsigned columns) {
    float *row = matrix + std::size_t(blockIdx.x) * columns;
    const float top = over_row(row, columns, sample::Max(), [](float x) { return x; });
    const float sum = over_row(row, columns, sample::Sum(), [top](float x) { return expf(x - top); });
    for (unsigned i = threadIdx.x; i < columns; i += sample::BLOCK)
        row[i] = expf(row[i] - top) / sum;
}

} // namespace

Values softmax(const Values &matrix, std::size_t rows) {
    sample::DeviceArray<float> device(matrix);
    softmax_kernel<<<unsigned(rows), sample::BLOCK>>>(device.get(), unsigned(matrix.size() / rows));
    SAMPLE_CHECK(hipGetLastError());
    return device.to_host();
}

} // namespace ops
