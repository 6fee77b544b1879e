#!/bin/bash
# usage: hpc/array.sh DATASET [TASKS] [PARALLEL]
# Renders a planned dataset as TASKS tasks, then checks and merges it: on Slurm if `sbatch` is installed, otherwise here,
# PARALLEL tasks at a time. Run it again to submit only the tasks with work left.
# Exit codes: 0 merged (or submitted), 66 no plan, 75 tasks failed and shards are missing (run it again), otherwise that of
# `shards merge`.
set -eu
dataset=${1:?usage: hpc/array.sh DATASET [TASKS] [PARALLEL]} tasks=${2:-8} parallel=${3:-$(nproc)}
here=$(cd "$(dirname "$0")" && pwd)
export DATAGEN=${DATAGEN:-datagen} SHARDS=${SHARDS:-shards}
[ -f "$dataset/plan.toml" ] || { echo "array: no plan, create one with datagen plan: $dataset" >&2; exit 66; }

code=0; missing=$("$SHARDS" missing --quiet "$dataset" --tasks "$tasks") || code=$?
case $code in
  0) echo "array: all shards are complete" >&2; exec "$SHARDS" merge "$dataset" ;;
  1) ;;
  *) exit $code ;;
esac

if command -v sbatch >/dev/null && sinfo >/dev/null 2>&1; then
  job=$(sbatch --parsable --array="$missing" ${SBATCH_FLAGS:-} "$here/slurm.sbatch" "$dataset" "$tasks")
  finish=$(sbatch --parsable --dependency="afterany:$job" "$here/slurm-finish.sbatch" "$dataset")
  echo "array: Slurm job $job, tasks $missing of $tasks; job $finish merges: squeue -j $job,$finish"
  exit 0
fi

echo "array: no Slurm here, $tasks tasks run locally, $parallel at a time" >&2
threads=$(( $(nproc) / parallel )); [ $threads -gt 0 ] || threads=1
# xargs ends with 123 if a task failed; the shards of the others are complete.
failed=0
seq 0 $((tasks - 1)) | xargs -P "$parallel" -I{} "$DATAGEN" render --quiet --threads $threads --out "$dataset" --shard "{}/$tasks" || failed=$?
code=0; "$SHARDS" merge "$dataset" || code=$?
if [ $code != 0 ] && [ $failed != 0 ]; then
  echo "array: a task failed (xargs: $failed); run the same command again to render what is missing" >&2
  exit 75
fi
exit $code
