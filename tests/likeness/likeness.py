#!/usr/bin/env python3
"""Likeness of avatars to people that no network was trained on: the table by which every change is judged.

  likeness.py --bin DIR --head HEAD --out DIR --json FILE [--parts rendered,photos,scan] [--people DIR] [--demo PHOTO] [--threads N] [--full]

rendered   3 rendered people: 3 pictures in, 21 out, other expressions and views, 512 px; exact expressions and cameras.
photos     photos of real people: input views, identity against a photo that was not used, control of eyes and mouth.
scan       a head scan: 3 views in, 6 out, tracked with the known focal length; distance of the surface.

All by the tools' command lines. Prints a table and writes it as JSON; a part that cannot run is listed as skipped.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import compare
import faces
from surface import face_distance_mm

YAWS = [-40, -20, 0, 20, 40]
POSES = {
    "neutral": "",
    "blink": "eyeBlinkLeft=1,eyeBlinkRight=1",
    "wink": "eyeBlinkLeft=1",
    "jaw": "jawOpen=0.8",
    "smile": "mouthSmileLeft=1,mouthSmileRight=1,mouthUpperUpLeft=0.4,mouthUpperUpRight=0.4,mouthLowerDownLeft=0.3,mouthLowerDownRight=0.3",
}
# (expression, camera) of a rendered person that are shown to the fit.
SHOWN = [(0, 0), (2, 1), (4, 2)]
# Rows of renders have the true expressions; there is nothing to refine.
TRUE_EXPRESSIONS = ["--set", "pivot.refine_expressions=false"]


class Table:
    """Rows of the report: name, value, unit, bar."""

    def __init__(self):
        self.rows, self.skipped = [], []

    def add(self, name, value, unit, at_least=None, at_most=None):
        value = float("nan") if value is None else float(value)
        ok = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
        bar = at_least if at_least is not None else at_most
        self.rows.append({"name": name, "value": value, "unit": unit, "bar": bar, "ok": bool(ok)})
        sign = "≥" if at_least is not None else "≤"
        print(f"  {name:<66} {value:>8.3f} {unit:<3}" + ("" if bar is None else f" {sign} {bar:g}{'' if ok else '  MISSED'}"), flush=True)

    def skip(self, name, why):
        self.skipped.append({"name": name, "why": why})
        print(f"  {name:<66} skipped: {why}", flush=True)

    def write(self, path, commit):
        # NaN is no JSON: a figure that could not be measured is null.
        rows = [{**r, "value": None if np.isnan(r["value"]) else r["value"]} for r in self.rows]
        path.parent.mkdir(parents=True, exist_ok=True)
        machine = f"{os.cpu_count()} threads of {platform.processor() or platform.machine()}"
        path.write_text(json.dumps({"machine": machine, "commit": commit, "rows": rows, "skipped": self.skipped}, indent=2) + "\n")


class Run:
    """The tools, and what they need."""

    def __init__(self, args):
        self.args, self.mesh, self.recognizer = args, faces.Mesh(), faces.Recognizer()
        self.table = Table()

    def tool(self, name, *words):
        threads = ["--threads", str(self.args.threads)] if self.args.threads and name != "shards" else []
        line = [str(self.args.bin / name), *map(str, words), "--quiet", *threads]
        done = subprocess.run(line, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(line)}: {done.stderr.strip()[-600:]}")
        return done.stdout

    def fit(self, data, avatar, *words):
        """Fits and gives the seconds it took."""
        if not (self.args.keep and (avatar / "card.json").exists()):
            self.tool("invert", "fit", "--input", data, "--head", self.args.head, "--prior", self.args.prior, "--out", avatar, *self.args.fit, *words)
        return json.loads((avatar / "card.json").read_text())["metrics"]["seconds"]

    def stills(self, avatar):
        """{(pose, yaw): picture} and their meshes."""
        folder = avatar / "stills"
        poses = [word for name, weights in POSES.items() for word in ("--pose", f"{name}:{weights}")]
        self.tool("invert", "stills", "--avatar", avatar, *poses, "--yaw-deg", ",".join(map(str, YAWS)), "--size", 512, "--out", folder)
        pictures = {(pose, yaw): compare.load(folder / f"{pose}{yaw:+}.png") for pose in POSES for yaw in YAWS}
        return pictures, {key: self.mesh.points(picture) for key, picture in pictures.items()}


def mean(values):
    values = [v for v in values if v is not None and not np.isnan(v)]
    return float(np.mean(values)) if values else float("nan")


def frame_id(person, expression, camera):
    """As datagen packs it: 24 bits of identity, 14 of expression, 10 of camera, 15 of light."""
    return person << 39 | expression << 25 | camera << 15


def rendered(run):
    """3 in, 21 out."""
    args, t, figures, seconds, bare = run.args, run.table, [], [], []
    for person in range(3):
        shown = ",".join(str(frame_id(person, *at)) for at in SHOWN)
        words = ["--identity", person]
        seconds.append(run.fit(args.rendered, args.out / f"rendered-{person}", *words, "--frames", shown, *TRUE_EXPRESSIONS))
        figures += held_out(run, args.rendered, args.out / f"rendered-{person}", words)
        if args.full:
            without = args.out / f"rendered-{person}-bare"
            run.fit(args.rendered, without, *words, "--frames", shown, "--without-prior", *TRUE_EXPRESSIONS)
            bare += held_out(run, args.rendered, without, words)
    of = lambda key, rows=figures: mean([row[key] for row in rows])
    t.add("rendered, 3 in, 21 out: PSNR over valid pixels", of("psnr"), "dB", at_least=30)
    t.add("rendered: SSIM", of("ssim"), "", at_least=0.93)
    t.add("rendered: sharpness, avatar / truth", of("sharpness"), "", at_least=0.85)
    t.add("rendered: PSNR of the worst tenth", np.percentile([r["psnr"] for r in figures], 10), "dB")
    t.add("rendered: views beyond 35° of yaw, PSNR", mean([r["psnr"] for r in figures if r["side"]]), "dB")
    t.add("rendered: mesh against the truth's, of the eye distance", of("mesh"), "%", at_most=1.5)
    t.add("rendered: error of the mouth's opening", of("mouth"), "", at_most=0.02)
    t.add("rendered: error of the eyes' opening", of("eye"), "", at_most=0.02)
    t.add("rendered: seconds per fit", mean(seconds), "s", at_most=300)
    if bare:
        t.add("rendered: gain over the fit without prior", of("psnr") - of("psnr", bare), "dB", at_least=2)
    else:
        t.skip("rendered: gain over the fit without prior", "doubles the time; run with FULL=1")


def held_out(run, data, avatar, choice):
    """Figures of every picture of the person that was not shown to the fit."""
    folder = avatar / "held-out"
    run.tool("invert", "eval", "--avatar", avatar, "--data", data, "--head", run.args.head, "--size", 512, "--pictures", folder, "--out", avatar / "eval.json", *choice)
    rows = []
    for name, truth, made, valid, alpha in compare.triples(folder):
        p, q = run.mesh.points(made), run.mesh.points(truth)
        row = {"psnr": compare.psnr(made, truth, valid), "ssim": compare.ssim(made, truth, valid), "sharpness": compare.sharpness(made, truth, valid * alpha)}
        row["side"] = q is None or is_side(q)
        both = p is not None and q is not None and not row["side"]
        row["mesh"] = faces.mesh_error(p, q) if both else None
        row["mouth"] = abs(faces.mouth_opening(p) - faces.mouth_opening(q)) if both else None
        row["eye"] = mean([abs(faces.eye_opening(p, s) - faces.eye_opening(q, s)) for s in faces.EYES]) if both else None
        rows.append(row)
    return rows


def is_side(p):
    """Is a mesh seen from more than about 35°? The nose then lies within a fifth of the face's width of one side."""
    left, right = p[234][0], p[454][0]
    share = (p[1][0] - left) / (right - left + 1e-6)
    return not 0.2 < share < 0.8


