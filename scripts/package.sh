#!/usr/bin/env bash
# package.sh: make the packages of a release, in target/packages.
#
# usage: package.sh [DIR]
#
#   DIR   the directory for the packages instead of target/packages; packages that are in it are removed
#
# There are a Python wheel, a Debian package, an RPM package, an archive for other systems and for `cargo binstall`,
# the list of what went into the program (SBOM, CycloneDX), and SHA256SUMS. All of them have the same static executable
# in them. The same commit gives the same bytes in every directory, with the same tool chain: times are the commit's,
# or SOURCE_DATE_EPOCH.
#
# maturin comes from pip into target/tools; so do cargo-deb and cargo-generate-rpm from cargo, unless they are on PATH.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

take_arguments 1 "$@"

packages=$ROOT/target/packages
if (($#)); then
    mkdir -p -- "$1"
    packages=$(cd -- "$1" && pwd -P)
fi
forget_environment
umask 022
need_package_tools
cd -- "$ROOT"
version=$(sed -n '/^\[package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
if [[ -z ${SOURCE_DATE_EPOCH-} ]]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.toml)
fi
export SOURCE_DATE_EPOCH
# Nothing of an earlier version may be left.
rm -f -- "$packages"/rock[-_]* "$packages/SHA256SUMS"
rm -rf -- target/package-files
mkdir -p -- "$packages" target/package-files/{bin,man,completions,doc}

build_rock_wrap
if readelf -lW "$ROCK_WRAP" | grep -q INTERP; then
    die "$ROCK_WRAP is not static: install the C library's archive (libc6-dev), or rustup's musl target"
fi
cp -- "$ROCK_WRAP" target/package-files/bin/
"$ROCK_WRAP" man --output target/package-files/man
for shell in bash:rock-wrap zsh:_rock-wrap fish:rock-wrap.fish; do
    "$ROCK_WRAP" completions "${shell%%:*}" >"target/package-files/completions/${shell#*:}"
done
cp -- docs/recovery.md CHANGELOG.md LICENSE target/package-files/doc/
# The packagers take over the times of files, at least of those that are older than SOURCE_DATE_EPOCH.
find target/package-files -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

say "wheel"
# The same options give the same build, so that nothing is compiled again. A static executable needs nothing of any C
# library, so the wheel gets the oldest tags of both kinds that installers know; maturin does not give both at once.
"$MATURIN" build --quiet --release "${RELEASE_OPTIONS[@]}" --out "$packages" --auditwheel check \
    --compatibility manylinux2014 >&2
mkdir target/package-files/wheel
"$WHEEL" unpack --dest target/package-files/wheel "$packages"/*.whl >/dev/null
# The one place where maturin names the directory of the sources.
sboms=(target/package-files/wheel/*/*.dist-info/sboms/*.cyclonedx.json)
sed -i 's|path+file://[^#"]*#|path+file:///rock-wrap#|g' "${sboms[@]}"
cp -- "${sboms[@]}" "$packages/rock-wrap-$version.cyclonedx.json"
rm -- "$packages"/*.whl
"$WHEEL" pack --dest-dir "$packages" target/package-files/wheel/* >/dev/null
"$WHEEL" tags --remove --platform-tag manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64 \
    "$packages"/*.whl >/dev/null

say "deb"
"$CARGO_DEB" --quiet --no-build --no-strip --output "$packages/rock-wrap_${version}_amd64.deb"

say "rpm"
"$CARGO_GENERATE_RPM" --target-dir target --auto-req no --payload-compress xz \
    --output "$packages/rock-wrap-$version-1.x86_64.rpm"

say "archive"
name=rock-wrap-$version-x86_64-linux
mkdir -p -- "target/package-files/$name"
cp -a -- target/package-files/{bin,man,completions} README.md CHANGELOG.md LICENSE docs "target/package-files/$name/"
find "target/package-files/$name" -type f -exec chmod u=rwX,go=rX {} +
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    -C target/package-files -cf - "$name" | gzip -9n >"$packages/$name.tar.gz"

cd -- "$packages"
sha256sum -- rock* >SHA256SUMS
ls -l -- "$packages" >&2
