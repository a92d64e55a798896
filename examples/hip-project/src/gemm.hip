// c = a b for square matrices: tiles in shared memory, and several results for each thread.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

// A block computes a tile of Tile x Tile results with Tile x Tile / Each threads. n must be a
// multiple of Tile, which gemm() sees to.
template <typename T, unsigned Tile, unsigned Each>
__global__ void gemm_kernel(const T *a, const T *b, T *c, unsigned n) {
    constexpr unsigned Rows = Tile / Each;
    __shared__ T tile_a[Tile][Tile], tile_b[Tile][Tile + 1];
    const unsigned column = blockIdx.x * Tile + threadIdx.x, row = blockIdx.y * Tile + threadIdx.y;
    T sums[Each] = {};
    for (unsigned step = 0; step < n; step += Tile) {
#pragma unroll
        for (unsigned i = 0; i < Each; ++i) {
            const unsigned y = threadIdx.y + i * Rows;
            tile_a[y][threadIdx.x] = a[std::size_t(row + i * Rows) * n + step + threadIdx.x];
            tile_b[y][threadIdx.x] = b[std::size_t(step + y) * n + column];
        }
        __syncthreads();
#pragma unroll
        for (unsigned k = 0; k < Tile; ++k) {
            const T factor = tile_b[k][threadIdx.x];
#pragma unroll
            for (unsigned i = 0; i < Each; ++i)
                sums[i] += tile_a[threadIdx.y + i * Rows][k] * factor;
        }
        __syncthreads();
    }
#pragma unroll
    for (unsigned i = 0; i < Each; ++i)
        c[std::size_t(row + i * Rows) * n + column] = sums[i];
}

template <unsigned Tile, unsigned Each, typename T>
std::vector<T> run(const std::vector<T> &a, const std::vector<T> &b, unsigned n) {
    DeviceArray<T> device_a(a), device_b(b), device_c(a.size());
    const dim3 grid(n / Tile, n / Tile), block(Tile, Tile / Each);
    gemm_kernel<T, Tile, Each><<<grid, block>>>(device_a.get(), device_b.get(), device_c.get(), n);
    SAMPLE_CHECK(hipGetLastError());
    return device_c.to_host();
}

} // namespace

template <typename T>
std::vector<T> gemm(const std::vector<T> &a, const std::vector<T> &b, std::size_t n) {
    if (n % 32 == 0)
        return run<32, 8>(a, b, n);
    if (n % 16 == 0)
        return run<16, 4>(a, b, n);
    if (n % 8 == 0)
        return run<8, 2>(a, b, n);
    return run<1, 1>(a, b, n);
}

template std::vector<float> gemm(const std::vector<float> &, const std::vector<float> &, std::size_t);
template std::vector<double> gemm(const std::vector<double> &, const std::vector<double> &, std::size_t);

} // namespace sample