def photos(run):
    """Real people: input views, identity, control."""
    args, t = run.args, run.table
    people = {}
    for photo in sorted(args.people.glob("person-*.jpg")) if args.people and args.people.is_dir() else []:
        people.setdefault(photo.stem.rsplit("-", 1)[0], []).append(photo)
    if not people:
        t.skip("photos of people", f"no person-*.jpg in {args.people} (PEOPLE=folder)")
    # The last photo of each person is not shown to the fit.
    jobs = [(name, found[:-1] if len(found) > 1 else found, found[-1] if len(found) > 1 else None) for name, found in people.items()]
    if args.demo and args.demo.is_file():
        jobs.append(("demo", [args.demo], None))
    else:
        t.skip("the demo photo", f"{args.demo} is not there (make setup)")
    totals = {}
    for name, shown, kept in jobs:
        for key, value in person(run, name, shown, kept).items():
            totals.setdefault(key, []).append(value)
    summary(t, totals)


def tracked(run, name, pictures, *words):
    """A folder that `track fit` made of the pictures."""
    folder = run.args.out / name
    if not (folder / "frames").is_dir():
        run.tool("track", "fit", "--photos", *pictures, "--face", "largest", "--head", run.args.head, "--weights", run.args.track, "--size", 512, "--out", folder, *words)
    return folder


