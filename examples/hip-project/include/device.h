// What the device units share: error checks, device memory, and the device code that is used by more
// than one of them. Every unit that includes it compiles the kernels for each architecture again,
// which is what makes HIP builds slow and caches worth having.
#pragma once

#include <hip/hip_runtime.h>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

namespace sample {

inline void check(hipError_t status, const char *what) {
    if (status != hipSuccess)
        throw std::runtime_error(std::string(what) + ": " + hipGetErrorString(status));
}
#define SAMPLE_CHECK(call) ::sample::check((call), #call)

// An array on the device that is freed with its owner.
template <typename T> class DeviceArray {
  public:
    explicit DeviceArray(std::size_t size) : size_(size) { SAMPLE_CHECK(hipMalloc(&data_, bytes())); }
    explicit DeviceArray(const std::vector<T> &values) : DeviceArray(values.size()) {
        SAMPLE_CHECK(hipMemcpy(data_, values.data(), bytes(), hipMemcpyHostToDevice));
    }
    DeviceArray(const DeviceArray &) = delete;
    DeviceArray &operator=(const DeviceArray &) = delete;
    ~DeviceArray() { (void)hipFree(data_); }

    T *get() const { return data_; }
    std::vector<T> to_host() const {
        std::vector<T> values(size_);
        SAMPLE_CHECK(hipMemcpy(values.data(), data_, bytes(), hipMemcpyDeviceToHost));
        return values;
    }

  private:
    std::size_t bytes() const { return size_ * sizeof(T); }
    std::size_t size_;
    T *data_ = nullptr;
};

constexpr unsigned BLOCK = 256; // threads of a block, where a unit has no reason of its own

inline unsigned blocks_for(std::size_t items, unsigned per_block = BLOCK) {
    return static_cast<unsigned>((items + per_block - 1) / per_block);
}

struct Sum {
    template <typename T> static __host__ __device__ T identity() { return T(0); }
    template <typename T> __host__ __device__ T operator()(T a, T b) const { return a + b; }
};

struct Max {
    // Good enough for what the sample reduces: no value is below it.
    template <typename T> static __host__ __device__ T identity() { return T(-1e9); }
    template <typename T> __host__ __device__ T operator()(T a, T b) const { return a > b ? a : b; }
};

// All threads of a block combine their values; the result is right in thread 0.
template <typename T, typename Operation, unsigned Size> __device__ T block_reduce(T value, Operation operation) {
    __shared__ T partial[Size];
    partial[threadIdx.x] = value;
    __syncthreads();
#pragma unroll
    for (unsigned stride = Size / 2; stride > 0; stride /= 2) {
        if (threadIdx.x < stride)
            partial[threadIdx.x] = operation(partial[threadIdx.x], partial[threadIdx.x + stride]);
        __syncthreads();
    }
    return partial[0];
}

// Inclusive scan of a block (Hillis and Steele): each thread gets what lies up to its own place.
template <typename T, typename Operation, unsigned Size> __device__ T block_scan(T value, Operation operation) {
    __shared__ T partial[Size];
    partial[threadIdx.x] = value;
    __syncthreads();
#pragma unroll
    for (unsigned distance = 1; distance < Size; distance *= 2) {
        T before = threadIdx.x >= distance ? partial[threadIdx.x - distance] : Operation::template identity<T>();
        __syncthreads();
        partial[threadIdx.x] = operation(before, partial[threadIdx.x]);
        __syncthreads();
    }
    return partial[threadIdx.x];
}

} // namespace sample
