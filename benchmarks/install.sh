#!/bin/sh
# The peer of the benchmarks, from Debian: PostgreSQL 15.
set -eu
[ -x /usr/lib/postgresql/15/bin/initdb ] && exit 0
command -v initdb >/dev/null && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "the benchmarks need a package from Debian; run: sudo apt-get install --no-install-recommends postgresql-15"
    exit 1
fi
echo "installing postgresql-15"
apt-get update -qq
DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null
