#!/bin/sh
# The real peers of the tests, from Debian: prometheus (promtool), prometheus-alertmanager (amtool), chromium,
# nodejs and npm (for OpenTelemetry's JavaScript SDK), curl, postgresql (for the benchmarks).
set -eu
missing=""
command -v promtool >/dev/null || missing="$missing prometheus"
command -v amtool >/dev/null || missing="$missing prometheus-alertmanager"
command -v chromium >/dev/null || missing="$missing chromium"
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"
command -v curl >/dev/null || missing="$missing curl"
[ -x /usr/lib/postgresql/15/bin/initdb ] || command -v initdb >/dev/null || missing="$missing postgresql-15"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "the tests need packages from Debian; run: sudo apt-get install --no-install-recommends$missing"
    exit 1
fi
echo "installing$missing"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $missing >/dev/null
