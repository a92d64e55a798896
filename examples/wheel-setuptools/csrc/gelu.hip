// The Gaussian error linear unit, element by element.
#include "device.h"
#include "ops.h"

namespace ops {
namespace {

__global__ void gelu_kernel(float *x, std::size_t size) {
    const std::size_t i = blockIdx.x * std::size_t(sample::BLOCK) + threadIdx.x;
    if (i < size)
        x[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f));
}

} // namespace

Values gelu(const Values &x) {
    sample::DeviceArray<float> device(x);
    gelu_kernel<<<sample::blocks_for(x.size()), sample::BLOCK>>>(device.get(), x.size());
    SAMPLE_CHECK(hipGetLastError());
    return device.to_host();
}

} // namespace ops
