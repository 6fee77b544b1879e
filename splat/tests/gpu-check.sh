#!/bin/sh
# The GPU backend on a machine that has an NVIDIA GPU and a driver, and needs neither Rust nor a compiler.
#   gpu-check.sh [OUT]      beside it lie what `make gpu-check` put there: splat-cuda-tests, splat-bench-gpu, gpu.sh, commit
# Compilation, images and gradients against the CPU's, equal bits over ten runs, times and memory at 10k to 200k Gaussians;
# gsplat and Faster-GS beside them where a Python (PEERS_PYTHON, else python3) has them; then every test of the kernels.
# Writes OUT/gpu.txt, gpu.json (rows with name, value, unit, bar, ok; what was skipped and why) and gpu-check.log. At most
# eight minutes; exit 0 if all tests pass and all bars are kept, 1 if not, 66 if there is no GPU or compiler.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/gpu.sh"
out=${1:-$here}
mkdir -p "$out"

if ! has_gpu; then
    echo "gpu-check: no NVIDIA GPU here; carry the folder $here to a machine that has one" >&2
    exit 66
fi
describe_gpus | tee "$out/gpu.txt"

SPLAT_NVRTC=${SPLAT_NVRTC:-$(find_nvrtc "$here")}
if [ -z "$SPLAT_NVRTC" ]; then
    echo "gpu-check: no NVRTC here: put libnvrtc.so.13 and libnvrtc-builtins.so.13.0 into $here/nvrtc" >&2
    exit 66
fi
export SPLAT_NVRTC
echo "NVRTC: $SPLAT_NVRTC"
EFFIGY_COMMIT=$(cat "$here/commit" 2>/dev/null)
export EFFIGY_COMMIT

# A folder of its own, so that the first pass is timed with its compilation.
SPLAT_CACHE=$(mktemp -d)
export SPLAT_CACHE
trap 'rm -rf "$SPLAT_CACHE"' EXIT

status=0
# The times first: the tests fill the folder of compiled kernels.
timeout 270 "$here/splat-bench-gpu" --json "$out/gpu.json" --peers "${PEERS_PYTHON:-python3}" ||
    { echo "gpu-check: a bar was missed, or the bench failed"; status=1; }
SPLAT_TEST_ENGINES=gpu timeout 200 "$here/splat-cuda-tests" --test-threads 4 >"$out/gpu-check.log" 2>&1 || status=1
grep -E '^test |^test result|panicked' "$out/gpu-check.log"
exit $status
