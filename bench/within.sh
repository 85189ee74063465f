#!/bin/sh
# Runs a command in a control group with so much memory, the page cache of what it reads included.
#
#   bench/within.sh 8G COMMAND...
#
# Needs root, and control groups of version 1 or 2. What the page cache holds already is dropped first:
# it would be another group's, and the command would read it for nothing.
set -eu
limit=$1
shift
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
	group=/sys/fs/cgroup/qimport-bench file=memory.max
else
	group=/sys/fs/cgroup/memory/qimport-bench file=memory.limit_in_bytes
fi
mkdir -p "$group"
echo "$limit" >"$group/$file"
sync
echo 3 >/proc/sys/vm/drop_caches
echo $$ >"$group/cgroup.procs"
exec "$@"
