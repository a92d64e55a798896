// What the units of this directory offer module.cpp, beside the kernels of the sample project.
#pragma once

#include <cstddef>
#include <vector>

namespace ops {

using Values = std::vector<float>;

// Each is defined in the .hip file of its name. Matrices lie row by row.
Values gelu(const Values &x);
Values softmax(const Values &matrix, std::size_t rows);
Values layer_norm(const Values &matrix, std::size_t rows, float epsilon);
Values sort(const Values &x);

} // namespace ops
