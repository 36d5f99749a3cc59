#!/bin/sh
# Sourced by scripts that have `say` and `die`, and say where their $venv is if they make one:
# root's rights, Debian's packages, a virtualenv of locked packages, a container engine.
# shellcheck disable=SC2154  # venv and locks are theirs

engine_data=/var/lib/phagescan-test
engine_run=/run/phagescan-test
engine_pid=''

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || die "root is needed for: $* (and sudo is missing)"
        sudo "$@"
    fi
}

# missing COMMAND PACKAGE...: prints the packages when the command is not there.
missing() {
    PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null && return
    shift
    echo "$@"
}

# apt_install PACKAGE...
apt_install() {
    command -v apt-get >/dev/null || die "there is no apt-get to install $*"
    say "installing" "$@"
    as_root apt-get -qq update || say "apt-get update failed for a source; going on with what answers"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install --yes --no-install-recommends "$@" \
        >/dev/null || die "apt-get could not install $*"
}

# need COMMAND PACKAGE...: installs the packages when the command is missing.
need() {
    packages=$(missing "$@")
    # shellcheck disable=SC2086  # a list of packages
    [ -z "$packages" ] || apt_install $packages
}

# The public keys that every Vagrant has, and replaces at a machine's first start; or those in VAGRANT_PUBLIC_KEY.
vagrant_keys() {
    if [ -n "${VAGRANT_PUBLIC_KEY:-}" ]; then
        cat "$VAGRANT_PUBLIC_KEY"
    else
        find /usr/share/rubygems-integration /usr/lib/*/rubygems-integration /opt/vagrant \
            -path '*/keys/vagrant.pub*' -exec grep -h '^ssh-' {} + 2>/dev/null | sort -u | grep .
    fi || die "the public key that vagrant ships was not found: install vagrant or set VAGRANT_PUBLIC_KEY"
}

# A virtualenv in $venv of what the files $locks list.
make_virtualenv() {
    need git git
    python=
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
    if [ -z "$python" ]; then
        need python3-with-venv python3 python3-venv
        python=/usr/bin/python3
        "$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
            die 'Python 3.11 or newer with venv is missing'
    fi
    # shellcheck disable=SC2086  # a list of files
    wanted=$("$python" --version; cat $locks | sha256sum)
    [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ] || return 0
    say "installing the locked tools"
    "$python" -m venv --clear "$venv" || die "$python -m venv failed"
    for lock in $locks; do
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes \
            --no-build-isolation --requirement "$lock" || die "pip could not install $lock"
    done
    printf '%s\n' "$wanted" >"$venv/installed"
}

engine_answers() {
    command -v docker >/dev/null && DOCKER_HOST=$1 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# A container engine that answers, at $DOCKER_HOST: one that is there, or one of our own.
start_engine() {
    if [ -n "${DOCKER_HOST:-}" ]; then
        need docker docker.io
        engine_answers "$DOCKER_HOST" || die "no container engine answers at DOCKER_HOST=$DOCKER_HOST"
        return
    fi
    need docker docker.io
    for address in unix:///var/run/docker.sock "unix://$engine_run/docker.sock"; do
        if engine_answers "$address"; then
            export DOCKER_HOST="$address"
            return
        fi
    done
    need dockerd docker.io
    say "starting a container engine: data in $engine_data, socket in $engine_run"
    as_root mkdir -p "$engine_data" "$engine_run"
    dockerd=$(PATH=$PATH:/usr/sbin:/sbin command -v dockerd)
    # Its own session, so that an interrupt at the terminal leaves it alive until the hosts are removed.
    as_root sh -c 'setsid "$1" --data-root "$2/docker" --exec-root "$3/docker" --pidfile "$3/dockerd.pid" \
        --group "$4" --host "unix://$3/docker.sock" >>"$2/dockerd.log" 2>&1 &
        echo $! >"$3/started.pid"' sh "$dockerd" "$engine_data" "$engine_run" "$(id -gn)"
    engine_pid=$(cat "$engine_run/started.pid")
    export DOCKER_HOST="unix://$engine_run/docker.sock"
    tries=0
    until engine_answers "$DOCKER_HOST"; do
        tries=$((tries + 1))
        if [ $tries -gt 120 ] || ! as_root kill -0 "$engine_pid" 2>/dev/null; then
            die "the container engine did not start: $(tail -n 1 "$engine_data/dockerd.log")"
        fi
        sleep 0.5
    done
}

# End the engine that start_engine has started, if it has.
stop_engine() {
    [ -n "$engine_pid" ] || return 0
    as_root kill "$engine_pid" 2>/dev/null || :
    while as_root kill -0 "$engine_pid" 2>/dev/null; do
        sleep 0.2
    done
}
