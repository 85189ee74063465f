#!/bin/bash
# Tries docs/fleets/slurm-array.sh on a real Slurm: a controller and three nodes by name, all on this
# machine, under a folder that is removed afterwards. One node is killed while it works; Slurm must give its
# task to another, and in the end every import must be there, each made once.
#
#   apt-get install slurmctld slurmd slurm-client munge
#   docs/fleets/try-slurm.sh [QIMPORT [MODEL]]     as root; QIMPORT is the program, MODEL a checkpoint
#
# Ports 17000 to 17003 of this machine must be free. Nothing of a Slurm or munge that is installed here is
# read or changed.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
qimport=$(realpath "${1:-$(command -v qimport)}")
model=$(realpath "${2:-$root/testdata/qwen3.5-bf16}")
dir=$(mktemp -d /tmp/try-slurm.XXXXXX)
chmod 755 "$dir"
cd "$dir"
mkdir bin state work
ln -s "$qimport" bin/qimport
export PATH=$dir/bin:$PATH SLURM_CONF=$dir/slurm.conf OLLAMA_MODELS=$dir/store MODEL=$model

stop() { # ends what this script began, by the ids that it has
	set +e
	for f in "$dir"/*.pid; do [ -s "$f" ] && kill "$(cat "$f")" 2>/dev/null; done
	sleep 2
	for f in "$dir"/*.pid; do [ -s "$f" ] && kill -9 "$(cat "$f")" 2>/dev/null; done
	rm -rf "$dir"
}
trap stop EXIT

host=$(hostname -s)
cat >slurm.conf <<CONF
ClusterName=try
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool.%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/linear
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
InactiveLimit=0
SchedulerType=sched/builtin
JobRequeue=1
NodeName=node1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=1
NodeName=node2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=1
NodeName=node3 NodeHostname=$host NodeAddr=127.0.0.1 Port=17003 CPUs=1
PartitionName=all Nodes=node[1-3] Default=YES State=UP
CONF
echo 'CgroupAutomount=no' >cgroup.conf

(umask 077 && dd if=/dev/urandom of=munge.key bs=128 count=1 status=none)
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
	--log-file="$dir/munged.log" --seed-file="$dir/munge.seed"
slurmctld
for n in 1 2 3; do slurmd -N "node$n"; done
for _ in $(seq 60); do [ "$(sinfo -h -N -t idle | wc -l)" = 3 ] && break; sleep 1; done
sinfo -N

cat >nightly.yaml <<'BATCH'
- source: ${MODEL}
  verify: blobs
  matrix:
    type: [int8, mxfp8, int4, mxfp4, nvfp4, "affine:6:64", "affine:5:64", "affine:3:64", "affine:8:32"]
    as:
      plain: {}
      searched: {scale_search: true}
  name: "try:{type}-{as}"
BATCH
job=$(sbatch --parsable --array=1-3 --nodes=1 --exclusive --requeue --chdir="$dir" "$root/docs/fleets/slurm-array.sh" nightly.yaml)
echo "job $job"

done_of() { qimport batch nightly.yaml --part "$1" --status --json 2>/dev/null | grep -c '"state": "done"' || true; }
for _ in $(seq 600); do n=$(done_of 2/3); [ "$n" -ge 1 ] && break; sleep 0.1; done
victim=$(squeue -h -j "${job}_2" -o %N)
# The node dies: its daemon, then all that descends from its step.
kill -9 "$(cat "slurmd.$victim.pid")"
tree() { for c in $(cat "/proc/$1"/task/*/children 2>/dev/null); do echo "$c"; tree "$c"; done; }
for step in $(pgrep -f "^slurmstepd: \[${job}|^slurmstepd: \[$((job + 1))|^slurmstepd: \[$((job + 2))"); do
	for p in $(tree "$step"); do
		if tr '\0' '\n' <"/proc/$p/environ" 2>/dev/null | grep -qx "SLURMD_NODENAME=$victim"; then dead="${dead:-} $step $(tree "$step")"; break; fi
	done
done
kill -9 $dead
n=$(done_of 2/3)
echo "killed $victim after $n of 6 imports of part 2"
[ "$n" -lt 6 ] || { echo "it was through already: too fast to try" >&2; exit 1; }

for _ in $(seq 240); do [ -z "$(squeue -h -j "$job")" ] && break; sleep 1; done
squeue -j "$job" || true
qimport batch nightly.yaml --status
grep -h -E 'requeue|not responding' slurmctld.log | tail -3 || true
again=$(grep -c '  unchanged  $' "qimport-$job-2.log" || true)
[ "$again" -ge "$n" ] || { echo "part 2 did $((n - again)) of its imports twice" >&2; exit 1; }
echo "18 imports are there; part 2 went on after $again that were done before"
qimport check
