#!/usr/bin/env bash
# heavy-units.sh: write translation units that instantiate rocPRIM and hipRAND, and a Makefile.
#
# usage: heavy-units.sh [--list] DIR
#
#   --list   also print the units' names, one a line
#
# There are 36 units, each an algorithm with one element type. A compile for two architectures takes 2 to 8 seconds,
# mostly for templates and the device's code generator, as in ROCm's own libraries. DIR is created if it does not
# exist; the units are the same every time. To build all of them:
#
#   make -C DIR -j2 CXX=/opt/rocm/llvm/bin/clang++ ROCM=/opt/rocm
#
# This takes 90 s on two cores. Other variables: ARCHS (gfx900 gfx906), CXXFLAGS (-O2) and OBJ (the directory for
# objects and depfiles). Debian's librocprim-dev, libhiprand-dev and librocrand-dev are installed if missing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

list=no dir=
while (($#)); do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --list) list=yes ;;
    -*) die "unknown option $1 (try --help)" ;;
    *)
        [[ -z $dir ]] || die "more than one directory: $dir, $1"
        dir=$1
        ;;
    esac
    shift
done
[[ -n $dir ]] || die "which directory? (try --help)"
need_packages "${HEAVY_UNITS_PACKAGES[@]}"
mkdir -p -- "$dir"

# rocprim NAME BODY, hiprand NAME BODY: write BODY for each of three types, called T in it.
rocprim() { units "$1" '#include <rocprim/rocprim.hpp>' "$2" int float double; }
hiprand() { units "$1" '#include <hiprand/hiprand_kernel.h>' "$2" float double unsigned; }

units() {
    local name=$1 include=$2 body=$3 type
    shift 3
    for type; do
        printf '#include <hip/hip_runtime.h>\n%s\nusing T = %s;\n%s\n' "$include" "$type" "$body" \
            >"$dir/$name-$type.hip"
        [[ $list == no ]] || echo "$name-$type"
    done
}

device() { # ARGUMENTS CALL: what a library's entry point looks like
    printf 'hipError_t run(void *tmp, size_t &bytes, T *in, T *out, unsigned n, %s, hipStream_t s) {
    return rocprim::%s;\n}' "$1" "$2"
}

rocprim reduce "$(device 'T init' 'reduce(tmp, bytes, in, out, init, n, rocprim::plus<T>(), s)')"
rocprim scan "$(device 'T init' 'exclusive_scan(tmp, bytes, in, out, init, n, rocprim::plus<T>(), s)')"
rocprim radix-sort "$(device 'unsigned bits' 'radix_sort_keys(tmp, bytes, in, out, n, 0, bits, s)')"
rocprim merge-sort "$(device 'int' 'merge_sort(tmp, bytes, in, out, n, rocprim::greater<T>(), s)')"
rocprim unique "$(device 'unsigned *count' 'unique(tmp, bytes, in, out, count, n, rocprim::equal_to<T>(), s)')"
rocprim run-length "$(device 'unsigned *counts, unsigned *runs' \
    'run_length_encode(tmp, bytes, in, n, out, counts, runs, s)')"
rocprim segmented-reduce "$(device 'int *offsets' \
    'segmented_reduce(tmp, bytes, in, out, n, offsets, offsets + 1, rocprim::maximum<T>(), T(0), s)')"
rocprim merge "$(device 'T *more' 'merge(tmp, bytes, in, more, out, n, n, rocprim::less<T>(), s)')"
rocprim histogram "$(device 'int *counts' \
    'histogram_even(tmp, bytes, in, n, counts, 65, T(0), T(64), s)')"

hiprand philox '__global__ void fill(T *out, unsigned long long seed) {
    hiprandStatePhilox4_32_10_t state;
    hiprand_init(seed, threadIdx.x, 0, &state);
    out[threadIdx.x] = T(hiprand_normal_double(&state)) + T(hiprand_poisson(&state, 4.0));
}'
hiprand xorwow '__global__ void fill(T *out, unsigned long long seed) {
    hiprandStateXORWOW_t state;
    hiprand_init(seed, threadIdx.x, 0, &state);
    out[threadIdx.x] = T(hiprand_uniform(&state)) + T(hiprand_log_normal(&state, 0.0f, 1.0f));
}'
hiprand mrg32k3a '__global__ void fill(T *out, unsigned long long seed) {
    hiprandStateMRG32k3a_t state;
    hiprand_init(seed, threadIdx.x, 0, &state);
    out[threadIdx.x] = T(hiprand_uniform_double(&state)) + T(hiprand_normal(&state));
}'

cat >"$dir/Makefile" <<'MAKE'
CXX = /opt/rocm/llvm/bin/clang++
ROCM = /opt/rocm
ARCHS = gfx900 gfx906
CXXFLAGS = -O2
OBJ = obj

sources := $(wildcard *.hip)
objects := $(sources:%.hip=$(OBJ)/%.o)
archs := $(ARCHS:%=--offload-arch=%)

all: $(objects)

$(OBJ)/%.o: %.hip | $(OBJ)
	$(CXX) --rocm-path=$(ROCM) -std=c++17 -w $(archs) $(CXXFLAGS) -MD -MF $(@:.o=.d) -c $< -o $@

$(OBJ):
	mkdir -p $@

clean:
	rm -rf $(OBJ)

.PHONY: all clean
MAKE
