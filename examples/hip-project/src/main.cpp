// Runs every kernel once and compares with the CPU. Without a GPU it says so and succeeds: then all that
// can be seen is that the program was built, linked and loaded.
#include "sample.h"

#include <algorithm>
#include <exception>
#include <iostream>
#include <numeric>

namespace {

int run() {
    // Small whole numbers, so that floating point is exact in any order.
    const std::size_t n = 64;
    std::vector<float> a(n * n), b(n * n);
    std::vector<int> values(10000);
    std::vector<unsigned char> bytes(100000);
    for (std::size_t i = 0; i < a.size(); ++i) {
        a[i] = float(i % 7);
        b[i] = float(i % 5) - 2;
    }
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = int(i * 7919 % 101) - 50;
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<unsigned char>(i * 31 % 251);

    using namespace sample;
    Report report;
    report.check("reduce_sum", reduce_sum(values) == std::accumulate(values.begin(), values.end(), 0));
    report.check("reduce_max", reduce_max(values) == *std::max_element(values.begin(), values.end()));
    report.check("inclusive_scan", inclusive_scan(values) == reference::inclusive_scan(values));
    report.check("transpose", transpose(a, n / 2, n * 2) == reference::transpose(a, n / 2, n * 2));
    report.check("gemm", gemm(a, b, n) == reference::gemm(a, b, n));
    report.check("histogram", histogram(bytes) == reference::histogram(bytes));

    std::vector<float> y(b), expected(b);
    for (std::size_t i = 0; i < a.size(); ++i)
        expected[i] += 3 * a[i];
    saxpy(3.0f, a, y);
    report.check("saxpy", y == expected);
    report.check("saxpy's counter", saxpy_blocks() == n * n / 256);
    report.check("histogram's counter", histogram_blocks() == 256);
    return report.finish();
}

} // namespace

int main() {
    if (sample::device_count() == 0) {
        std::cout << "no GPU here: nothing to run\n";
        return 0;
    }
    try {
        return run();
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << '\n';
        return 1;
    }
}
