#!/bin/sh
# Writes src/decide/options_table.rs from the option tables of Debian's clang 15 and 19.
#
#   scripts/generate-options.sh           write the file
#   scripts/generate-options.sh --check   fail if the committed file is not what would be written
#
# Needs python3, rustfmt and the packages libclang-15-dev and libclang-19-dev.
set -eu

cd "$(dirname "$0")/.."
table=src/decide/options_table.rs

set -- "${1-}"
for version in 15 19; do
    file=/usr/lib/llvm-$version/include/clang/Driver/Options.inc
    if [ ! -r "$file" ]; then
        echo "generate-options: $file is missing; apt-get install libclang-$version-dev" >&2
        exit 1
    fi
    set -- "$@" "$version=$file"
done
mode=$1
shift

new=$(mktemp)
trap 'rm -f "$new"' EXIT
python3 scripts/generate-options.py "$@" >"$new"

case $mode in
--check) diff -u "$table" "$new" ;;
'') cat "$new" >"$table" ;;
*)
    echo "usage: $0 [--check]" >&2
    exit 2
    ;;
esac
