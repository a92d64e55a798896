// y = a x + y, with a counter on the device.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

// histogram.hip has a variable of the same name, each local to its unit: a cache that mixed the units
// up would give wrong counts.
__device__ unsigned blocks_run;

template <typename T> __global__ void saxpy_kernel(T a, const T *x, T *y, std::size_t size) {
    const std::size_t i = blockIdx.x * std::size_t(BLOCK) + threadIdx.x;
    if (i < size)
        y[i] = a * x[i] + y[i];
    if (threadIdx.x == 0)
        atomicAdd(&blocks_run, 1u);
}

} // namespace

template <typename T> void saxpy(T a, const std::vector<T> &x, std::vector<T> &y) {
    DeviceArray<T> device_x(x), device_y(y);
    saxpy_kernel<T><<<blocks_for(x.size()), BLOCK>>>(a, device_x.get(), device_y.get(), x.size());
    SAMPLE_CHECK(hipGetLastError());
    y = device_y.to_host();
}

unsigned saxpy_blocks() {
    unsigned count = 0;
    SAMPLE_CHECK(hipMemcpyFromSymbol(&count, HIP_SYMBOL(blocks_run), sizeof count));
    return count;
}

template void saxpy(float, const std::vector<float> &, std::vector<float> &);
template void saxpy(double, const std::vector<double> &, std::vector<double> &);

} // namespace sample
