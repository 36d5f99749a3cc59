#!/bin/sh
# Start, stop or restart all Django and Celery services of the master, or print which of them run, with systemd and
# without. Salt writes the list of them, in the order of starting.
set -u

PATH=$PATH:/usr/sbin:/sbin
list=/etc/phagescan/services
if ! services=$(cat "$list"); then
    echo "ps_services.sh: no $list: this host is no master; see salt-call --local phagescan.status" >&2
    exit 1
fi
backwards=$(for service in $services; do echo "$service"; done | tac)
failed=0

# each ACTION DONE SERVICE...: do it to every service, one line each; one that fails does not keep the others from it.
each() {
    action=$1 done=$2
    shift 2
    for service; do
        if output=$(service "$service" "$action" 2>&1 </dev/null); then
            echo "$service: $done"
        else
            failed=1
            echo "$service: could not $action" >&2
            printf '%s\n' "$output" | sed 's/^/  /' >&2
        fi
    done
}

status() {
    for service in $services; do
        if service "$service" status >/dev/null 2>&1 </dev/null; then
            echo "$service: running"
        else
            failed=1
            echo "$service: stopped"
        fi
    done
}

need_root() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "ps_services.sh: only root may $1 services: sudo dev/ps_services.sh $1" >&2
        exit 1
    fi
}

# shellcheck disable=SC2086  # the lists are meant to fall apart into words
case $#:${1:-} in
1:start) need_root start; each start started $services ;;
1:stop) need_root stop; each stop stopped $backwards ;;
1:restart) need_root restart; each stop stopped $backwards; each start started $services ;;
1:status) status ;;
*)
    echo "usage: dev/ps_services.sh start|stop|restart|status" >&2
    exit 2
    ;;
esac
exit "$failed"
