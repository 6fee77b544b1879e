#!/usr/bin/env bash
# usage: tests/faults/list.sh BIN OUT     (folder with the tools; folder for logs and OUT/bench/faults.json)
# The whole fault list, R1 to R20, at full length; what each test prints is in OUT/faults.log, the rows that it writes (see
# tests/src/fault.rs) in OUT/faults.jsonl. Ends with a line per fault: passed, skipped (and why) or failed, which is also what
# a fault is that no row speaks of. Ends with 1 when a fault or a step failed.
set -uo pipefail
bin=${1:?usage: list.sh BIN OUT} out=${2:?usage: list.sh BIN OUT}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out/bench"
out=$(cd "$out" && pwd)
log=$out/faults.log; : > "$log"
cargo=${CARGO:-cargo}
export EFFIGY_FAULTS=full EFFIGY_FAULT_ROWS=$out/faults.jsonl
: > "$EFFIGY_FAULT_ROWS"
bench=$out/bench/faults-shards.json; rm -f "$bench"

broken=0
step() { # NAME COMMAND…
  local name=$1 began=$SECONDS code; shift
  echo "== $name" >> "$log"
  "$@" >> "$log" 2>&1; code=$?
  if [ $code = 0 ]; then echo "$name: $((SECONDS - began)) s"; return; fi
  echo "$name: $((SECONDS - began)) s, FAILED ($code): $log"
  broken=1
  return $code
}
row() { # NAME STATE WHAT
  printf '{"name": "%s", "state": "%s", "what": "%s"}\n' "$1" "$2" "$3" >> "$EFFIGY_FAULT_ROWS"
}

test_of() { $cargo test --release --workspace --test "$1" -- --nocapture --test-threads 1 "${@:2}"; }
step "bad input to every tool" $cargo test --release --workspace --test faults
step "R1 to R8, R15, R18, R19" test_of reliability
step "R9, R14: readers, gc" test_of versions r09 r14
step "R10, R11: array jobs, signals" test_of array
step "R12: Slurm" "$here/../slurm/array.sh" "$bin"
step "R13: a training resumed" test_of pipeline r13
step "R16, R17: many shards, big shards" "$bin/examples/bench_formats" --json "$bench" shards tiny
if step "R20: other readers" make --no-print-directory parity-data; then
  row R20 passed "$(sed -n '/^== R20/,$p' "$log" | grep -c '^ok: ') checks by DuckDB, Polars, pandas, pyarrow, datasets, pycocotools, webdataset"
elif .venv-parity-data/bin/python -c 'import duckdb, polars, pandas, pyarrow, datasets' 2>/dev/null; then
  row R20 failed "checks of other readers: see the log"
else
  row R20 skipped "the wheels of the readers could not be fetched"
fi

echo
machine="$(nproc) threads of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
python3 "$here/report.py" "$EFFIGY_FAULT_ROWS" "$bench" "$out/bench/faults.json" "$machine" "${EFFIGY_COMMIT:-unknown}" || broken=1
echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s; all that was said: $log"
exit $broken
