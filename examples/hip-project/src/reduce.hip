// Sum and maximum: each block reduces a share, a last block reduces what they found.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

template <typename T, typename Operation, unsigned Size>
__global__ void reduce_kernel(const T *values, std::size_t size, T *results) {
    const Operation operation;
    T mine = Operation::template identity<T>();
    for (std::size_t i = blockIdx.x * Size + threadIdx.x; i < size; i += std::size_t(gridDim.x) * Size)
        mine = operation(mine, values[i]);
    mine = block_reduce<T, Operation, Size>(mine, operation);
    if (threadIdx.x == 0)
        results[blockIdx.x] = mine;
}

template <typename Operation, typename T> T reduce(const std::vector<T> &values) {
    const unsigned blocks = std::min(blocks_for(values.size()), 1024u);
    DeviceArray<T> input(values), partial(blocks), result(1);
    reduce_kernel<T, Operation, BLOCK><<<blocks, BLOCK>>>(input.get(), values.size(), partial.get());
    reduce_kernel<T, Operation, 1024><<<1, 1024>>>(partial.get(), blocks, result.get());
    SAMPLE_CHECK(hipGetLastError());
    return result.to_host().front();
}

} // namespace

template <typename T> T reduce_sum(const std::vector<T> &values) { return reduce<Sum>(values); }
template <typename T> T reduce_max(const std::vector<T> &values) { return reduce<Max>(values); }

template int reduce_sum(const std::vector<int> &);
template float reduce_sum(const std::vector<float> &);
template double reduce_sum(const std::vector<double> &);
template int reduce_max(const std::vector<int> &);
template float reduce_max(const std::vector<float> &);

} // namespace sample
