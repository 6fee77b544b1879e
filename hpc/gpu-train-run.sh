#!/bin/sh
# usage: run.sh MINUTES NETWORK...
# Trains networks on the data in this folder (written by `make gpu-train`), MINUTES each, on a machine with a GPU and
# PyTorch 2.11; it needs neither Rust nor network.
#   OUT      where the results go (default: results in this folder)
#   DEVICE   auto (default): the first GPU; cuda:N; cpu: a rehearsal with small batches
#   FLAGS    more flags of the training tool, as "--set train.lr=1e-3"
# Results, four files per network: NAME.safetensors, NAME.json (card with metrics and curve), NAME.curve.jsonl (losses and
# validation metrics), NAME.log. Exit codes: 0 every network has weights, card and curve; 1 one has not; 2 usage;
# 66 no GPU, or no PyTorch 2.11.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/gpu.sh"
minutes=${1:?usage: run.sh MINUTES NETWORK...}
shift
[ $# -gt 0 ] || { echo "usage: run.sh MINUTES NETWORK..." >&2; exit 2; }
out=${OUT:-$here/results}
device=${DEVICE:-auto}
mkdir -p "$out" || exit 73

case $device in
    cpu) library=libtorch_cpu.so ;;
    *)
        has_gpu || { echo "gpu-train: no NVIDIA GPU here; copy the folder to a machine with one: $here" >&2; exit 66; }
        [ "$device" != auto ] || device=cuda:0
        library=libtorch_cuda.so
        ;;
esac
torch=$(find_libtorch 2.11 $library ${TORCH_FOLDER:+"$TORCH_FOLDER"})
[ -n "$torch" ] || { echo "gpu-train: no PyTorch 2.11 with $library here; set LIBTORCH to its folder" >&2; exit 66; }
# For networks that render.
SPLAT_NVRTC=${SPLAT_NVRTC:-$(find_nvrtc "$here")}
if [ -n "$SPLAT_NVRTC" ]; then export SPLAT_NVRTC; else unset SPLAT_NVRTC; fi

work=$(mktemp -d) || exit 73
trap 'rm -rf "$work"' EXIT
trap 'exit 75' INT TERM
tar -C "$work" -xJf "$here/tools.tar.xz" 2>/dev/null || python3 -m tarfile -e "$here/tools.tar.xz" "$work" || exit 74

# A tool of the pack with the libraries of this machine, its log kept, for at most so many seconds.
tool() { # SECONDS TOOL ARGUMENTS
    seconds=$1 name=$2
    shift 2
    LD_LIBRARY_PATH="$torch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" timeout "$seconds" "$work/bin/$name" "$@" --device "$device"
}

# Batches: as large as keeps a GPU busy and several threads composing for it, or so small that a minute on the CPU is
# some steps.
case $device in
    cpu) track_batch="--set train.crops=6 --set train.patches=4 --set train.val_crops=16" track_frames=6 ;;
    *) track_batch="--set train.crops=128 --set train.patches=48 --set train.workers=4" track_frames=60 ;;
esac

# One pair of functions per network: the training, and metrics on people that it was not trained on.
train_track() { # SECONDS START
    # shellcheck disable=SC2086 # flags are words
    tool "$1" track train --json --data "$here/data/track" --head "$work/head.safetensors" $2 --minutes "$minutes" \
        $track_batch ${FLAGS:-} --out "$work/track.safetensors"
}
evaluate_track() {
    tool 240 track eval --data "$here/data/track" --split val --frames $track_frames --head "$work/head.safetensors" \
        --weights "$work/track.safetensors" --card
}

# Loading, writing and the first kernels come on top of the training time.
seconds=$(awk "BEGIN { print int(60 * $minutes) + 240 }")
status=0
for network in "$@"; do
    log=$out/$network.log
    # Results of an earlier run must not pass for those of this one.
    rm -f "$out/$network.safetensors" "$out/$network.json" "$out/$network.curve.jsonl"
    echo "$network: $minutes minutes on $device, $(nproc) cores, libtorch in $torch" >"$log"
    [ "$device" = cpu ] || describe_gpus >>"$log"
    if ! command -v "train_$network" >/dev/null || [ ! -d "$here/data/$network" ]; then
        echo "gpu-train: $network: not in this pack" >&2
        status=1
        continue
    fi
    start=
    [ ! -f "$work/start/$network.safetensors" ] || start="--start $work/start/$network.safetensors"
    echo "gpu-train: $network: training for $minutes minutes on $device" >&2
    "train_$network" "$seconds" "$start" >"$work/events" 2>>"$log" || echo "$network: training ended with code $?" >>"$log"
    grep '"event":"train"' "$work/events" >"$out/$network.curve.jsonl"
    grep -v '"event":"progress"' "$work/events" >>"$log"
    [ ! -s "$work/$network.safetensors" ] || "evaluate_$network" >>"$log" 2>&1 ||
        echo "$network: evaluation ended with code $?" >>"$log"
    cp "$work/$network.safetensors" "$work/$network.json" "$out/" 2>/dev/null
    for file in safetensors json curve.jsonl; do
        [ -s "$out/$network.$file" ] || { echo "gpu-train: $network: no $file, see $log" >&2; status=1; }
    done
    tail -n 1 "$out/$network.curve.jsonl"
    tail -n 20 "$log" >&2
done
exit $status
