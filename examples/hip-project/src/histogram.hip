// Counts bytes: each block in its own shared memory first, then all into one table.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

constexpr unsigned BINS = 256;
static_assert(BINS == BLOCK, "a thread looks after one bin");

__device__ unsigned blocks_run; // see saxpy.hip

__global__ void histogram_kernel(const unsigned char *bytes, std::size_t size, unsigned *counts) {
    __shared__ unsigned mine[BINS];
    mine[threadIdx.x] = 0;
    __syncthreads();
    for (std::size_t i = blockIdx.x * BLOCK + threadIdx.x; i < size; i += std::size_t(gridDim.x) * BLOCK)
        atomicAdd(&mine[bytes[i]], 1u);
    __syncthreads();
    atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);
    if (threadIdx.x == 0)
        atomicAdd(&blocks_run, 1u);
}

} // namespace

std::vector<unsigned> histogram(const std::vector<unsigned char> &bytes) {
    DeviceArray<unsigned char> input(bytes);
    DeviceArray<unsigned> counts(std::vector<unsigned>(BINS, 0));
    histogram_kernel<<<std::min(blocks_for(bytes.size()), 256u), BLOCK>>>(input.get(), bytes.size(), counts.get());
    SAMPLE_CHECK(hipGetLastError());
    return counts.to_host();
}

unsigned histogram_blocks() {
    unsigned count = 0;
    SAMPLE_CHECK(hipMemcpyFromSymbol(&count, HIP_SYMBOL(blocks_run), sizeof count));
    return count;
}

} // namespace sample
