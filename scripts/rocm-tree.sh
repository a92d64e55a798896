#!/usr/bin/env bash
# rocm-tree.sh: build a directory that looks like /opt/rocm from Debian's own packages.
#
# usage: rocm-tree.sh [--clang N] [--layout LAYOUT] [--cfg] [--copy-libs] [--no-check] DIR
#        rocm-tree.sh [--clang N] --get
#
#   --clang N        the Debian release of clang to use as ROCm's compiler (default: 15)
#       15, 19       Debian 12's, with HIP 5.2
#       17           Debian 13's, with HIP 5.7
#       22, 23       sid's, with HIP 7.2 of experimental; 23 has the new offload driver by default
#       newest       the newest that has device libraries; 19 if only Debian 12 is available
#   --layout LAYOUT  how lib/llvm/bin holds the compiler (default: symlink)
#       symlink      clang++ -> clang -> clang-N, as in ROCm's packages and tarballs
#       regular      clang++ -> clang, clang-N -> clang; clang is the program, as in Debian
#       hardlink     clang, clang++, clang-N, ... are one inode, as where symlinks are not allowed
#       stub         clang and clang++ are small programs that look for the next name and exec it,
#                    as in ROCm's Python wheels
#   --cfg            with rocm.cfg and the clang*.cfg that include it, as in ROCm's tarballs
#                    (clang 15 reads them only with --config)
#   --copy-libs      copy libLLVM and libclang-cpp (200 MB), for tests that change them
#   --no-check       do not try the tree after it is built
#   --get            make no tree, only get its packages; prints N
#
# Missing packages of Debian 12 are installed with apt. Those of other releases are extracted once below
# target/tools; their compilers run from there with their own libraries. DIR must not exist or be empty.
# Everything that a test may change (compiler, lld, tools, headers, device bitcode, configuration files) is a
# copy. Only the large libraries and the host's run-time archives are links, to the system's or to those
# below target/tools.
#
# The exit status is 77 if the packages are not available, for example because a release was removed from a
# suite.
#
# How to compile in the tree (hipcc also links: k.o -o k; with another release's HIP, the program needs
# the output of runtime_flags in suites.sh, as HIPCC_LINK_FLAGS_APPEND or, with CMake, as LDFLAGS):
#   DIR/bin/hipcc --offload-arch=gfx900 --offload-arch=gfx906 -c k.hip -o k.o
#   DIR/lib/llvm/bin/clang++ --rocm-path=DIR -x hip --offload-arch=gfx900 -c k.hip -o k.o
# Instead of --rocm-path, ROCM_PATH can be set or, from clang 17 on, --cfg be used: unlike AMD's own, these
# releases do not search beyond lib/llvm. clang 15 and 19 find the same headers in /usr/include first;
# -isystem DIR/include, which their hipcc passes, selects the tree's.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/suites.sh"

bad_usage() {
    say "error: $*"
    say "try: $0 --help"
    exit 2
}

version=15 layout=symlink cfg=no copy_libs=no check=yes get=no dir=
while (($#)); do
    case $1 in
    -h | --help) usage && exit 0 ;;
    --clang) version=${2-} && shift ;;
    --clang=*) version=${1#*=} ;;
    --layout) layout=${2-} && shift ;;
    --layout=*) layout=${1#*=} ;;
    --cfg) cfg=yes ;;
    --copy-libs) copy_libs=yes ;;
    --no-check) check=no ;;
    --get) get=yes ;;
    -*) bad_usage "unknown option $1" ;;
    *)
        [[ -z $dir ]] || bad_usage "more than one directory: $dir, $1"
        dir=$1
        ;;
    esac
    (($#)) && shift
done
[[ -n $dir || $get == yes ]] || bad_usage "which directory?"
case $version in 15 | 17 | 19 | 22 | 23 | newest) ;;
*) bad_usage "--clang takes 15, 17, 19, 22, 23 or newest, not '$version'" ;; esac
case $layout in symlink | regular | hardlink | stub) ;;
*) bad_usage "--layout takes symlink, regular, hardlink or stub, not '$layout'" ;; esac
if [[ -e $dir || -L $dir ]]; then
    [[ -d $dir ]] || die "$dir exists and is not a directory"
    [[ -z $(ls -A -- "$dir") ]] || die "$dir exists and is not empty; remove it or name another directory"
