# shellcheck shell=bash
# suites.sh: run programs from other Debian releases than this machine's. Source it after lib.sh.
#
# Nothing is installed and no chroot is needed: packages are downloaded with a private apt configuration,
# extracted below $TOOLS, and every program gets the loader and the libraries of its own release.
#
# It sets
#   UNAVAILABLE      the exit status for "not available here": no such package, no mirror, no network
# and defines
#   unavailable      prints the reason on stderr and exits with that status
#   debian_mirror    prints the source of this machine's Debian packages, in the format of sources.list
#   private_apt      prepares apt for other suites; sets APT, a command that takes apt-get's arguments
#   packages_like    prints the packages known to that apt that match a pattern
#   need_unpacked    downloads and extracts packages and the shared libraries that they need
#   need_sid_sccache gets Debian sid's sccache
#   need_browser     gets chromium
#   get_or_say       runs one of these, and ignores the status "not available here"
#   exit_unless_unavailable   the same for the status of a command that has ended
#   runtime_flags    prints hipcc's flags to link a program that runs with a tree's own HIP runtime

UNAVAILABLE=77

unavailable() {
    say "unavailable: $*"
    exit "$UNAVAILABLE"
}

# debian_mirror ETC: print "[signed-by=...] URI" of the first source of this release's main component. Reads both
# formats of apt's sources. Third-party sources have another suite or component. Fails if there is none.
debian_mirror() {
    local etc=$1 codename file found
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    for file in "$etc"/sources.list.d/*.sources "$etc/sources.list" "$etc"/sources.list.d/*.list; do
        [[ -r $file ]] || continue
        if [[ $file == *.sources ]]; then
            found=$(awk -v codename="$codename" 'BEGIN { RS = ""; FS = "\n" }
                {
                    split("", field)
                    for (i = 1; i <= NF; i++) {
                        if ($i ~ /^#/) continue
                        if ($i ~ /^[ \t]/) { field[key] = field[key] " " $i; continue }
                        key = tolower($i); sub(/:.*/, "", key)
                        value = $i; sub(/^[^:]*:[ \t]*/, "", value)
                        field[key] = value
                    }
                    if (tolower(field["enabled"]) == "no" || (" " field["types"] " ") !~ / deb /) next
                    if (index(" " field["suites"] " ", " " codename " ") == 0) next
                    if (index(" " field["components"] " ", " main ") == 0) next
                    split(field["uris"], uri, /[ \t]+/)
                    key = field["signed-by"]
                    print (key ~ /^\// ? "[signed-by=" key "] " : "") (uri[1] == "" ? uri[2] : uri[1])
                    exit
                }' "$file")
        else
            found=$(awk -v codename="$codename" '
                $1 == "deb" {
                    options = ""; at = 2
                    if ($2 ~ /^\[/) {
                        while (at < NF && $at !~ /\]$/) options = options $(at++) " "
                        options = options $(at++) " "
                    }
                    if ($(at + 1) != codename) next
                    for (i = at + 2; i <= NF && $i !~ /^#/; i++)
                        if ($i == "main") { print options $at; exit }
                }' "$file")
        fi
        [[ -z $found ]] || break
    done
    [[ -n ${found-} ]] && printf '%s\n' "$found"
}

# private_apt DIR SUITE...: set up an apt that knows only these suites and keeps all of its state in DIR. From
# experimental, which apt never uses by default, it takes HIP and its dependencies.
private_apt() {
    local dir=$1 mirror suite
    shift
    command -v apt-get >/dev/null || unavailable "packages of Debian's $* need apt-get"
    mirror=$(debian_mirror /etc/apt) || unavailable "apt's sources name no mirror of Debian's main component"
    mkdir -p -- "$dir/lists/partial" "$dir/archives/partial" "$dir/none"
    for suite; do
        echo "deb $mirror $suite main"
    done >"$dir/sources.list"
    cat >"$dir/preferences" <<'PREFERENCES'
Package: hipcc libamdhip64-* libhiprtc* libamd-comgr* libhsa-runtime* rocm-device-libs-* rocminfo
Pin: release a=experimental
Pin-Priority: 600
PREFERENCES
    : >"$dir/status"
    APT=(apt-get -q -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts="$dir/none"
        -o Dir::Etc::Preferences="$dir/preferences" -o Dir::Etc::PreferencesParts="$dir/none"
        -o Dir::State::Lists="$dir/lists" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir"
        -o Dir::Cache::archives="$dir/archives" -o APT::Sandbox::User=root -o Acquire::Languages=none
        -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o APT::Update::Error-Mode=any -o Debug::NoLocking=1)
    LC_ALL=C "${APT[@]}" update >"$dir/log" 2>&1 ||
        unavailable "the package lists of Debian's $*: $(grep '^E:' "$dir/log" | head -n 1)"
}

# packages_like PATTERN: print the names that match an extended regular expression, one a line.
packages_like() {
    apt-cache "${APT[@]:2}" pkgnames | grep -Ex -- "$1" | sort -V
}

# need_unpacked DIR "SUITE..." PACKAGE...: fill DIR/usr with these packages and the shared libraries that they
# need, so that their programs run here. The result is kept, even if the suites change: remove DIR to get newer
# packages. DIR/packages lists the packages with versions. If two scripts do it in parallel, the second one waits.
need_unpacked() {
    local dir=$1 suites=$2 status=0 wanted
    shift 2
    # The programs contain the absolute path of their loader.
    wanted="$dir from $suites: $*"
    [[ $(cat -- "$dir/made" 2>/dev/null) != "$wanted" ]] || return 0
    need_packages patchelf binutils
    mkdir -p -- "$TOOLS"
    (
        flock 9
        [[ $(cat -- "$dir/made" 2>/dev/null) != "$wanted" ]] || exit 0
        work=$(mktemp -d -- "$TOOLS/.get.XXXXXX") || exit 1
        trap 'rm -rf -- "$work"' EXIT
        say "getting $* from Debian's $suites"
        read -ra suites <<<"$suites"
        private_apt "$work/apt" "${suites[@]}"
        download "$work" "$@"
        loaders_of_its_own "$work/root" "$dir"
        echo "$wanted" >"$work/root/made"
        rm -rf -- "$dir" && mv -T -- "$work/root" "$dir" || die "could not make $dir"
    ) 9>"$dir.lock" || status=$?
    ((status == 0)) || exit "$status"
}

# download WORK PACKAGE...: extract the packages, and the libraries that apt resolves for them, to WORK/root.
download() {
    local work=$1 plan take
    shift
    plan=$(LC_ALL=C "${APT[@]}" -s --no-install-recommends install "$@" 2>"$work/log") ||
        unavailable "$*: $(grep '^E:' "$work/log" | head -n 1)"
    take=$(awk -v asked=" $* " '
        $1 == "Inst" {
            version = $3; sub(/^\(/, "", version)
            # Take the requested packages and shared libraries, except those of interpreters and sanitizers.
            if (index(asked, " " $2 " ") ||
                ($2 ~ /^(lib|zlib1g$)/ && $2 !~ /-dev$|^lib(python|perl|clang1-|clang-rt)|san[0-9]+$/))
                print $2 "=" version
        }' <<<"$plan")
    mkdir -p -- "$work/debs" "$work/root"
    # shellcheck disable=SC2086 # one word for each package
    (cd -- "$work/debs" && LC_ALL=C "${APT[@]}" download $take >../log 2>&1) ||
        unavailable "$*: $(grep '^E:' "$work/log" | head -n 1)"
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$work/root" || die "could not extract $deb"
    done
    printf '%s\n' "$take" >"$work/root/packages"
    rm -rf -- "$work/root/usr/share/doc" "$work/root/usr/share/man"
}

# is_elf FILE: succeed if FILE is a program or library and not a link.
is_elf() { [[ -f $1 && ! -L $1 && $(head -c 4 -- "$1" | tr -d '\0') == $'\x7fELF' ]]; }

# loaders_of_its_own ROOT DIR: make programs and libraries below ROOT, which will be moved to DIR, use the loader
# and the libraries of their own release there. As in the packages, LD_LIBRARY_PATH comes first, and so does lib
# beside a program's directory.
loaders_of_its_own() {
    local root=$1 dir=$2 libraries=usr/lib/x86_64-linux-gnu file
    [[ -e $root/$libraries/ld-linux-x86-64.so.2 ]] || die "no loader in $root/$libraries"
    for file in "$root"/usr/bin/* "$root"/usr/lib/llvm-*/bin/*; do
        is_elf "$file" || continue
        patchelf --set-interpreter "$dir/$libraries/ld-linux-x86-64.so.2" \
            --set-rpath "\$ORIGIN/../lib:$dir/$libraries" "$file" || die "could not change $file"
    done
    for file in "$root/$libraries"/*.so* "$root"/usr/lib/llvm-*/lib/*.so*; do
        [[ ${file##*/} != ld-linux-* && ${file##*/} != libc.so.* ]] || continue
        is_elf "$file" || continue
        patchelf --set-rpath "$dir/$libraries" "$file" || die "could not change $file"
    done
}

# runtime_flags TREE: print flags for HIPCC_LINK_FLAGS_APPEND. Another release's HIP runtime needs that release's C
# library, and so does a program that is linked with it. Prints nothing for a tree of this machine's own packages.
runtime_flags() {
    local loader
    loader=$(loader_of "$1/lib/llvm/bin/lld")
    if [[ $loader != /lib64/* ]]; then
        echo "-L$1/lib -Wl,--allow-shlib-undefined,--dynamic-linker=$loader,-rpath=$1/lib:${loader%/*}"
    fi
}

# loader_of PROGRAM: print the loader that it requests.
loader_of() { readelf -lW "$1" | sed -n 's/.*program interpreter: \(.*\)]$/\1/p'; }

# need_sid_sccache: get $TOOLS/sccache-VERSION/sccache of the version that the tests are written for.
need_sid_sccache() {
    local dir=$TOOLS/sccache-$SID_SCCACHE_VERSION packages=$TOOLS/debian-sccache work version
    if "$dir/sccache" --version >/dev/null 2>&1; then
        return 0
    fi
    need_unpacked "$packages" sid sccache
    version=$("$packages/usr/bin/sccache" --version) || die "$packages/usr/bin/sccache does not run here"
    [[ $version == "sccache $SID_SCCACHE_VERSION" ]] ||
        unavailable "sccache $SID_SCCACHE_VERSION: Debian sid has $version by now"
    work=$(mktemp -d -- "$TOOLS/.get.XXXXXX")
    cp -- "$packages/usr/bin/sccache" "$work/"
    chmod 755 -- "$work"
    rm -rf -- "$dir"
    mv -T -- "$work" "$dir" 2>/dev/null || [[ -x $dir/sccache ]] || die "could not make $dir"
}

# need_browser: get Debian's chromium, which shows the report's page in a test.
need_browser() {
    [[ -x /usr/bin/chromium ]] || (need_packages chromium) || unavailable "chromium is not among apt's packages"
}

# exit_unless_unavailable STATUS: exit with the status of a failed command, unless it means "not available here".
exit_unless_unavailable() { (($1 == 0 || $1 == UNAVAILABLE)) || exit "$1"; }

# get_or_say COMMAND...: a package that is not available is not an error here; the command has printed the reason.
get_or_say() {
    local status=0
    ("$@") || status=$?
    exit_unless_unavailable "$status"
}
