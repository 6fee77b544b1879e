# Shell functions for scripts that run on a GPU machine without Rust; sourced by gpu-check.sh and gpu-train's run.sh.

# True if there is an NVIDIA GPU with a driver.
has_gpu() {
    command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi -L 2>/dev/null | grep -q GPU
}

# Name, driver, compute capability and memory of each GPU, one line per GPU.
describe_gpus() {
    nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total --format=csv,noheader
}

# Folders where python3 looks for packages.
python_folders() {
    python3 -c 'import site, sys; print(*site.getsitepackages(), site.getusersitepackages(), *sys.path)' 2>/dev/null
}

# The file of NVRTC: in FOLDER, in FOLDER/nvrtc, in the CUDA toolkit, or in any Python that has torch.
find_nvrtc() { # FOLDER
    for folder in "$1" "$1/nvrtc" /usr/local/cuda/lib64 /usr/local/cuda/targets/x86_64-linux/lib $(python_folders); do
        for file in "$folder"/libnvrtc.so.1[23] "$folder"/nvidia/cu13/lib/libnvrtc.so.13 \
            "$folder"/nvidia/cuda_nvrtc/lib/libnvrtc.so.12; do
            [ -f "$file" ] && echo "$file" && return
        done
    done
}

# The folder with the libraries of libtorch VERSION (as 2.11) that has FILE: that of LIBTORCH if set, that of any Python
# that has this version, or one of the FOLDERs.
find_libtorch() { # VERSION FILE FOLDER...
    version=$1 file=$2
    shift 2
    [ -n "${LIBTORCH:-}" ] && [ -f "$LIBTORCH/lib/$file" ] && echo "$LIBTORCH/lib" && return
    for folder in $(python_folders); do
        grep -q "^__version__ = '$version\." "$folder/torch/version.py" 2>/dev/null &&
            [ -f "$folder/torch/lib/$file" ] && echo "$folder/torch/lib" && return
    done
    for folder in "$@"; do
        [ -f "$folder/$file" ] && echo "$folder" && return
    done
}
