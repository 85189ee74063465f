#!/bin/sh
# A part of a batch for each task of a Slurm array. For the file nightly.yaml and eight tasks, one a node:
#
#   sbatch --array=1-8 --nodes=1 --exclusive --requeue docs/fleets/slurm-array.sh nightly.yaml
#
# Store and sources lie on a file system that all nodes see. A task whose node dies is begun anew by
# Slurm, and goes on where it stopped.
#SBATCH --job-name=qimport
#SBATCH --output=qimport-%A-%a.log
set -eu
batch=$1
part=$((SLURM_ARRAY_TASK_ID - SLURM_ARRAY_TASK_MIN + 1))/$SLURM_ARRAY_TASK_COUNT
exec qimport batch "$batch" --part "$part" --jobs "${SLURM_CPUS_ON_NODE:-0}" \
	--summary "summary-$SLURM_ARRAY_TASK_ID.xml"
