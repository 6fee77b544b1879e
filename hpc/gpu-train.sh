#!/bin/sh
# usage: hpc/gpu-train.sh FOLDER NETWORK...
# Writes a self-contained FOLDER that trains NETWORKS on a machine with a GPU and PyTorch 2.11, without Rust or network:
# FOLDER/run.sh MINUTES NETWORK... . `make gpu-train` calls this script with these variables:
#   BIN      folder of the tools
#   DATA     folder of the datasets (heads, clips), complete or not
#   HEAD     head model of the datasets
#   START    folder of NAME.safetensors to initialize networks from, where they exist
#   MAX_MB   size of FOLDER in megabytes (10^6 bytes), at most
# Exit codes: 0 written, 2 unknown network, 66 a dataset is missing, otherwise that of `shards pack`.
set -eu
folder=${1:?usage: hpc/gpu-train.sh FOLDER NETWORK...}
shift
here=$(cd "$(dirname "$0")" && pwd)

# What a network needs, one line per network: its tool, its dataset, flags of `shards pack`. run.sh has the training.
needs() { # NETWORK
    case $1 in
        track) echo "track heads --size 192 --crop 1.7 --quality 75 --columns image,alpha" ;;
        *) echo "gpu-train: unknown network, expected track: $1" >&2; return 2 ;;
    esac
}

for network in "$@"; do
    read -r tool set flags <<EOF
$(needs "$network")
EOF
    [ -n "$tool" ] || exit 2
    [ -d "$DATA/$set/frames" ] ||
        { echo "gpu-train: no dataset, render one with make data DATA_SETS=$set: $DATA/$set" >&2; exit 66; }
done

# Tools, head model and initial weights compress to a sixth; xz is the smallest that Python unpacks everywhere.
rm -rf "$folder/tools" && mkdir -p "$folder/tools/bin" "$folder/tools/start" "$folder/data"
for network in "$@"; do
    tool=$(needs "$network" | cut -d ' ' -f 1)
    strip -o "$folder/tools/bin/$tool" "$BIN/$tool" 2>/dev/null || cp "$BIN/$tool" "$folder/tools/bin/"
    [ ! -f "$START/$network.safetensors" ] || cp "$START/$network.safetensors" "$folder/tools/start/"
done
cp "$HEAD" "$folder/tools/head.safetensors"
# Packed again only if something changed: it takes half a minute.
digest=$(cd "$folder/tools" && find . -type f -exec sha256sum {} + | sort | sha256sum)
if [ "$digest" != "$(cat "$folder/tools.sha256" 2>/dev/null)" ]; then
    tar -C "$folder/tools" -cJf "$folder/tools.tar.xz" bin head.safetensors start
    echo "$digest" >"$folder/tools.sha256"
fi
rm -rf "$folder/tools"
cp "$here/gpu.sh" "$folder/gpu.sh"
cp "$here/gpu-train-run.sh" "$folder/run.sh"

# The datasets share the rest equally.
used=$(($(wc -c <"$folder/tools.tar.xz") / 1000000 + 1))
each=$(((MAX_MB - used) / $#))
[ "$each" -gt 0 ] || { echo "gpu-train: the tools alone take $used MB of $MAX_MB" >&2; exit 73; }
for network in "$@"; do
    read -r tool set flags <<EOF
$(needs "$network")
EOF
    source=$DATA/$set out=$folder/data/$network
    request="$flags --max-mb $each --where split!='test'"
    # A set that is still being rendered is packed again when it has grown.
    stamp=$(echo "$request"; ls -l "$source/frames" "$source/identities" 2>/dev/null || true)
    if [ "$stamp" != "$(cat "$out.stamp" 2>/dev/null)" ] || [ ! -f "$out/manifest.parquet" ]; then
        rm -rf "$out" "$out.stamp"
        # shellcheck disable=SC2086 # the flags are words
        "$BIN/shards" pack "$source" $flags --max-mb "$each" --where "split != 'test'" --out "$out"
        echo "$stamp" >"$out.stamp"
    fi
done
# Data of networks that are no longer named would be carried for nothing.
for out in "$folder"/data/*/; do
    name=$(basename "$out")
    case " $* " in *" $name "*) ;; *) rm -rf "$out" "$folder/data/$name.stamp" ;; esac
done
echo "gpu-train: $(du -sm --apparent-size --exclude=results "$folder" | cut -f 1) MB for $*: $folder"
