#!/usr/bin/env bash
# Docker for the tests of the image, where it can be had: `docker.sh start DIRECTORY`, later `docker.sh stop DIRECTORY`.
#
# `start` uses the daemon that runs. Where none does, as root on Debian, it installs and starts one, of which DIRECTORY
# keeps the process id and the log; `stop` ends that one and no other. Then it makes a base image from Debian's packages
# and builds the runtime image on it. Exit 1, with the reason: there can be no Docker here. Exit 2: the image is broken.
# The base and the image stay with the daemon, so a second time takes seconds.
set -euo pipefail
cd "$(dirname "$0")/.."

PATIENCE=300
PACKAGES="docker.io mmdebstrap"

say() { echo "docker: $*"; }

cannot() {
    say "$*"
    exit 1
}

running() { docker info >/dev/null 2>&1; }

become_able() {
    [ "$(id -u)" = 0 ] || cannot "no daemon runs, and only root could start one"
    command -v apt-get >/dev/null || cannot "no daemon runs, and without apt-get none is installed here"
    if ! command -v dockerd >/dev/null || ! command -v mmdebstrap >/dev/null; then
        say "installing $PACKAGES"
        timeout "$PATIENCE" apt-get update -qq >/dev/null || cannot "apt-get update failed"
        # shellcheck disable=SC2086 # several words
        DEBIAN_FRONTEND=noninteractive timeout "$PATIENCE" \
            apt-get install -qq --no-install-recommends $PACKAGES >"$1/apt.log" 2>&1 </dev/null ||
            cannot "$PACKAGES cannot be installed: $(tail -n 3 "$1/apt.log")"
    fi
}

# Some package managers start it themselves; that one is not ours to stop.
start_daemon() {
    running && return
    say "starting dockerd $2"
    setsid dockerd --pidfile "$1/dockerd.pid.own" ${2:+"$2"} >"$1/dockerd.log" 2>&1 </dev/null &
    echo $! >"$1/dockerd.pid"
    for _ in $(seq 150); do
        running && return
        kill -0 "$(cat "$1/dockerd.pid")" 2>/dev/null || break
        sleep 0.2
    done
    stop_daemon "$1"
    return 1
}

stop_daemon() {
    [ -s "$1/dockerd.pid" ] || return 0
    local pid
    pid="$(cat "$1/dockerd.pid")"
    rm "$1/dockerd.pid"
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.2
    done
    kill -KILL "$pid"
}

make_base() {
    docker image inspect "$1" >/dev/null 2>&1 && return
    command -v mmdebstrap >/dev/null || cannot "there is no $1, and no mmdebstrap to make it with"
    say "making $1"
    local sources=/etc/apt/sources.list.d/debian.sources
    [ -e "$sources" ] || sources=/etc/apt/sources.list
    # As docs/image.md says, from where this machine has its packages.
    timeout "$PATIENCE" mmdebstrap --quiet --variant=minbase --include=python3 "$VERSION_CODENAME" - "$sources" |
        docker import - "$1" >/dev/null || cannot "$1 cannot be made"
}

start() {
    if ! running; then
        become_able "$1"
        start_daemon "$1" "" || start_daemon "$1" --iptables=false ||
            cannot "dockerd does not start: $(tail -n 3 "$1/dockerd.log")"
    fi
    # shellcheck source=/dev/null
    . /etc/os-release
    [ "$ID" = debian ] || [ -n "${PIXWHISK_BASE:-}" ] || cannot "name a base image in PIXWHISK_BASE; this is no Debian"
    local base="${PIXWHISK_BASE:-pixwhisk-base:$VERSION_CODENAME}"
    [ -n "${PIXWHISK_BASE:-}" ] || make_base "$base"
    .venv/bin/python -m infra.runtime.image --base "$base" || exit 2
}

case "${1:-} ${2:-}" in
"start "?*) start "$2" ;;
"stop "?*) stop_daemon "$2" ;;
*)
    echo "usage: docker.sh start|stop DIRECTORY" >&2
    exit 64
    ;;
esac
