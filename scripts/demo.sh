#!/usr/bin/env bash
# demo.sh: a real HIP build, cold and warm, through rock-wrap with sccache and with ccache.
#
# usage: demo.sh [--clang N] [--layout LAYOUT] [-j N] [--rock-wrap PROGRAM]
#
#   --clang, --layout   the ROCm-like tree to use, as for rocm-tree.sh (default: the newest available clang)
#   -j N                compile N units in parallel (default: the number of processors)
#   --rock-wrap PROGRAM use this executable instead of a fresh release build
#
# Builds rock-wrap, makes a tree from Debian's packages and gets the launchers. Builds examples/hip-project
# without a launcher, and then twice for each launcher, always with an empty build directory: once with an
# empty cache and once with a filled one. Prints times, hits and misses, and where the page of each build is, and
# compares the tree with its original state. Fails if a warm build had a HIP miss, if its objects differ from the cold build's, or if
# anything in the tree changed. Writes only below target/demo (or, if that path has spaces, which hipcc does
# not support, to a temporary directory), except that it installs missing Debian packages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/suites.sh"

tree_options=(--clang newest) jobs=$(nproc) rock_wrap=
while (($#)); do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --clang | --layout) tree_options+=("$1" "${2-}") && shift ;;
    --clang=* | --layout=*) tree_options+=("$1") ;;
    -j) jobs=${2-} && shift ;;
    -j*) jobs=${1#-j} ;;
    --rock-wrap) rock_wrap=$(realpath -- "${2-}") && shift ;;
    *) say "error: unexpected argument $1 (try --help)" && exit 2 ;;
    esac
    (($#)) && shift
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || die "-j takes a number, not '$jobs'"

forget_environment
export LC_ALL=C.UTF-8 # bash writes the time with the locale's decimal sign

[[ -n $rock_wrap ]] || need_cargo
need_packages gcc libc6-dev make python3
need_launchers
if [[ -z $rock_wrap ]]; then
    build_rock_wrap
    rock_wrap=$ROCK_WRAP
fi

# Debian's hipcc does not quote paths, and make does not support spaces in a build directory's path.
work=$ROOT/target/demo
server='' temporary=''
on_exit() {
    local status=$?
    [[ -z $server ]] || "$SCCACHE_BIN" --stop-server >/dev/null 2>&1 || true
    # Keep the logs of a failure.
    [[ -z $temporary || $status != 0 ]] || rm -rf -- "$temporary"
}
trap on_exit EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [[ $work == *[[:space:]]* ]]; then
    work=$(mktemp -d)
    temporary=$work
fi
rm -rf -- "$work"
mkdir -p -- "$work"

tree=$work/rocm build=$work/build
"$ROOT/scripts/rocm-tree.sh" "${tree_options[@]}" "$tree" >&2
compiler=$("$tree/lib/llvm/bin/clang++" --version | head -n 1)
# The program is linked with the tree's own HIP runtime, which may need a newer C library than this machine's.
HIPCC_LINK_FLAGS_APPEND=$(runtime_flags "$tree")
export HIPCC_LINK_FLAGS_APPEND

# manifest FILE: list everything in the tree that a restore must bring back. The mtime of directories is left out:
# it changes when entries are added and removed again.
manifest() {
    (
        cd -- "$tree"
        find . -mindepth 1 \( -type d -printf '%P\t%y %i %n %m %U:%G\n' -o \
            -printf '%P\t%y %i %n %m %U:%G %s %T@ %l\n' \)
        find bin lib/llvm/bin lib/llvm/amdgcn -type f -exec sha256sum {} +
    ) | LC_ALL=C sort >"$1"
}

# timed NAME COMMAND...: run the command with an empty build directory, output in $work/NAME.log; sets $seconds.
timed() {
    local name=$1 start
    shift
    rm -rf -- "$build"
    say "$name"
    start=$EPOCHREALTIME
    if ! "$@" >"$work/$name.log" 2>&1; then
        tail -n 30 -- "$work/$name.log" >&2
        die "the build failed (all of it: $work/$name.log)"
    fi
    seconds=$(python3 -c 'import sys; print("%.1f" % (float(sys.argv[2]) - float(sys.argv[1])))' \
        "$start" "$EPOCHREALTIME")
    "$build/sample" >/dev/null || die "the program that was built does not run"
}

make=(make -C "$ROOT/examples/hip-project" -j "$jobs" HIPCC="$tree/bin/hipcc" BUILD="$build")
objects() { (cd -- "$build" && sha256sum ./*.o); }

# hip_counts LAUNCHER: hits and misses of HIP units since zero_counts, as the launcher reports them.
hip_counts() {
    case $1 in
    sccache)
        "$SCCACHE_BIN" --show-stats --stats-format=json | python3 -c '
import json, sys
stats = json.load(sys.stdin)["stats"]
print(*(stats[key]["counts"].get("HIP", 0) for key in ("cache_hits", "cache_misses")))'
        ;;
    ccache)
        # ccache has one counter for all languages, but its statistics log has each result with its source.
        python3 - "$CCACHE_STATSLOG" <<'PYTHON'
import sys
counts, hip = {}, False
for line in open(sys.argv[1]):
    line = line.rstrip("\n")
    if line.startswith("# "):
        hip = line.endswith(".hip")
    elif hip:
        counts[line] = counts.get(line, 0) + 1
print(counts.get("direct_cache_hit", 0) + counts.get("preprocessed_cache_hit", 0), counts.get("cache_miss", 0))
PYTHON
        ;;
    esac
}
# calls: how many compiler calls of the last build were launched and how many went directly to the compiler.
calls() {
    python3 -c 'import json, sys
calls = json.load(open(sys.argv[1]))["calls"]
print(calls["launched"], "/", calls["direct"])' "$work/report.json"
}
zero_counts() {
    case $1 in
    sccache) "$SCCACHE_BIN" --zero-stats >/dev/null 2>&1 ;;
    ccache) : >"$CCACHE_STATSLOG" ;;
    esac
}

# Use caches of our own, which nobody else has filled. The port is free now; if another program takes it before the
# server does, the server reports it.
export SCCACHE_DIR=$work/sccache SCCACHE_IDLE_TIMEOUT=0
SCCACHE_SERVER_PORT=$(python3 -c 'import socket
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    print(s.getsockname()[1])')
export SCCACHE_SERVER_PORT CCACHE_DIR=$work/ccache CCACHE_STATSLOG=$work/ccache.results

# The first compile reads compiler and headers from the disk; the bare build must not pay for it.
timed warm-up "${make[@]}"
timed bare "${make[@]}"
bare=$seconds
units=("$ROOT"/examples/hip-project/src/*.hip)
manifest "$work/before"

rows=() wrong=()
for launcher in sccache ccache; do
    case $launcher in
    sccache)
        program=$SCCACHE_BIN
        server=started
        "$SCCACHE_BIN" --start-server >"$work/sccache-server.log" 2>&1 ||
            die "sccache's server does not start: $(tail -n 1 -- "$work/sccache-server.log")"
        ;;
    ccache) program=$CCACHE_BIN ;;
    esac
    run=("$rock_wrap" run --rocm-path "$tree" --launcher "$program" --report "$work/report.json" --html)

    zero_counts "$launcher"
    timed "$launcher-cold" "${run[@]}" "$work/$launcher-cold.html" -- "${make[@]}"
    cold=$seconds
    counts=$(hip_counts "$launcher") || die "$launcher does not tell its statistics"
    read -r cold_hits cold_misses <<<"$counts"
    objects >"$work/cold.objects"

    zero_counts "$launcher"
    timed "$launcher-warm" "${run[@]}" "$work/$launcher-warm.html" -- "${make[@]}"
    warm=$seconds
    counts=$(hip_counts "$launcher") || die "$launcher does not tell its statistics"
    read -r warm_hits warm_misses <<<"$counts"
    objects >"$work/warm.objects"

    version=$("$program" --version)
    version=${version%%$'\n'*}
    rows+=("${version/ version/}|$bare s|$cold s|$warm s|$cold_hits / $cold_misses|$warm_hits / $warm_misses|$(calls)")
    ((warm_hits == ${#units[@]} && warm_misses == 0)) ||
        wrong+=("$launcher: $warm_hits hits and $warm_misses misses of ${#units[@]} HIP units in the warm build")
    cmp -s -- "$work/cold.objects" "$work/warm.objects" ||
        wrong+=("$launcher: objects of the warm build differ from the cold build's")
done

manifest "$work/after"
differences=$(diff -- "$work/before" "$work/after") ||
    wrong+=("the tree is not as before:"$'\n'"$differences")

{
    echo
    echo "$compiler"
    format='%-16s %7s %7s %7s   %-12s %-12s %s\n'
    # shellcheck disable=SC2059
    printf "$format" "" "" "" "" "HIP, cold" "HIP, warm" "calls, warm"
    # shellcheck disable=SC2059
    printf "$format" launcher bare cold warm "hits/misses" "hits/misses" "launched/direct"
    for row in "${rows[@]}"; do
        IFS='|' read -ra cells <<<"$row"
        # shellcheck disable=SC2059
        printf "$format" "${cells[@]}"
    done
    echo
    echo "Each build as a page for a browser:"
    printf '  file://%s\n' "$work"/*.html
    echo
}
if ((${#wrong[@]})); then
    for what in "${wrong[@]}"; do
        say "wrong: $what"
    done
    exit 1
fi
echo "The tree is as it was: $(wc -l <"$work/before") facts about $(find "$tree" -mindepth 1 | wc -l) paths" \
    "(type, inode, links, mode, owner, size, time, target, digest) compared."
