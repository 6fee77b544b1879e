#!/usr/bin/env python3
"""Do face detectors that we did not train take our renders for faces, and see our landmarks where we say they are?

  detectors.py SHARDS DATASET OUT.json     SHARDS: our tool `shards`; DATASET: folder made by `datagen render`

Found: OpenCV's three frontal Haar cascades (a face counts if any of them puts a box on it), MediaPipe's face mesh.
Landmarks: the seven points that both schemes define at the same place, MediaPipe's mesh against our labels, in percent
of the distance of the outer eye corners in the same picture (our labels). Both were trained on photos by others; they
are yardsticks here, never a part of the product.

Where definitions differ: our nose tip (iBUG 30) is the foremost point of the nose on the midline; of MediaPipe's canonical
mesh that is vertex 4 (vertex 1, which it calls the tip, lies 6.6 mm lower, where the nose turns in); our mouth and eye corners are where the red of the lips, and
the lids, end, MediaPipe's are learnt from annotators. Seen from the side a contour point and a surface point part.
"""
import io, json, os, platform, subprocess, sys, tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GLOG_minloglevel", "3")
import cv2
import mediapipe as mp
import numpy as np
from PIL import Image

# What, our index (iBUG 68), MediaPipe's face-mesh index; right is the person's right.
POINTS = [
    ("right eye, outer corner", 36, 33), ("right eye, inner corner", 39, 133),
    ("left eye, inner corner", 42, 362), ("left eye, outer corner", 45, 263),
    ("nose tip", 30, 4), ("right mouth corner", 48, 61), ("left mouth corner", 54, 291),
]
CASCADES = ["frontalface_default", "frontalface_alt", "frontalface_alt2"]
FOUND_BAR, LANDMARK_BAR = 97.0, 4.0


def rows(shards, dataset):
    """(name, picture [H, W, 3], our 68 landmarks in pixels) of every row."""
    for shard in sorted(Path(dataset).glob("frames/*.parquet")):
        count = json.loads(subprocess.check_output([shards, "stat", str(shard), "--json"]).splitlines()[-1])
        for row in range(count.get("frames") or count["rows"]):
            with tempfile.TemporaryDirectory() as folder:
                labels = json.loads(subprocess.check_output([shards, "show", str(shard), "--row", str(row), "--out", folder]))
                picture = next(p for p in Path(folder).iterdir() if "-" not in p.stem)
                image = np.asarray(Image.open(io.BytesIO(picture.read_bytes())).convert("RGB"))
            name = f"person {labels['identity_id']} face {labels['expression_id']} camera {labels['camera_id']} light {labels['light_id']}"
            yield name, image, np.array(labels["landmarks_2d"])[:68]


def on_face(box, landmarks):
    """Does a box (x, y, w, h) lie on the face? The centre between brows and chin is in it, and it is no third as wide."""
    x, y, w, h = box
    centre, width = landmarks.mean(axis=0), np.ptp(landmarks[:17, 0])
    inside = x < centre[0] < x + w and y < centre[1] < y + h
    return inside and w > 0.5 * width and w < 3.0 * width


def row(name, value, unit, bar=None, at_most=False):
    ok = True if bar is None else bool(value <= bar if at_most else value >= bar)
    print(f"  {name:<58} {value:>8.2f} {unit:<4}" + ("" if bar is None else f"  bar {bar:g}{'' if ok else '  MISSED'}"))
    return {"name": name, "value": float(value), "unit": unit, "bar": bar, "ok": ok}


def main():
    shards, dataset, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    haar = [cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_{name}.xml") for name in CASCADES]
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=True, refine_landmarks=True, max_num_faces=1)
    found, errors, n = {name: 0 for name in CASCADES + ["any", "mesh"]}, [], 0
    for name, image, ours in rows(shards, dataset):
        n += 1
        grey = cv2.equalizeHist(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
        hits = [any(on_face(b, ours) for b in c.detectMultiScale(grey, 1.05, 3, minSize=(60, 60))) for c in haar]
        for cascade, hit in zip(CASCADES, hits):
            found[cascade] += hit
        found["any"] += any(hits)
        meshes = mesh.process(image).multi_face_landmarks
        if not any(hits) or not meshes:
            print(f"{name}: not found by {'the cascades' if not any(hits) else ''}{' and ' if not any(hits) and not meshes else ''}{'' if meshes else 'MediaPipe'}")
        if meshes:
            theirs = np.array([[p.x, p.y] for p in meshes[0].landmark]) * [image.shape[1], image.shape[0]]
            unit = np.linalg.norm(ours[36] - ours[45])
            error = [100 * np.linalg.norm(ours[i] - theirs[j]) / unit for _, i, j in POINTS]
            found["mesh"] += bool(np.median(error) < 30)  # else it sees a face elsewhere
            errors.append(error)
    errors = np.array(errors)
    print(f"realism: {n} renders of front ± 30°")
    report = [row("found by a frontal Haar cascade", 100 * found["any"] / n, "%", FOUND_BAR)]
    report += [row(f"  by haarcascade_{name}", 100 * found[name] / n, "%") for name in CASCADES]
    report += [row("found by MediaPipe's face mesh", 100 * found["mesh"] / n, "%", FOUND_BAR)]
    report += [row("landmarks, median of all", np.median(errors), "%", LANDMARK_BAR, at_most=True)]
    report += [row(f"  {what} (iBUG {i}, mesh {j}), median", np.median(errors[:, k]), "%") for k, (what, i, j) in enumerate(POINTS)]
    report += [row("  90th percentile of all", np.percentile(errors, 90), "%")]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": platform.processor() or platform.machine(), "commit": commit, "rows": report}, indent=2) + "\n")
    sys.exit(0 if all(r["ok"] for r in report) else 1)


main()
