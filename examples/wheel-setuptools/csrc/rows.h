// A block for each row of a matrix: what softmax.hip and layer_norm.hip share and no other unit knows.
#pragma once

#include "device.h"

namespace ops {

// All threads of the block get what `operation` makes of the row.
template <typename Operation, typename Map>
__device__ float over_row(const float *row, unsigned columns, Operation operation, Map map) {
    __shared__ float result;
    float mine = Operation::template identity<float>();
    for (unsigned i = threadIdx.x; i < columns; i += sample::BLOCK)
        mine = operation(mine, map(row[i]));
    mine = sample::block_reduce<float, Operation, sample::BLOCK>(mine, operation);
    if (threadIdx.x == 0)
        result = mine;
    __syncthreads();
    return result;
}

} // namespace ops
