#!/usr/bin/env bash
# bench.sh: measure rock-wrap against its peers and its bars.
#
# usage: bench.sh [--quick] [--builds] [--only GROUP] [--json FILE] [--clang 15|19]
#
#   --quick        fewer rounds: two minutes instead of a quarter of an hour
#   --builds       whole builds instead of single calls (two to three hours; --quick: 40 minutes)
#   --only GROUP   hit, parallel, direct, launched, growth, memory, commands or per-arch; for builds "sample" or "heavy",
#                  or a single contest such as "heavy, -j2, ccache"
#   --json FILE    also write the numbers to FILE
#   --clang        the compiler of the ROCm-like trees, as for rocm-tree.sh (default: 19)
#
# Makes a release build and, below target/bench, three trees, two of which are wrapped. Runs every command
# alternately with its peers, and prints a line for each with its bar. Fails if a bar is missed by more than
# the noise. The noise is measured too: from the spread of the samples, from a command that runs against
# itself and, for bars in seconds, from the processor time that the host withholds from a virtual machine.
# docs/performance.md explains the numbers.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

options=() clang=19
while (($#)); do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --quick | --builds) options+=("$1") ;;
    --only) options+=("$1" "${2-}") && shift ;;
    --json) options+=("$1" "$(realpath -m -- "${2-}")") && shift ;;
    --clang) clang=${2-} && shift ;;
    *) say "error: unexpected argument $1 (try --help)" && exit 2 ;;
    esac
    (($#)) && shift
done

forget_environment

need_packages gcc libc6-dev make python3 procps
need_launchers
build_rock_wrap
work=$ROOT/target/bench
rm -rf -- "$work"
mkdir -p -- "$work"
export XDG_CACHE_HOME=$work/memo
say "making trees"
"$ROOT/scripts/rocm-tree.sh" --clang "$clang" --no-check "$work/bare" >&2
for launcher in sccache ccache; do
    cp -a -- "$work/bare" "$work/$launcher"
    program=SCCACHE_BIN
    [[ $launcher == sccache ]] || program=CCACHE_BIN
    "$ROCK_WRAP" install --rocm-path "$work/$launcher" --launcher "${!program}" >/dev/null
done
"$ROOT/scripts/heavy-units.sh" "$work/heavy"

cargo bench --quiet --bench speed "${RELEASE_OPTIONS[@]}" -- \
    --rock-wrap "$ROCK_WRAP" --source "$ROOT" --work "$work" --sccache "$SCCACHE_BIN" --ccache "$CCACHE_BIN" \
    "${options[@]}"
