// The device itself: the one place that may find that there is none.
#include "device.h"
#include "sample.h"

namespace sample {

int device_count() {
    int count = 0;
    return hipGetDeviceCount(&count) == hipSuccess ? count : 0;
}

} // namespace sample
