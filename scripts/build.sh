#!/usr/bin/env bash
# build.sh: make a release build of rock-wrap, and install it.
#
# usage: build.sh [DIR]
#
#   DIR   the directory for the executable, e.g. ~/.local/bin; without it, the path of the build is printed
#
# The executable is static if the tool chain can make one: with rustup's musl target, or with the C library's
# archive (libc6-dev; glibc-static). Such an executable needs nothing else to run.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

take_arguments 1 "$@"
build_rock_wrap
if (($#)); then
    install -D -m 755 -t "$1" -- "$ROCK_WRAP"
    say "installed $1/${ROCK_WRAP##*/}"
else
    printf '%s\n' "$ROCK_WRAP"
fi