def person(run, name, shown, kept):
    """Figures of one person; prints its own lines."""
    args, t = run.args, run.table
    avatar = args.out / f"{name}-avatar"
    seconds = run.fit(tracked(run, f"{name}-tracked", shown), avatar, "--pictures", args.out / f"{name}-inputs")
    got = {"seconds": seconds}
    inputs = list(compare.triples(args.out / f"{name}-inputs"))
    got["psnr"] = mean([compare.psnr(made, truth, valid) for _, truth, made, valid, _ in inputs])
    got["sharpness"] = mean([compare.sharpness(made, truth, valid * alpha) for _, truth, made, valid, alpha in inputs])
    describe = lambda picture: run.recognizer.describe(picture, run.mesh.points(picture))
    between = lambda a, b: float("nan") if a is None or b is None else float(np.linalg.norm(a - b))
    first = describe(inputs[0][1])
    pictures, meshes = run.stills(avatar)
    for yaw in YAWS:
        got[f"dlib{abs(yaw)}"] = np.nanmax([got.get(f"dlib{abs(yaw)}", 0), between(run.recognizer.describe(pictures["neutral", yaw], meshes["neutral", yaw]), first)])
    if kept:
        other = describe(compare.load(kept))
        got["apart"] = between(first, other)
        got["dlib other"] = between(run.recognizer.describe(pictures["neutral", 0], meshes["neutral", 0]), other)
        got["excess"] = got["dlib other"] - got["apart"]
    got.update(control(pictures, meshes))
    print(f"{name}: {len(shown)} in: " + ", ".join(f"{k} {v:.3f}" for k, v in got.items()), flush=True)
    return got


def control(pictures, meshes):
    """What the units do to an avatar, by MediaPipe; the worst of yaw -20, 0 and 20 where a bar is on it."""
    of = lambda pose, figure: [figure(meshes[pose, yaw]) for yaw in (-20, 0, 20) if meshes[pose, yaw] is not None]
    worst = lambda values, pick: float(pick(values)) if values else float("nan")
    opening = lambda p: max(faces.eye_opening(p, side) for side in faces.EYES)
    got = {"blink": worst(of("blink", opening), max), "jaw": worst(of("jaw", faces.mouth_opening), min), "rest mouth": worst(of("neutral", faces.mouth_opening), max)}
    got["rest eyes"] = worst(of("neutral", opening), min)
    wink = of("wink", lambda p: faces.eye_opening(p, "right") - faces.eye_opening(p, "left"))
    got["wink"] = worst(wink, min)
    for pose, what in [("jaw", 0), ("jaw", 1), ("smile", 1)]:
        inside = [faces.inside_mouth(pictures[pose, yaw], meshes[pose, yaw])[what] for yaw in (-20, 0, 20) if meshes[pose, yaw] is not None]
        got[f"{pose} {'teeth' if what else 'dark'}"] = mean(inside)
    got["missed"] = sum(mesh is None for mesh in meshes.values())
    return got


