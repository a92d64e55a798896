#!/usr/bin/env bash
# test.sh: install what is needed, then run every check and test of rock-wrap.
#
# usage: test.sh [--full] [TEST-FILTER...]
#
#   --full   the long forms too: every injection point, every layout, the thirty-second race, PyTorch (5 GB)
#
# TEST-FILTER goes to cargo test.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

filter=() setup=(--debian-launchers)
for arg in "$@"; do
    case $arg in
    -h | --help) usage && exit 0 ;;
    --full) export ROCK_WRAP_TEST_FULL=1 && setup+=(--torch) ;;
    *) filter+=("$arg") ;;
    esac
done

"$ROOT/scripts/setup.sh" "${setup[@]}"
cd -- "$ROOT"

say "formatting and lints"
cargo fmt --check
cargo clippy --all-targets --locked -- -D warnings
# Cargo does not know of the shim, which build.rs compiles: the same lints, as a crate of its own.
clippy-driver src/shim/main.rs --crate-type bin --edition 2024 --cfg rock_wrap_shim \
    -C panic=abort --emit metadata -o "$ROOT/target/shim-lint.rmeta" \
    -D warnings -W clippy::undocumented_unsafe_blocks -W unsafe_op_in_unsafe_fn
shellcheck -x scripts/*.sh .ci/run

say "tests"
cargo test --locked -- "${filter[@]}"
