#!/usr/bin/env bash
# usage: tests/slurm/array.sh BIN     (folder with datagen and shards)
# The job scripts of hpc/ on a real Slurm: any array, killed, requeued, preempted or doubled, gives the bytes of one
# process. Prints one line per check; ends with 1 when one fails. Skipped, by name, where Slurm or root is missing. Adds a row
# to the file that EFFIGY_FAULT_ROWS names (see tests/src/fault.rs).
set -uo pipefail
row() { # STATE WHAT
  echo "R12  $1  $2"
  [ -z "${EFFIGY_FAULT_ROWS:-}" ] || printf '{"name": "R12", "state": "%s", "what": "%s"}\n' "$1" "$2" >> "$EFFIGY_FAULT_ROWS"
}
bin=$(cd "${1:?usage: array.sh BIN}" && pwd) || exit 66
here=$(cd "$(dirname "$0")" && pwd)
hpc=$here/../../hpc
for tool in sbatch slurmctld slurmd munged; do
  command -v $tool >/dev/null || { row skipped "slurm_array_jobs: $tool is not installed (slurm-wlm and munge of Debian)"; exit 0; }
done
[ "$(id -u)" = 0 ] || { row skipped "slurm_array_jobs: a throw-away Slurm needs root"; exit 0; }

export SLURM_TEST_DIR; SLURM_TEST_DIR=$(mktemp -d)
export SLURM_CONF=$SLURM_TEST_DIR/slurm.conf DATAGEN=$bin/datagen SHARDS=$bin/shards
work=$SLURM_TEST_DIR/work; mkdir -p "$work"
trap '"$here/cluster.sh" down >/dev/null 2>&1; [ "${KEEP:-}" ] || rm -rf "$SLURM_TEST_DIR"' EXIT
"$here/cluster.sh" up || { row failed "the cluster did not come up"; exit 1; }
cd "$work" || exit 1

failed=0 checks=0
check() { # NAME COMMAND…
  local name=$1; shift
  checks=$((checks + 1))
  if "$@"; then echo "ok: $name"; else echo "FAILED: $name"; failed=1; fi
}
plan() { "$DATAGEN" plan --no-sample --config "$here/datagen.toml" --out "$1" >/dev/null; }
digest() { (cd "$1" && find frames identities -type f ! -name '.*' | sort | xargs sha256sum | sha256sum); }
same() { [ "$(digest "$1")" = "$(digest one)" ] && "$SHARDS" verify --quiet --deep "$1" && no_leftovers "$1"; }
no_leftovers() { [ -z "$(find "$1" -name '.*.tmp')" ]; }
submit() { # DATASET [SBATCH FLAGS…] → job id
  local dataset=$1; shift
  sbatch --parsable --time=10 --cpus-per-task=1 --mem=200 "$@" "$hpc/slurm.sbatch" "$dataset" 8
}
ended() { # JOB: waits until nothing of it is left; what was requeued starts at once instead of after two minutes
  for _ in $(seq 600); do
    [ -z "$(squeue -h -j "$1" 2>/dev/null)" ] && return 0
    for task in $(squeue -h -r -j "$1" -t PD -o '%i %r' 2>/dev/null | awk '$2 == "BeginTime" {print $1}'); do
      scontrol update JobId="$task" StartTime=now 2>/dev/null
    done
    sleep 0.5
  done
  return 1
}
running() { # JOB: waits for its first task
  for _ in $(seq 100); do [ -n "$(squeue -h -j "$1" -t R)" ] && return 0; sleep 0.2; done; return 1
}

plan one
"$DATAGEN" render --quiet --out one --shard 0/1 >/dev/null || exit 1

plan array; job=$(submit array --array=0-7); ended "$job"
check "an array of 8 on 4 processors gives the bytes of one process" same array

plan parts; ended "$(submit parts --array=1,3,5,7)"; ended "$(submit parts --array=0,2,4,6)"
check "the same in two parts" same parts

plan cancelled; job=$(submit cancelled --array=0-7); running "$job"; sleep 1; scancel "${job}_1" "${job}_2"; ended "$job"
check "a cancelled task leaves nothing half-written" no_leftovers cancelled
ended "$(submit cancelled --array=1,2)"
check "and is made good by submitting it alone" same cancelled

plan stopped; job=$(submit stopped --array=0-7%2); running "$job"; sleep 1
scancel --batch --signal=USR1 "${job}_0"; ended "$job"
restarted=$(grep -l '"exit_code":75' datagen-"${job}"_0.log 2>/dev/null)
check "SIGUSR1 ends a task with 75, Slurm requeues it, it finishes" test -n "$restarted"
check "with the same bytes" same stopped

plan down; job=$(submit down --array=0-7); running "$job"; sleep 1
scontrol update NodeName=localhost State=DOWN Reason=test; sleep 2
# It may have come back by itself.
scontrol update NodeName=localhost State=RESUME 2>/dev/null; ended "$job"
check "the node goes down under running tasks: they start again" grep -q "restart 1" datagen-"${job}"_[0-7].log
check "with the same bytes" same down

plan preempted; job=$(submit preempted --array=0-7); running "$job"; sleep 1
sbatch --parsable --wait -p high --array=0-3 --cpus-per-task=1 --wrap 'sleep 2' -o /dev/null >/dev/null; ended "$job"
check "a task is preempted and starts again" grep -q "restart 1" datagen-"${job}"_[0-7].log
check "with the same bytes" same preempted

plan doubled; a=$(submit doubled --array=0-7); b=$(submit doubled --array=0-7); ended "$a"; ended "$b"
check "the same array twice at once: nothing lost, nothing doubled" same doubled

plan incomplete; ended "$(submit incomplete --array=0-6)"
finish=$(sbatch --parsable --wait -o finish.log "$hpc/slurm-finish.sbatch" incomplete); code=$?
check "merge refuses while a shard is missing" test $code = 65 -a ! -e incomplete/manifest.parquet
job=$(submit incomplete --array=7); sbatch --parsable --wait --dependency="afterany:$job" -o finish.log "$hpc/slurm-finish.sbatch" incomplete >/dev/null
check "and merges when it is there" test $? = 0 -a -e incomplete/manifest.parquet

plan again; "$DATAGEN" render --quiet --out again --shard 2/8 >/dev/null
missing=$("$SHARDS" missing --quiet --tasks 8 again)
check "shards missing names the tasks that have something to make" test "$missing" = 0-1,3-7
export SBATCH_FLAGS="--time=10 --cpus-per-task=1 --mem=200"
"$hpc/array.sh" again 8 > submitted.log
job=$(sed -n 's/.*Slurm job \([0-9]*\),.*/\1/p' submitted.log) finish=$(sed -n 's/.*; job \([0-9]*\) merges.*/\1/p' submitted.log)
check "hpc/array.sh submits these alone" grep -q "tasks 0-1,3-7 of 8" submitted.log
ended "$job"; ended "$finish"
check "and merges: the same bytes" test -e again/manifest.parquet -a "$(digest again)" = "$(digest one)"
check "and, run again, has nothing to submit" "$hpc/array.sh" again 8
if [ $failed = 0 ]; then
  row passed "$checks checks on a Slurm of one machine: cancelled, stopped, preempted, node down, doubled: every shard once, the same bytes"
else
  row failed "a check of tests/slurm/array.sh"
fi
exit $failed