def summary(t, totals):
    of = lambda key: mean(totals.get(key, []))
    most = lambda key: max(totals.get(key, [float("nan")]))
    if not totals:
        return
    t.add("photos: input views, PSNR over valid pixels", of("psnr"), "dB", at_least=30)
    t.add("photos: input views, sharpness", of("sharpness"), "", at_least=0.85)
    t.add("photos: dlib, front, to the input photo", of("dlib0"), "")
    t.add("photos: dlib, ±20°, to the input photo (worse side)", of("dlib20"), "", at_most=0.40)
    t.add("photos: dlib, ±40°, to the input photo (worse side)", of("dlib40"), "", at_most=0.50)
    t.add("photos: dlib to a photo not shown, beyond the photos' own distance", of("excess"), "", at_most=0.05)
    t.add("photos: eye opening at eyeBlink = 1, widest of all", most("blink"), "", at_most=0.08)
    t.add("photos: eye opening at rest", of("rest eyes"), "")
    t.add("photos: wink: right eye's opening over the left's", of("wink"), "", at_least=0.1)
    t.add("photos: mouth opening at jawOpen = 0.8, narrowest of all", min(totals["jaw"]), "", at_least=0.3)
    t.add("photos: mouth opening at rest, widest of all", most("rest mouth"), "", at_most=0.04)
    t.add("photos: jawOpen: dark share of the mouth", of("jaw dark"), "", at_least=0.2)
    t.add("photos: jawOpen: teeth's share of the mouth", of("jaw teeth"), "", at_least=0.05)
    t.add("photos: smile: teeth's share of the mouth", of("smile teeth"), "", at_least=0.2)
    t.add("photos: stills in which MediaPipe finds no face", sum(totals["missed"]), "", at_most=0)
    t.add("photos: seconds per fit", of("seconds"), "s", at_most=300)


def scan(run):
    """The scan: 3 in, 6 out, by tracked cameras with the known focal length."""
    args, t = run.args, run.table
    folder = args.people / "scan" if args.people else None
    if not folder or not (folder / "cameras.json").is_file():
        return t.skip("the head scan", f"no scan/cameras.json in {args.people} (PEOPLE=folder)")
    cameras = json.loads((folder / "cameras.json").read_text())
    pictures = [folder / camera["file"] for camera in cameras]
    data = tracked(run, "scan-tracked", pictures, "--focal-px", cameras[0]["intrinsics"][0][0])
    avatar = args.out / "scan-avatar"
    # Frames are numbered in the order of the photos: -30°, front, 30°.
    shown = ",".join(str(frame) for frame in tracked_ids(run, data, [1, 4, 7]))
    t.add("scan: seconds per fit", run.fit(data, avatar, "--frames", shown), "s", at_most=300)
    rows = held_out(run, data, avatar, [])
    t.add("scan, 3 in, 6 out: PSNR over valid pixels", mean([r["psnr"] for r in rows]), "dB", at_least=32)
    t.add("scan: sharpness", mean([r["sharpness"] for r in rows]), "", at_least=0.85)
    ply = avatar / "neutral.ply"
    run.tool("invert", "export", "--avatar", avatar, "--out", ply)
    t.add("scan: mean distance of the face from the scan's surface", face_distance_mm(ply, folder / "scan.obj"), "mm", at_most=1.5)


def tracked_ids(run, data, rows):
    shard = sorted((data / "frames").glob("*.parquet"))[0]
    return [json.loads(run.tool("shards", "show", shard, "--row", row))["frame_id"] for row in rows]


PARTS = {"rendered": rendered, "photos": photos, "scan": scan}


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--bin", type=Path, required=True, help="folder of the tools")
    parse.add_argument("--head", type=Path, required=True, help="head model")
    parse.add_argument("--rendered", type=Path, required=True, help="data set of configs/likeness.toml")
    parse.add_argument("--prior", type=Path, default=Path("weights/prior.safetensors"))
    parse.add_argument("--track", type=Path, default=Path("weights/track.safetensors"))
    parse.add_argument("--people", type=Path, help="folder with person-NAME-N.jpg and scan/")
    parse.add_argument("--demo", type=Path, help="one photo more")
    parse.add_argument("--out", type=Path, required=True, help="avatars and pictures")
    parse.add_argument("--json", type=Path, required=True, help="report")
    parse.add_argument("--parts", default=",".join(PARTS))
    parse.add_argument("--threads", type=int, default=0)
    parse.add_argument("--fit", default="", help="words added to `invert fit`")
    parse.add_argument("--keep", action="store_true", help="do not fit avatars again that are there")
    parse.add_argument("--full", action="store_true", help="also the fit without prior")
    args = parse.parse_args()
    args.fit = args.fit.split()
    run, clock = Run(args), time.monotonic()
    for part in args.parts.split(","):
        print(f"likeness: {part}", flush=True)
        try:
            PARTS[part](run)
        except RuntimeError as why:
            run.table.add(f"{part}: FAILED: {why}", None, "", at_most=0)
    run.table.add("minutes in all", (time.monotonic() - clock) / 60, "min")
    run.table.write(args.json, os.environ.get("EFFIGY_COMMIT", ""))
    sys.exit(0 if all(row["ok"] for row in run.table.rows) else 1)


main()
