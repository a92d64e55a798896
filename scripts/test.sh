#!/usr/bin/env bash
# test.sh: install what is needed, then run every check and test of rock-wrap.
#
# usage: test.sh [--full] [TEST-FILTER...]
#
#   --full   also the long forms: every injection point, every layout, compiler and launcher, the thirty-second
#            race, PyTorch (5 GB), older versions of rock-wrap; and the packages, made and tried
#
# TEST-FILTER is passed to cargo test. ROCK_WRAP_TEST_CLANGS=22,23 selects the compilers that the tests use.
# Tests for compilers or launchers that are not available are skipped, and counted at the end.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"

filter=() full=no setup=(--debian-launchers)
for arg in "$@"; do
    case $arg in
    -h | --help) usage && exit 0 ;;
    --full) export ROCK_WRAP_TEST_FULL=1 && full=yes setup=(--full) ;;
    *) filter+=("$arg") ;;
    esac
done

"$ROOT/scripts/setup.sh" "${setup[@]}"
cd -- "$ROOT"

"$ROOT/scripts/checks.sh" --build-tests

say "tests"
# Written by tests/it/support/skips.rs: what is missing, the test, why.
skips=$ROOT/target/skipped-tests
rm -f -- "$skips"
status=0
# One thread more than there are cores: some tests wait for a time limit.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) + 1))}
(
    if is_pinned_release; then lints_in_builds; fi # as the checks have built them
    exec cargo test --locked -- "${filter[@]}"
) || status=$?
if [[ -s $skips ]]; then
    sort -u -- "$skips" | awk -F '\t' '
        { count[$1]++; why[$1] = $3 }
        END { for (what in count) printf "skipped: %d tests want %s, which could not be had: %s\n",
            count[what], what, why[what] }' | sort
fi
# Not if only some tests were asked for.
if [[ $full == yes && ${#filter[@]} == 0 ]]; then
    say "packages"
    "$ROOT/scripts/test-packages.sh" || status=1
fi
exit "$status"
