"""The fault list from the rows that tests wrote: a line per fault, and a JSON file as every bench writes it.

usage: report.py ROWS.jsonl BENCH.json OUT.json MACHINE COMMIT

ROWS holds one JSON object per line: {"name": "R1", "state": "passed" | "skipped" | "failed", "what": "..."}. A fault of which no
row speaks has failed: its test did not come to its end. BENCH is the figures of R16 and R17. Ends with 1 when a fault failed;
skipped ones are counted apart.
"""
import json
import pathlib
import sys

rows_path, bench_path, out_path, machine, commit = sys.argv[1:]
FAULTS = [f"R{n}" for n in range(1, 21)]
# Figures of `bench_formats shards tiny` that stand for a fault, by the beginning of their names.
FIGURES = {
    "R16": ["verify and merge 13,672 tiny shards", "verify and merge over reading their bytes", "peak memory of both"],
    "R17": ["writer's peak memory, 512 rows of 512² images", "writer's peak memory, 1024 rows of 512² images"],
}

found = {name: [] for name in FAULTS}
for line in pathlib.Path(rows_path).read_text(encoding="utf-8").splitlines():
    row = json.loads(line)
    # R2b is a part of R2.
    found[row["name"].rstrip("abc")].append((row["state"], row["what"]))

bench = pathlib.Path(bench_path)
figures = json.loads(bench.read_text(encoding="utf-8"))["rows"] if bench.is_file() else []
for name, beginnings in FIGURES.items():
    for beginning in beginnings:
        for figure in (f for f in figures if f["name"].startswith(beginning)):
            threshold = "" if figure["bar"] is None else f" (threshold {figure['bar']})"
            what = f"{figure['name']}: {figure['value']:.1f} {figure['unit']}{threshold}"
            found[name].append(("passed" if figure["ok"] else "failed", what))

report = []
for name, results in found.items():
    states = [state for state, _ in results]
    if not results:
        state, what = "failed", "no test of it came to its end"
    elif "failed" in states:
        state, what = "failed", "; ".join(what for state, what in results if state == "failed")
    else:
        # A part that ran counts; what was skipped beside it is told.
        state = "passed" if "passed" in states else "skipped"
        what = "; ".join(what if each == state else f"{each}: {what}" for each, what in results)
    report.append({"name": name, "state": state, "what": what, "ok": state != "failed"})
    print(f"{name:<4} {state:<8} {what}")

count = {state: sum(row["state"] == state for row in report) for state in ("passed", "skipped", "failed")}
print(", ".join(f"{n} {state}" for state, n in count.items()))
file = {"machine": machine, "commit": commit, "rows": [row for row in report if row["state"] != "skipped"]}
file["skipped"] = [{"name": row["name"], "why": row["what"]} for row in report if row["state"] == "skipped"]
pathlib.Path(out_path).write_text(json.dumps(file, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
sys.exit(count["failed"] > 0)