fi

# --- the packages -------------------------------------------------------------------------------

# Sets $version to the newest clang that has its own device libraries. 19 is always available.
choose_newest() {
    local work packages package
    work=$(mktemp -d)
    # In a subshell, since private_apt exits if no packages are available.
    packages=$( (private_apt "$work" sid experimental && packages_like 'clang-[0-9]+|rocm-device-libs-[0-9]+')) || true
    rm -rf -- "$work"
    version=19
    while read -r package; do
        if [[ $package == rocm-device-libs-* ]] && ((${package##*-} > version)) &&
            grep -qx "clang-${package##*-}" <<<"$packages"; then
            version=${package##*-}
        fi
    done <<<"$packages"
    # Without a mirror, use what an earlier run got.
    for package in "$TOOLS"/debian-clang-*/usr/lib/llvm-*/lib/clang/*/amdgcn; do
        [[ $package =~ /debian-clang-([0-9]+)/usr/lib/llvm-([0-9]+)/ ]] || continue
        ((BASH_REMATCH[1] != BASH_REMATCH[2] || BASH_REMATCH[1] <= version)) || version=${BASH_REMATCH[1]}
    done
    say "the newest clang with device libraries of its own that can be had is $version"
}
[[ $version != newest ]] || choose_newest

# Sets $usr to the directory that contains the packages' files.
case $version in
15 | 19)
    need_packages hipcc rocm-device-libs libamdhip64-dev file \
        "clang-$version" "clang-tools-$version" "lld-$version" "llvm-$version"
    ((version < 16)) || need_packages "libclang-rt-$version-dev" # part of libclang-common-15-dev before
    usr=/usr
    ;;
*)
    if ((version == 17)); then
        of=trixie device_libs=17
    else
        # clang 23 has no device libraries of its own; use those of 22.
        of="sid experimental" device_libs=$((version == 23 ? 22 : version))
    fi
    # The C library's headers, start files and libstdc++ are this machine's.
    need_packages g++ libc6-dev file
    need_unpacked "$TOOLS/debian-clang-$version" "$of" \
        "clang-$version" "clang-tools-$version" "lld-$version" "llvm-$version" \
        "libclang-common-$version-dev" "libclang-rt-$version-dev" \
        "rocm-device-libs-$device_libs" hipcc libamdhip64-dev
    usr=$TOOLS/debian-clang-$version/usr
    ;;
esac
if [[ $get == yes ]]; then
    echo "$version"
    exit
fi

debian=$usr/lib/llvm-$version
multiarch=$usr/lib/$("$debian/bin/clang" -print-multiarch 2>/dev/null || true)
[[ -e $multiarch/libamdhip64.so ]] || multiarch=$usr/lib/x86_64-linux-gnu
hip_version=$(sed -n 's/^HIP_VERSION_\(MAJOR\|MINOR\|PATCH\)=//p' "$usr/share/hip/version" | paste -sd .)

mkdir -p -- "$dir"
dir=$(cd -- "$dir" && pwd -P)
# Leave no incomplete tree behind.
trap 'find "$dir" -mindepth 1 -delete; rmdir -- "$dir" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

llvm=$dir/lib/llvm
bin=$llvm/bin
mkdir -p -- "$bin" "$llvm/lib/clang" "$llvm/amdgcn" "$dir/bin" "$dir/include" "$dir/share/hip" \
    "$dir/.info"
ln -s lib/llvm "$dir/llvm"
ln -s lib/llvm/amdgcn "$dir/amdgcn"

copy() { cp -a --reflink=auto -- "$@"; }

# --- the compiler's directory -------------------------------------------------------------------

# alias_to TARGET NAME...: add names for a program of the same directory, in the way of the layout.
alias_to() {
    local target=$1 name
    shift
    for name in "$@"; do
        case $layout in
        symlink | regular) ln -s "$target" "$bin/$name" ;;
        hardlink) ln "$bin/$target" "$bin/$name" ;;
        stub) stub_to "$target" "$name" ;;
        esac
    done
}

# The program that ROCm's Python wheels have in place of each executable symlink. It finds its target by its own
# location, not by argv[0], and passes argv on unchanged. So clang++ runs clang++ (this program), clang (this
# program again) and clang-N, all with argv[0] = clang++.
stub_to() {
    local target=$1 name=$2
    if [[ ! -e $work/stub-$target ]]; then
        "$debian/bin/clang" -O2 -fPIE -pie -s -DTARGET="\"$target\"" -x c - -o "$work/stub-$target" <<'C'
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char self[PATH_MAX], target[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)argc;
    if (n < 0) {
        perror("could not read /proc/self/exe");
        return 1;
    }
    self[n] = 0;
    *strrchr(self, '/') = 0;
    if (strlen(self) + sizeof "/" TARGET > sizeof self || !realpath(strcat(self, "/" TARGET), target)) {
        fprintf(stderr, "could not find %s\n", self);
        return 1;
    }
    execv(target, argv);
    fprintf(stderr, "could not exec %s\n", target);
    return 1;
}
C
    fi
    cp -- "$work/stub-$target" "$bin/$name"
}

work=$(mktemp -d)
trap 'find "$dir" -mindepth 1 -delete; rmdir -- "$dir" 2>/dev/null || true; rm -rf -- "$work"' EXIT

if [[ $layout == regular ]]; then
    copy "$debian/bin/clang" "$bin/clang"
    alias_to clang "clang-$version"
else
    copy "$debian/bin/clang" "$bin/clang-$version"
    alias_to "clang-$version" clang
fi
alias_to clang clang++ clang-cpp clang-cl

copy "$debian/bin/lld" "$bin/"
alias_to lld ld.lld ld64.lld lld-link wasm-ld
for tool in amdgpu-arch clang-linker-wrapper clang-nvlink-wrapper clang-offload-bundler \
    clang-offload-packager clang-offload-wrapper clang-scan-deps llvm-offload-binary \
    llvm-offload-wrapper offload-arch llc llvm-ar llvm-as llvm-cov \
    llvm-cxxfilt llvm-dis llvm-dwarfdump llvm-link llvm-mc llvm-nm llvm-objcopy llvm-objdump \
    llvm-profdata llvm-readobj llvm-size llvm-symbolizer opt; do
    # Not every release has all of them.
    [[ ! -e $debian/bin/$tool ]] || copy "$debian/bin/$tool" "$bin/"
done
alias_to llvm-ar llvm-ranlib
alias_to llvm-objcopy llvm-strip
alias_to llvm-readobj llvm-readelf
alias_to llvm-symbolizer llvm-addr2line

# amdclang++ and similar names: a program that runs the name without "amd" beside it and waits.
"$debian/bin/clang" -O2 -s -x c - -o "$bin/amdllvm" <<'C'
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char path[PATH_MAX];
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    int status;
    pid_t child;
    (void)argc;
    if (n < 0 || strncmp(name, "amd", 3) != 0 || strcmp(name, "amdllvm") == 0) {
        fprintf(stderr, "amdllvm: call it by another name, as amdclang\n");
        return 1;
    }
    path[n] = 0;
    strrchr(path, '/')[1] = 0;
    if (strlen(path) + strlen(name) >= sizeof path)
        return 1;
    argv[0] = strcat(path, name + 3);
    if ((child = fork()) == 0) {
        execv(path, argv);
        perror(path);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        perror("amdllvm");
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
C
for name in amdclang amdclang++ amdclang-cpp amdclang-cl amdlld; do
    alias_to amdllvm "$name"
    ln -s "../lib/llvm/bin/$name" "$dir/bin/$name" # a symlink in every one of ROCm's packages
done

# Debian's hipcc calls the compiler of its own release, whatever $version is. Only hipcc uses these names. They are
# links in every layout, because they must lead to whatever replaces clang++.
case $hip_version in
5.2.*) ln -s clang++ "$bin/clang++-15" && ln -s llc "$bin/llc-15" ;;
5.*) ln -s clang++ "$bin/clang++-17" && ln -s llc "$bin/llc-17" ;;
7.*) ln -s llvm "$dir/lib/llvm-22" ;; # lib/llvm-22/bin/clang++ below the tree's top
esac

# Configuration files as in ROCm's tarballs.
if [[ $cfg == yes ]]; then
    printf '%s\n' -Wl,--enable-new-dtags "--rocm-path='<CFGDIR>/../../..'" -frtlib-add-rpath >"$bin/rocm.cfg"
    for name in "clang-$version" clang clang++ clang-cl clang-cpp flang; do
        echo @rocm.cfg >"$bin/$name.cfg"
    done
fi

# --- its libraries, headers and device bitcode --------------------------------------------------

# The programs have RUNPATH $ORIGIN/../lib, but Debian's libraries are found only by the loader's cache: their
# names in lib/llvm-N/lib come with the development package, which is not needed otherwise. Ask the program's own
# loader: it may differ from the machine's, which ldd would use.
loaded=$("$(loader_of "$debian/bin/clang")" --list "$debian/bin/clang")
for soname in $(readelf -d "$debian/bin/clang" | sed -n 's/.*(NEEDED).*\[\(lib\(LLVM\|clang\).*\)\]/\1/p'); do
    library=$(sed -n "s/^[[:space:]]*${soname//./\\.} => \(.*\) (0x.*/\1/p" <<<"$loaded")
    library=$(readlink -e -- "$library") || die "$debian/bin/clang has no $soname"
    if [[ $copy_libs == yes ]]; then
        copy "$library" "$llvm/lib/$soname"
    else
        ln -s "$library" "$llvm/lib/$soname"
    fi
done

resource=$("$debian/bin/clang" -print-resource-dir)
full_version=$("$debian/bin/clang" -dumpversion)
mkdir -- "$llvm/lib/clang/${resource##*/}"
copy "$resource/include" "$resource/share" "$llvm/lib/clang/${resource##*/}/"
ln -s "$resource/lib" "$llvm/lib/clang/${resource##*/}/lib"
# Debian's hipcc looks for the full version, but clang since 16 uses only the major number.
[[ ${resource##*/} == "$full_version" ]] || ln -s "${resource##*/}" "$llvm/lib/clang/$full_version"

# Newer releases have it where clang looks even without a ROCm path.
if [[ $usr == /usr ]]; then
    copy "$multiarch/amdgcn/bitcode" "$llvm/amdgcn/"
else
    copy "$usr/lib/llvm-$device_libs/lib/clang/$device_libs/amdgcn/bitcode" "$llvm/amdgcn/"
    ln -s ../../../amdgcn "$llvm/lib/clang/${resource##*/}/amdgcn"
fi

# --- HIP ----------------------------------------------------------------------------------------

copy "$usr/include/hip" "$dir/include/"
[[ ! -d $usr/include/hsa ]] || copy "$usr/include/hsa" "$dir/include/"
# clang searches DIR/include last, and /usr/include may have the headers of Debian 12's HIP, which newer compilers
# reject. The directory of clang's own headers precedes both.
[[ $usr == /usr ]] || ln -s ../../../../../../include/hip "$llvm/lib/clang/${resource##*/}/include/hip"
copy "$multiarch"/libamdhip64.so* "$multiarch"/libhiprtc*.so* "$dir/lib/"
copy "$usr/share/hip/version" "$dir/share/hip/version"
copy "$usr/share/hip/version" "$dir/bin/.hipVersion"
echo "$hip_version" >"$dir/.info/version"

# Debian's hipcc and hipconfig derive all paths from their own location if rocm_agent_enumerator is beside them. So
# they are copies and need no variables.
for tool in hipcc hipcc.pl hipconfig hipconfig.pl hipvars.pm hipcc_cmake_linker_helper; do
    # HIP 7's are programs instead of scripts.
    [[ ! -e $usr/bin/$tool ]] || copy "$usr/bin/$tool" "$dir/bin/"
done
# The real one fails with a Python traceback if there is no driver; hipcc calls it when no architecture is named.
# This one reports no GPU.
printf '#!/bin/sh\nexit 0\n' >"$dir/bin/rocm_agent_enumerator"
chmod 755 "$dir/bin/rocm_agent_enumerator"

# CMake's packages. Two of their paths differ from Debian's: lib/cmake, and lib for the library.
mkdir -p -- "$dir/lib/cmake"
for package in hip hip-lang; do
    copy "$multiarch/cmake/$package" "$dir/lib/cmake/"
    # shellcheck disable=SC2016 # CMake's variables
    find "$dir/lib/cmake/$package" -name '*.cmake' -exec sed -i \
        -e 's:_DIR}/\.\./\.\./\.\./\.\./:_DIR}/../../../:' \
        -e 's:^set(_IMPORT_PREFIX "/usr"):get_filename_component(_IMPORT_PREFIX "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE):' \
        -e "s:/lib/${multiarch##*/}:/lib:g" \
        -e '0,/^get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)$/{//d}' {} +
done
# enable_language(HIP) reads this file before CMake knows the multiarch directory of the dependencies, and does not
# use them.
sed -i '/^find_dependency(/d' "$dir/lib/cmake/hip-lang/hip-lang-config.cmake"

# --- does it work? ------------------------------------------------------------------------------

# attempt WHAT COMMAND...: run the command in $work; show its output only if it fails.
attempt() {
    local what=$1 log
    shift
    log=$(cd -- "$work" && env -u ROCM_PATH -u HIP_PATH -u HIP_CLANG_PATH -u HIP_DEVICE_LIB_PATH "$@" 2>&1) || {
        printf '%s\n' "$log" >&2
        die "the tree does not work: $what (${*@Q})"
    }
    [[ -z $log ]] || printf '%s\n' "$log"
}

checked="not checked"
if [[ $check == yes ]]; then
    cat >"$work/host.cpp" <<'CPP'
#include <iostream>
#include <string>
int main() { std::cout << std::string("runs") << std::endl; }
CPP
    cat >"$work/kernel.hip" <<'CPP'
#include <hip/hip_runtime.h>
__global__ void scale(float *x, float a) { x[blockIdx.x * blockDim.x + threadIdx.x] *= sinf(a); }
int main() {
    scale<<<1, 64>>>(nullptr, 2.0f);
    return hipGetLastError() == hipSuccess;
}
CPP
    archs=(--offload-arch=gfx900 --offload-arch=gfx906)
    # The cfg files should set the path; clang 15 does not read them by default.
    rocm=(--rocm-path="$dir")
    [[ $cfg == no || $version == 15 ]] || rocm=()
    # Run the two slowest ones in parallel.
    attempt "HIP compile" "$bin/clang++" "${rocm[@]}" -x hip "${archs[@]}" -w -c kernel.hip -o kernel.o \
        >/dev/null &
    hip=$!

    [[ $(attempt version "$bin/clang" --version) == *"clang version $full_version"* ]] ||
        die "the tree's clang is not $full_version"
    for name in clang clang++; do
        resource_dir=$(attempt "$name's resource directory" "$bin/$name" -print-resource-dir) || exit 1
        [[ $resource_dir == "$llvm"/lib/clang/* && -e $resource_dir/include/stddef.h ]] ||
            die "$name looks for its headers in $resource_dir"
    done
    attempt "C++ compile" "$bin/clang++" -c host.cpp -o host.o
    attempt "C++ link" "$bin/clang++" host.o -o host
    [[ $(attempt "C++ run" ./host) == runs ]] || die "a compiled program does not do its work"
    attempt amdclang++ "$dir/bin/amdclang++" --version >/dev/null
    # Debian's hipcc does not quote the compiler's path.
    by_hipcc=", hipcc"
    if [[ $dir == *[[:space:]]* && $hip_version == 5.* ]]; then
        say "note: Debian's hipcc does not work in a path with spaces"
        by_hipcc=
    else
        attempt "hipcc compile" "$dir/bin/hipcc" "${archs[@]}" -w -c kernel.hip -o by-hipcc.o
        attempt "hipcc link" env HIPCC_LINK_FLAGS_APPEND="$(runtime_flags "$dir")" \
            "$dir/bin/hipcc" "${archs[@]}" by-hipcc.o -o by-hipcc
        # Its exit status is 1 with a GPU and 0 without one.
        attempt "run with HIP's runtime" sh -c './by-hipcc || [ $? = 1 ]'
    fi
    wait "$hip" || exit 1
    for arch in gfx900 gfx906; do
        grep -qa -- "amdgcn-amd-amdhsa--$arch" "$work/kernel.o" || die "no code for $arch in kernel.o"
    done
    checked="C++, HIP$by_hipcc checked"
fi

trap 'rm -rf -- "$work"' EXIT
with=
[[ $cfg == no ]] || with+=", cfg files"
[[ $copy_libs == no ]] || with+=", own libraries"
echo "$dir: HIP $hip_version, clang $full_version, layout $layout$with; $checked ($SECONDS s)"
