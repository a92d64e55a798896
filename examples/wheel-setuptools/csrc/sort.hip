// Bitonic sort, one launch for each exchange distance, padded to a power of two.
#include "device.h"
#include "ops.h"

#include <limits>

namespace ops {
namespace {

__global__ void exchange_kernel(float *x, unsigned distance, unsigned run) {
    const unsigned i = blockIdx.x * sample::BLOCK + threadIdx.x, other = i ^ distance;
    if (other <= i)
        return;
    const bool ascending = (i & run) == 0;
    if ((x[i] > x[other]) == ascending) {
        const float mine = x[i];
        x[i] = x[other];
        x[other] = mine;
    }
}

} // namespace

Values sort(const Values &x) {
    std::size_t padded = sample::BLOCK;
    while (padded < x.size())
        padded *= 2;
    Values values(x);
    values.resize(padded, std::numeric_limits<float>::infinity());
    sample::DeviceArray<float> device(values);
    for (unsigned run = 2; run <= padded; run *= 2)
        for (unsigned distance = run / 2; distance > 0; distance /= 2)
            exchange_kernel<<<sample::blocks_for(padded), sample::BLOCK>>>(device.get(), distance, run);
    SAMPLE_CHECK(hipGetLastError());
    values = device.to_host();
    values.resize(x.size());
    return values;
}

} // namespace ops
