// What the project's units offer one another. Plain C++: the host units, which know nothing of HIP,
// include it as well as the device units.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sample {

// Each function does its work on the GPU and is defined in the .hip file of its name. They throw
// std::runtime_error with HIP's own words when something fails.
template <typename T> T reduce_sum(const std::vector<T> &values);
template <typename T> T reduce_max(const std::vector<T> &values);
template <typename T> std::vector<T> inclusive_scan(const std::vector<T> &values);
template <typename T> std::vector<T> transpose(const std::vector<T> &matrix, std::size_t rows, std::size_t columns);
template <typename T> void saxpy(T a, const std::vector<T> &x, std::vector<T> &y);
template <typename T> std::vector<T> gemm(const std::vector<T> &a, const std::vector<T> &b, std::size_t n);
std::vector<unsigned> histogram(const std::vector<unsigned char> &bytes);

// How many blocks each unit has run so far, counted on the device in a variable that every unit
// calls by the same name.
unsigned saxpy_blocks();
unsigned histogram_blocks();

// How many GPUs there are; 0 also when there is no driver. In device.hip.
int device_count();

// The same work on the CPU, to compare with: reference.cpp.
namespace reference {
std::vector<int> inclusive_scan(const std::vector<int> &values);
std::vector<float> transpose(const std::vector<float> &matrix, std::size_t rows, std::size_t columns);
std::vector<unsigned> histogram(const std::vector<unsigned char> &bytes);
std::vector<float> gemm(const std::vector<float> &a, const std::vector<float> &b, std::size_t n);
} // namespace reference

// Counts what was right and wrong and says so: report.cpp.
class Report {
  public:
    void check(const std::string &what, bool right);
    int finish() const; // prints a summary; the program's exit status

  private:
    unsigned right_ = 0, wrong_ = 0;
};

} // namespace sample
