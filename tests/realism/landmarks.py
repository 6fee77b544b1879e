#!/usr/bin/env python3
"""How far our landmarks on photos lie from MediaPipe's, in % of the inter-ocular distance.

  landmarks.py SHARDS TRACKED ...     SHARDS: our tool `shards`; TRACKED: folders made by `track fit`

MediaPipe's face mesh was trained on photos by others; it is a yardstick here, never a part of the product. Compared are
the points both schemes define alike: eye corners, nose tip, mouth corners, brow ends, lip middles, chin.
"""
import io, json, subprocess, sys, tempfile
from pathlib import Path

import mediapipe as mp
import numpy as np
from PIL import Image

# iBUG index (of 68) -> MediaPipe face-mesh index, right = the person's right.
PAIRS = {
    36: 33, 39: 133, 42: 362, 45: 263,          # eye corners
    30: 4, 33: 2,                               # nose tip, base
    48: 61, 54: 291, 51: 0, 57: 17,             # mouth corners, lips' outer middles
    62: 13, 66: 14,                             # lips' inner middles
    17: 70, 21: 107, 22: 336, 26: 300,          # brow ends
    8: 152,                                     # chin
}


def rows(shards, tracked):
    """(name, image as array, our labels) of every tracked row."""
    for shard in sorted(Path(tracked).glob("frames/*.parquet")):
        count = json.loads(subprocess.check_output([shards, "stat", str(shard), "--json"]).splitlines()[-1])
        n = count.get("frames") or count.get("rows") or 1
        for row in range(n):
            with tempfile.TemporaryDirectory() as folder:
                text = subprocess.check_output([shards, "show", str(shard), "--row", str(row), "--out", folder])
                labels = json.loads(text)
                picture = next(p for p in Path(folder).iterdir() if "-" not in p.stem)
                image = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
            yield labels.get("source_path") or f"{shard.name}:{row}", image, labels


def main():
    shards, folders = sys.argv[1], sys.argv[2:]
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1)
    means = []
    missed = [folder for folder in folders if not (Path(folder) / "frames").is_dir()]
    for folder in missed:
        print(f"{folder}: no face found")
    for name, image, labels in (row for folder in folders if folder not in missed for row in rows(shards, folder)):
        ours = np.array(labels["landmarks_2d"])[:68]
        found = mesh.process(image).multi_face_landmarks
        if not found:
            print(f"{name}: MediaPipe finds no face in our crop")
            continue
        size = np.array([image.shape[1], image.shape[0]])
        theirs = np.array([[p.x, p.y] for p in found[0].landmark]) * size
        eyes = np.linalg.norm(theirs[33] - theirs[263])
        errors = {k: 100 * np.linalg.norm(ours[k] - theirs[v]) / eyes for k, v in PAIRS.items()}
        means.append(np.mean(list(errors.values())))
        worst = max(errors, key=errors.get)
        print(f"{name}: mean {means[-1]:.1f} %, median {np.median(list(errors.values())):.1f} %, worst point {worst}: {errors[worst]:.1f} % of the outer inter-ocular distance")
    if means:
        print(f"{len(means)} photos, {len(missed)} without a face found, worst mean {max(means):.1f} %")
        print(json.dumps({"name": "landmarks_vs_mediapipe", "value": float(np.mean(means)), "unit": "% of inter-ocular distance", "bar": 8.0, "ok": bool(np.mean(means) <= 8.0 and not missed)}))


if __name__ == "__main__":
    main()
