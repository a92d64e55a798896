#include <hip/hip_runtime.h>

__global__ void scale_kernel(float *values, int count, float factor) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count)
        values[i] *= factor;
}

int scale_on_device(float *values, int count, float factor) {
    float *device = nullptr;
    const size_t bytes = count * sizeof(float);
    hipError_t error = hipMalloc(&device, bytes);
    if (error == hipSuccess)
        error = hipMemcpy(device, values, bytes, hipMemcpyHostToDevice);
    if (error == hipSuccess) {
        scale_kernel<<<(count + 255) / 256, 256>>>(device, count, factor);
        error = hipMemcpy(values, device, bytes, hipMemcpyDeviceToHost);
    }
    (void)hipFree(device);
    return error;
}
