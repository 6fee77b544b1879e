#!/usr/bin/env bash
# usage: tests/faults/list.sh BIN OUT     (folder with the tools; folder for logs and OUT/bench/faults.json)
# The whole fault list, R1 to R20, at full length; what each test prints is in OUT/faults.log. Ends with a line a fault:
# ok, skipped (and why), or FAILED, which is also what a fault is that no test has spoken of. Ends with 1 when one failed.
set -uo pipefail
bin=${1:?usage: list.sh BIN OUT} out=${2:?usage: list.sh BIN OUT}
mkdir -p "$out/bench"
log=$out/faults.log; : > "$log"
cargo=${CARGO:-cargo}
export EFFIGY_FAULTS=full

step() { # NAME COMMAND…
  local name=$1 began=$SECONDS code; shift
  echo "== $name" >> "$log"
  "$@" >> "$log" 2>&1; code=$?
  echo "$name: $((SECONDS - began)) s$([ $code = 0 ] || echo ", FAILED ($code): $log")"
  [ $code = 0 ] || echo "step $name FAILED" >> "$log"
}
figure() { sed -n "s/^ *$1 \{1,\}\([0-9.]*\) .*/\1/p" "$log" | tail -1; } # of the bench's table
missed() { grep -F -- "$1" "$log" | grep -q MISSED; }

test_of() { $cargo test --release -p "$1" --test "$2" -- --nocapture --test-threads 1 "${@:3}"; }
step "bad input to every tool" $cargo test --release -p effigy-tests --test faults
step "R1 to R8, R15, R18, R19" test_of effigy-tests reliability
step "R9, R14: readers, gc" test_of formats versions r09 r14
step "R10, R11: array jobs, signals" test_of effigy-tests array
step "R12: Slurm" tests/slurm/array.sh "$bin"
step "R13: a training resumed" test_of effigy-tests pipeline r13
step "R16, R17: many shards, big shards" $cargo run --release --quiet -p formats --example bench -- --json "$out/bench/faults-shards.json" shards tiny
step "R20: other readers" make --no-print-directory parity-data

seconds=$(figure "verify and merge 13,672 tiny shards") mib=$(figure "peak memory of both")
half=$(figure "writer's peak memory, 512 rows of 512² images") whole=$(figure "writer's peak memory, 1024 rows of 512² images")
verdict() { if [ -z "$2" ] || missed "$1"; then echo FAILED; else echo ok; fi; }
{
  echo "R16  $(verdict 'tiny shards' "$seconds" | sed "$(missed 'peak memory of both' && echo 's/ok/FAILED/')")  verify and merge of 13,672 shards: $seconds s (bar 60), $mib MiB (bar 500)"
  echo "R17  $(verdict '1024 rows of 512² images' "$whole")  writer of 512² images: $half MiB for 512 rows, $whole MiB for 1,024 (bar 300)"
  if [ ! -x .venv-parity-data/bin/python ]; then echo "R20  skipped  the readers' wheels could not be fetched"
  elif grep -q '^all readers agree' "$log"; then echo "R20  ok  $(sed -n '/^== R20/,$p' "$log" | grep -c '^ok: ') checks by DuckDB, Polars, pandas, pyarrow, datasets, pycocotools, webdataset"
  else echo "R20  FAILED  $(grep -c '^FAILED: ' "$log") checks of other readers"; fi
} >> "$log"

echo
failed=0 rows=
for n in $(seq 20); do
  # A test's line may stand behind its name.
  line=$(grep -oE "\bR$n +(ok|skipped|FAILED) .*" "$log" | sort -u | sed 's/  */ /g' | paste -sd '|' | sed "s/|R$n [a-zA-Z]* /; /g")
  [ -n "$line" ] || line="R$n FAILED no test of it came to its end"
  case $line in *FAILED*) failed=1 ok=false ;; *) ok=true ;; esac
  read -r name state what <<< "$line"
  printf '%-4s %-8s %s\n' "$name" "$state" "$what"
  rows+=$(printf '{"name": "%s %s", "value": %d, "unit": "passed", "bar": 1, "ok": %s},' "$name" "${what//\"/}" "$([ $ok = true ] && echo 1 || echo 0)" $ok)
done
grep '^step .* FAILED$' "$log" && failed=1
machine="$(nproc) threads of $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)"
echo "{\"machine\": \"$machine\", \"commit\": \"${EFFIGY_COMMIT:-unknown}\", \"rows\": [${rows%,}]}" > "$out/bench/faults.json"
echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s; all that was said: $log"
exit $failed
