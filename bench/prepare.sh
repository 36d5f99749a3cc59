#!/bin/sh
# Sourced by bench/run and bench/profile: their tools, a container engine, the image of the hosts; and removes all of it.
# In the manner of test/run, whose engine and images these are where they are there already.

root=$(cd "$(dirname "$0")/.." && pwd -P)
venv=$root/bench/.venv
locks=$root/bench/lock.txt
run=bench-$$-$(date +%s)
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/bench:$root/test:$root/test/host" MPLBACKEND=Agg

say() { printf 'bench: %s\n' "$*" >&2; }
die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

# shellcheck source=test/engine.sh
. "$root/test/engine.sh"

clean_up() {
    status=$?
    trap - EXIT INT TERM
    docker ps --all --quiet --filter "label=phagescan-test-run=$run" 2>/dev/null | xargs -r docker rm --force --volumes >/dev/null || :
    stop_engine
    exit $status
}

prepare() {
    make_virtualenv
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start_engine
    need mmdebstrap mmdebstrap debian-archive-keyring
    "$root/test/images/build" debian13 >&2 || die 'the image of the hosts could not be made'
}
