// Transposes by tiles, so that both reads and writes go along rows.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

constexpr unsigned TILE = 32, ROWS = 8; // a block of 32 x 8 threads moves a tile of 32 x 32

template <typename T>
__global__ void transpose_kernel(const T *input, T *output, unsigned rows, unsigned columns) {
    __shared__ T tile[TILE][TILE + 1]; // one more column, so that no two rows share a memory bank
    unsigned column = blockIdx.x * TILE + threadIdx.x, row = blockIdx.y * TILE + threadIdx.y;
#pragma unroll
    for (unsigned i = 0; i < TILE; i += ROWS)
        if (column < columns && row + i < rows)
            tile[threadIdx.y + i][threadIdx.x] = input[std::size_t(row + i) * columns + column];
    __syncthreads();

    column = blockIdx.y * TILE + threadIdx.x;
    row = blockIdx.x * TILE + threadIdx.y;
#pragma unroll
    for (unsigned i = 0; i < TILE; i += ROWS)
        if (column < rows && row + i < columns)
            output[std::size_t(row + i) * rows + column] = tile[threadIdx.x][threadIdx.y + i];
}

} // namespace

template <typename T>
std::vector<T> transpose(const std::vector<T> &matrix, std::size_t rows, std::size_t columns) {
    DeviceArray<T> input(matrix), output(matrix.size());
    const dim3 grid(blocks_for(columns, TILE), blocks_for(rows, TILE)), block(TILE, ROWS);
    transpose_kernel<T><<<grid, block>>>(input.get(), output.get(), rows, columns);
    SAMPLE_CHECK(hipGetLastError());
    return output.to_host();
}

template std::vector<float> transpose(const std::vector<float> &, std::size_t, std::size_t);
template std::vector<double> transpose(const std::vector<double> &, std::size_t, std::size_t);
template std::vector<int> transpose(const std::vector<int> &, std::size_t, std::size_t);

} // namespace sample
