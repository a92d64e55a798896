#!/bin/sh
# Writes src/shared/decision/options_table.rs from the option tables of clang 15, 17, 19, 22 and 23.
#
#   scripts/generate-options.sh           write the file
#   scripts/generate-options.sh --check   fail if the committed file is out of date
#
# Needs python3. If an Options.inc (libclang-NN-dev) is not installed, it is taken from Debian's package and kept in
# target/options. --check succeeds with a message, without comparing, if one of the versions that the committed file
# was made from is not available: Debian's current packages say nothing about that file.
set -eu

cd "$(dirname "$0")/.."
table=src/shared/decision/options_table.rs
kept=target/options
versions='15 17 19 22 23'

case ${1-} in
--check | '') ;;
*)
    echo "usage: $0 [--check]" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Prints the path of clang $1's Options.inc if it is available. clang 22 moved it.
found() {
    for file in "/usr/lib/llvm-$1"/include/clang/*/Options.inc "$kept/$1/Options.inc"; do
        if [ -r "$file" ]; then
            echo "$file"
            return
        fi
    done
}

# apt with its own package lists; the machine's configuration is not changed.
private_apt() {
    apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts" \
        -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
        -o Dir::Cache="$work/cache" -o Acquire::Languages=none -o Acquire::Check-Valid-Until=false \
        -o Acquire::Retries=0 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
        -o APT::Sandbox::User= "$@"
}

# Fetches the Options.inc of the given versions from the mirror that the machine itself uses.
fetch() {
    targets=$(apt-get indextargets --format "\$(REPO_URI) \$(LABEL)" 'Created-By: Packages' 2>/dev/null) || return 1
    mirror=$(echo "$targets" | awk '$2 == "Debian" { print $1; exit }')
    [ -n "$mirror" ] || return 1
    mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/files"
    for suite in bookworm trixie sid; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$work/sources.list"
    : >"$work/status"
    private_apt update >&2 || return 1
    for version; do
        (cd "$work/files" && private_apt download "libclang-$version-dev" >&2) || continue
        mkdir -p "$work/$version" "$kept/$version"
        dpkg-deb --fsys-tarfile "$work/files/libclang-$version-dev"_*.deb |
            tar -x -C "$work/$version" --wildcards '*/Options.inc' || continue
        # By rename, since another run may do the same.
        find "$work/$version" -name Options.inc -exec cp {} "$kept/$version/.$$" \;
        mv "$kept/$version/.$$" "$kept/$version/Options.inc"
    done
}

missing=
for version in $versions; do
    [ -n "$(found "$version")" ] || missing="$missing $version"
done
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # one word for each
    fetch $missing || echo "generate-options: no packages of Debian can be had" >&2
fi

set -- "${1-}"
lacking=
for version in $versions; do
    file=$(found "$version")
    if [ -z "$file" ]; then
        lacking="$lacking; clang $version: no Options.inc (libclang-$version-dev)"
    elif [ "$1" = --check ] &&
        ! grep -q "^//! clang $version: $(sha256sum "$file" | cut -d ' ' -f 1)\$" "$table"; then
        lacking="$lacking; clang $version: $file is not the one that the table was made of"
    else
        set -- "$@" "$version=$file"
    fi
done
if [ -n "$lacking" ]; then
    if [ "$1" = --check ]; then
        echo "generate-options: NOT CHECKED: $table${lacking}" >&2
        exit 0
    fi
    echo "generate-options: cannot write $table${lacking}" >&2
    exit 1
fi
mode=$1
shift

python3 scripts/generate-options.py "$@" >"$work/table.rs"
case $mode in
--check) diff -u "$table" "$work/table.rs" ;;
*) cat "$work/table.rs" >"$table" ;;
esac
