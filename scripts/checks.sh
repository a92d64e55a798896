#!/usr/bin/env bash
# checks.sh: check formatting and lints of everything.
#
# usage: checks.sh [--build-tests]
#
#   --build-tests   apply the lints while building the tests, so that nothing is compiled twice if they run next.
#                   `cargo test` uses the build after lints_in_builds (lib.sh).
#
# rustfmt and clippy differ from release to release, so their findings count only with the release that lib.sh
# names. With another release they are shown but not treated as failures.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

build_tests=no
[[ ${1-} == --build-tests ]] && build_tests=yes && shift
take_arguments 0 "$@"
need_cargo
cd -- "$ROOT"

say "formatting and lints"
if is_pinned_release; then
    deny=(-D warnings)
    cargo fmt --check
    rustfmt --edition 2024 --check src/shim/main.rs # Cargo does not know about it.
else
    say "this is $(rustc --version): what differs from $RUST_VERSION's formatting and lints fails nothing"
    deny=()
    cargo fmt --check || true
fi
if [[ $build_tests == yes ]] && is_pinned_release; then
    (lints_in_builds && cargo test --all-targets --locked --no-run)
else
    cargo clippy --all-targets --locked -- "${deny[@]}"
fi
# Cargo does not know about the shim, which build.rs compiles. Apply the same lints to its library and to the shim
# itself.
lint=(--edition 2024 --cfg rock_wrap_shim -C panic=abort --emit metadata
    "${deny[@]}" -W clippy::undocumented_unsafe_blocks -W unsafe_op_in_unsafe_fn)
clippy-driver src/freestanding.rs --crate-name rock_wrap_shared --crate-type rlib "${lint[@]}" -W missing_docs \
    -o "$ROOT/target/librock_wrap_shared.rmeta"
clippy-driver src/shim/main.rs --crate-type bin --extern "rock_wrap_shared=$ROOT/target/librock_wrap_shared.rmeta" \
    "${lint[@]}" -o "$ROOT/target/shim-lint.rmeta"
shellcheck -x scripts/*.sh .ci/run
