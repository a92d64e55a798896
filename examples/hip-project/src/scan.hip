// Inclusive prefix sums in three steps: within blocks, over the blocks' totals, and both together.
#include "device.h"
#include "sample.h"

namespace sample {
namespace {

template <typename T> __global__ void scan_blocks(const T *values, std::size_t size, T *scanned, T *totals) {
    const std::size_t i = blockIdx.x * std::size_t(BLOCK) + threadIdx.x;
    const T mine = block_scan<T, Sum, BLOCK>(i < size ? values[i] : T(0), Sum());
    if (i < size)
        scanned[i] = mine;
    if (threadIdx.x == BLOCK - 1)
        totals[blockIdx.x] = mine;
}

template <typename T> __global__ void add_offsets(T *scanned, std::size_t size, const T *scanned_totals) {
    const std::size_t i = blockIdx.x * std::size_t(BLOCK) + threadIdx.x;
    if (blockIdx.x > 0 && i < size)
        scanned[i] += scanned_totals[blockIdx.x - 1];
}

template <typename T> void scan(const T *values, std::size_t size, T *scanned) {
    const unsigned blocks = blocks_for(size);
    DeviceArray<T> totals(blocks), scanned_totals(blocks);
    scan_blocks<T><<<blocks, BLOCK>>>(values, size, scanned, totals.get());
    if (blocks > 1) {
        scan(totals.get(), blocks, scanned_totals.get());
        add_offsets<T><<<blocks, BLOCK>>>(scanned, size, scanned_totals.get());
    }
    SAMPLE_CHECK(hipGetLastError());
}

} // namespace

template <typename T> std::vector<T> inclusive_scan(const std::vector<T> &values) {
    DeviceArray<T> input(values), output(values.size());
    scan(input.get(), values.size(), output.get());
    return output.to_host();
}

template std::vector<int> inclusive_scan(const std::vector<int> &);
template std::vector<float> inclusive_scan(const std::vector<float> &);
template std::vector<double> inclusive_scan(const std::vector<double> &);

} // namespace sample
