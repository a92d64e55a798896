#!/usr/bin/env bash
# test-packages.sh: make the packages, install and use each in places of its own, and remove it.
#
# usage: test-packages.sh [SUITE...]
#
#   SUITE   the Debian releases whose root file systems are tried: buster bullseye bookworm trixie sid
#
# The wheel goes into fresh environments of pip, uv and pipx; the Debian package into root file systems of old and new
# releases, made by mmdebstrap, in one of which a compiler is wrapped; the RPM package into one of these; the bare
# executable into a file system with nothing else in it and into one with musl. What cannot be had here is said and
# skipped. Needs root. Nothing is installed on this machine but the tools for all this.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/suites.sh"

take_arguments 9 "$@"
((EUID == 0)) || die "this needs root, for chroot"
suites=("$@")
((${#suites[@]})) || suites=(buster bullseye bookworm trixie sid)

"$ROOT/scripts/package.sh"
need_package_tools
need_packages mmdebstrap rpm busybox-static musl
work=$(mktemp -d -- "$ROOT/target/test-packages.XXXXXX")
trap 'rm -rf --one-file-system -- "$work"' EXIT
chmod 755 -- "$work"
packages=$ROOT/target/packages
wheel=$(echo "$packages"/*.whl) deb=$(echo "$packages"/*.deb) rpm=$(echo "$packages"/*.rpm)
bin=$TOOLS/python-packages/bin
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
export HOME=$work/home PIP_DISABLE_PIP_VERSION_CHECK=1 PIPX_HOME=$work/pipx UV_CACHE_DIR=$work/uv UV_NO_CONFIG=1
mkdir -p -- "$HOME"

# is WANTED FOUND: compare.
is() { [[ $1 == "$2" ]] || die "expected: $1; found: $2"; }
# has TEXT PART: TEXT contains PART.
has() { [[ $1 == *"$2"* ]] || die "\"$2\" is not in: $1"; }

say "checksums and archive"
(cd -- "$packages" && sha256sum --quiet --check SHA256SUMS)
is "$(($(find "$packages" -type f | wc -l) - 1))" "$(wc -l <"$packages/SHA256SUMS")"
mkdir -- "$work/archive"
tar -xzf "$packages"/*.tar.gz -C "$work/archive" --strip-components=1
is "rock-wrap $version" "$("$work/archive/bin/rock-wrap" --version)"

say "wheel: pip, uvx, pipx"
audit=$("$bin/auditwheel" show "$wheel" 2>&1)
has "$audit" 'consistent with the following platform tag: "manylinux_2_5_x86_64"'
has "$audit" "requires no external shared libraries"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install --no-index "$wheel"
is "rock-wrap $version" "$("$work/venv/bin/rock-wrap" --version)"
cmp -- "$work/archive/bin/rock-wrap" "$work/venv/bin/rock-wrap"
"$work/venv/bin/pip" -q uninstall -y rock-wrap
[[ ! -e $work/venv/bin/rock-wrap ]] || die "pip left the executable behind"
is "rock-wrap $version" "$("$bin/uvx" -q --offline --no-index --find-links "$packages" rock-wrap --version)"
is "rock-wrap $version" "$("$bin/pipx" run --spec "$wheel" rock-wrap --version 2>/dev/null)"
# Which platforms pip takes it for. An installer on a newer one takes it too.
for platform in manylinux_2_17_x86_64 manylinux2014_x86_64 musllinux_1_1_x86_64; do
    "$bin/pip" -q download --no-deps --no-index --find-links "$packages" --only-binary :all: -d "$work/$platform" \
        --platform "$platform" rock-wrap || die "pip does not take the wheel for $platform"
done
if "$bin/pip" -q download --no-deps --no-index --find-links "$packages" --only-binary :all: -d "$work/other" \
    --platform manylinux_2_17_aarch64 rock-wrap 2>/dev/null; then
    die "pip takes the wheel for another processor"
fi

say "no C library, and musl"
mkdir -p -- "$work/empty" "$work/musl/"{bin,lib}
cp -- "$work/archive/bin/rock-wrap" "$work/empty/"
is "rock-wrap $version" "$(chroot "$work/empty" /rock-wrap --version)"
cp -- "$work/empty/rock-wrap" /bin/busybox "$work/musl/bin/"
cp -L -- /lib/ld-musl-x86_64.so.1 "$work/musl/lib/"
is "rock-wrap $version" "$(chroot "$work/musl" /bin/busybox sh -c '/bin/rock-wrap --version')"
say "not tried: Alpine, whose packages cannot be had from here; only musl's loader and busybox were"

# root_of SUITE: make a root file system at $work/root of a release, or fail.
root_of() {
    local suite=$1 mirror include=python3-pip
    [[ $suite != bookworm ]] || include+=,clang-15,ccache
    mirror=$(debian_mirror /etc/apt) || return
    mirror=${mirror##* }
    # The archive of releases that are no longer supported.
    [[ $suite != buster ]] || mirror=http://archive.debian.org/debian
    rm -rf --one-file-system -- "$work/root"
    # The list of a moving release expires; a mirror that is some weeks old will do.
    mmdebstrap --quiet --mode=root --variant=minbase --include="$include" --aptopt='Acquire::Retries "1"' \
        --aptopt='Acquire::http::Timeout "20"' --aptopt='Acquire::Check-Valid-Until "false"' \
        "$suite" "$work/root" "$mirror" >"$work/log" 2>&1
}

inside() { chroot "$work/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }

# packages_in_place SUITE: try the wheel and the Debian package in $work/root.
packages_in_place() {
    local before after file
    cp -- "$wheel" "$deb" "$work/root/tmp/"
    inside python3 -m pip -q install --no-index --target /tmp/installed "/tmp/${wheel##*/}" 2>/dev/null
    is "rock-wrap $version" "$(inside /tmp/installed/bin/rock-wrap --version)"
    before=$(cd "$work/root" && find etc usr opt | sort)
    inside dpkg -i "/tmp/${deb##*/}" >"$work/log" 2>&1 || die "dpkg: $(cat "$work/log")"
    is "rock-wrap $version" "$(inside rock-wrap --version)"
    has "$(inside dpkg --status rock-wrap)" "Version: $version"
    # A minimal system of Debian leaves manual pages and the like out, if told so.
    for file in bin/rock-wrap share/man/man1/rock-wrap-install.1.gz share/bash-completion/completions/rock-wrap \
        share/zsh/vendor-completions/_rock-wrap share/fish/vendor_completions.d/rock-wrap.fish; do
        [[ -e $work/root/usr/$file ]] || die "the package brings no /usr/$file"
    done
    mkdir -p -- "$work/root/opt/rocm-9/lib/llvm/bin"
    ln -s rocm-9 "$work/root/opt/rocm"
    : >"$work/root/opt/rocm-9/lib/llvm/bin/.rockwrap-journal"
    [[ -z $1 ]] || "$1"
    inside dpkg -r rock-wrap >"$work/log" 2>&1 || die "dpkg: $(cat "$work/log")"
    is 1 "$(grep -c '  /opt/rocm-9/lib/llvm/bin$' "$work/log")"
    rm -r -- "$work/root/opt/rocm" "$work/root/opt/rocm-9"
    inside dpkg -i "/tmp/${deb##*/}" >"$work/log" 2>&1
    inside dpkg -P rock-wrap >"$work/log" 2>&1
    [[ $(cat -- "$work/log") != *wrapped* ]] || die "removal speaks of trees where none is wrapped: $(cat "$work/log")"
    after=$(cd "$work/root" && find etc usr opt | sort)
    is "$before" "$after"
}

# compiler_in_place: wrap clang-15 with what the package brought, and see what removal of the package says and leaves.
compiler_in_place() {
    local tree=/usr/lib/llvm-15 digest
    digest=$(inside sha256sum "$tree/bin/clang")
    inside rock-wrap install --rocm-path "$tree" --launcher ccache >"$work/log" 2>&1 || die "$(cat "$work/log")"
    echo 'int answer(void) { return 42; }' >"$work/root/tmp/a.c"
    inside "$tree/bin/clang" -c /tmp/a.c -o /tmp/a.o
    inside dpkg -r rock-wrap >"$work/log" 2>&1
    has "$(cat "$work/log")" "  $tree/bin"
    has "$(cat "$work/log")" "rock-wrap restore --rocm-path DIR"
    # It goes on working, and caching, without the package.
    mv -- "$work/root/tmp/a.o" "$work/root/tmp/first.o"
    inside "$tree/bin/clang" -c /tmp/a.c -o /tmp/a.o
    cmp -- "$work/root/tmp/first.o" "$work/root/tmp/a.o"
    has "$(inside ccache --print-stats | grep -E '^(direct|preprocessed)_cache_hit')" $'hit\t1'
    inside dpkg -i "/tmp/${deb##*/}" >"$work/log" 2>&1
    inside rock-wrap restore --rocm-path "$tree/bin" >"$work/log" 2>&1 || die "$(cat "$work/log")"
    is "$digest" "$(inside sha256sum "$tree/bin/clang")"
    is "" "$(inside dpkg --verify clang-15)"
}

# rpm_in_place: the same for the RPM package, with this machine's rpm.
rpm_in_place() {
    local rpm_to=(rpm --root "$work/root" --dbpath /var/lib/rpm)
    "${rpm_to[@]}" --initdb
    # Debian's rpm asks to be forced, since it cannot know what dpkg has installed.
    "${rpm_to[@]}" --force-debian -i --nodeps "$rpm" >"$work/log" 2>&1 || die "rpm: $(cat "$work/log")"
    is "rock-wrap $version" "$(inside rock-wrap --version)"
    [[ -e $work/root/usr/share/zsh/site-functions/_rock-wrap ]] || die "the RPM package brings no completions for zsh"
    mkdir -p -- "$work/root/usr/lib64/rocm/llvm/bin"
    : >"$work/root/usr/lib64/rocm/llvm/bin/.rockwrap-journal"
    "${rpm_to[@]}" --force-debian -e rock-wrap >"$work/log" 2>&1 || die "rpm: $(cat "$work/log")"
    has "$(cat "$work/log")" "  /usr/lib64/rocm/llvm/bin"
    [[ ! -e $work/root/usr/bin/rock-wrap ]] || die "rpm left the executable behind"
}

tried=()
for suite in "${suites[@]}"; do
    say "Debian $suite"
    if ! root_of "$suite"; then
        say "not tried: Debian $suite, which cannot be had from here: $(grep -m 1 -E '^(E:|Err)' "$work/log")"
        continue
    fi
    if [[ $suite == bookworm ]]; then
        packages_in_place compiler_in_place
        rpm_in_place
    else
        packages_in_place ''
    fi
    tried+=("$suite")
done
((${#tried[@]})) || die "no root file system could be made"
say "all as it should be; tried in: ${tried[*]}"
