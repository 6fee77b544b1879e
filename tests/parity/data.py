"""Every kind of file of ours, opened by the stock readers alone: DuckDB, Polars, pandas and pyarrow, `datasets`; exports by
pycocotools and webdataset. usage: data.py SHARDS DATASET SET SCRATCH      Ends with 1 when a check fails.

DATASET is a merged dataset, SET a set in versions of formats/examples/version_set.rs; SHARDS, the tool, is used to make the exports and to tell what is expected."""
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas
import polars
import pyarrow.parquet
from PIL import Image

tool, (data, versions, scratch) = str(Path(sys.argv[1]).resolve()), (Path(arg).resolve() for arg in sys.argv[2:5])
failed = []


def check(what, holds):
    print(("ok: " if holds else "FAILED: ") + what)
    if not holds:
        failed.append(what)


def shards(*args):
    done = subprocess.run([tool, *map(str, args)], capture_output=True, text=True, check=True)
    return done.stdout


def decoded(image):
    picture = Image.open(io.BytesIO(image["bytes"]))
    picture.load()
    return picture


frames, people = str(data / "frames/*.parquet"), str(data / "identities/*.parquet")
manifest = pandas.read_parquet(data / "manifest.parquet")
counted = manifest[manifest["file"].str.startswith("frames/")]["rows"].sum()
expected = json.loads(shards("show", data, "--row", 0))
size = (expected["width"], expected["height"])
maps = [name for name in ("alpha", "segmentation", "depth", "normal", "uv") if expected.get(name)]
shapes = {"camera_from_world": (4, 4), "intrinsics": (3, 3), "pose": (5, 3), "landmarks_2d": (-1, 2), "landmarks_3d": (-1, 3)}


def check_row(reader, row):
    """`row` is frame 0 as plain Python values."""
    picture = decoded(row["image"])
    check(f"{reader}: the image decodes at its size", picture.size == size and picture.mode == "RGB")
    for name in maps:
        check(f"{reader}: {name} decodes", decoded(row[name]).size == size)
    for name, shape in shapes.items():
        values = np.array([list(map(float, line)) for line in row[name]])
        same = np.allclose(values, np.array(expected[name], dtype=float), atol=1e-5)
        check(f"{reader}: {name} has its shape and values", same and values.shape[-1] == shape[-1])


# DuckDB
count = duckdb.sql(f"SELECT count(*), count(DISTINCT frame_id) FROM '{frames}'").fetchall()[0]
check("duckdb: the rows of the manifest, each id once", count == (counted, counted))
result = duckdb.sql(f"SELECT * FROM '{frames}' WHERE frame_id = {expected['frame_id']}")
check_row("duckdb", dict(zip(result.columns, result.fetchall()[0])))
joined = duckdb.sql(f"SELECT count(*) FROM '{frames}' f JOIN '{people}' p USING (identity_id)").fetchall()[0][0]
check("duckdb: every frame has its person", joined == counted)
second = duckdb.sql(f"SELECT landmarks_2d[1][2] FROM '{frames}' WHERE frame_id = {expected['frame_id']}").fetchall()[0][0]
check("duckdb: one entry of an array", abs(second - expected["landmarks_2d"][0][1]) < 1e-4)

# Polars
table = polars.scan_parquet(frames)
check("polars: the rows", table.select(polars.len()).collect().item() == counted)
check("polars: arrays keep their shape", table.collect_schema()["camera_from_world"] == polars.Array(polars.Float32, (4, 4)))
check_row("polars", table.filter(polars.col("frame_id") == expected["frame_id"]).collect().to_dicts()[0])

# pyarrow and pandas
total = sum(pyarrow.parquet.read_metadata(path).num_rows for path in sorted(data.glob("frames/*.parquet")))
check("pyarrow: the rows", total == counted)
first = pandas.read_parquet(sorted(data.glob("frames/*.parquet"))[0])
check_row("pandas", first[first["frame_id"] == expected["frame_id"]].iloc[0].to_dict())
field = pyarrow.parquet.read_schema(sorted(data.glob("frames/*.parquet"))[0]).field("landmarks_2d")
check("pyarrow: units in the field's metadata", field.metadata[b"unit"] == b"px")
persons = pandas.read_parquet(data / "identities")
check("pandas: people", len(persons) == manifest[manifest["file"].str.startswith("identities/")]["rows"].sum())
if "position" in persons:
    shape = json.loads(pyarrow.parquet.read_schema(next(data.glob("identities/*.parquet"))).field("position").metadata[b"shape"])
    check("pandas: the position map by its shape", np.frombuffer(persons["position"][0], "<f4").reshape(shape).shape[2] == 3)

# datasets: by the card alone
from datasets import Image as ImageFeature, load_dataset  # noqa: E402

loaded = load_dataset(str(data), cache_dir=str(scratch / "cache"))
check("datasets: the splits and rows of the manifest", sum(len(split) for split in loaded.values()) == counted)
split = next(iter(loaded.values()))
for name in ["image", *maps]:
    check(f"datasets: {name} is an image", isinstance(split.features[name], ImageFeature) and split[0][name].size == size)
named = load_dataset(str(data), "identities", cache_dir=str(scratch / "cache"))["train"]
check("datasets: the table identities", len(named) == len(persons))
streamed = next(iter(load_dataset(str(data), split="train", streaming=True)))
check("datasets: streaming", streamed["image"].size == size)

# A set in versions, by the very lines that the tool prints for other readers
os.chdir(versions)
# (clip, frame) → grey, which tells the version that made the picture.
contents = {
    1: {(clip, frame): 10 + clip for clip in range(3) for frame in range(4)},
    2: {(clip, frame): 21 if clip == 1 else 10 + clip for clip in range(3) for frame in range(2 if clip == 1 else 4)},
    3: {(clip, frame): 21 if clip == 1 else 12 for clip in (1, 2) for frame in range(2 if clip == 1 else 4)},
}


def greys(rows):
    return {(row["clip_id"], row["frame_in_clip"]): decoded(row["image"]).getpixel((0, 0))[0] for row in rows}


for version, expected_greys in contents.items():
    lines = [line.strip() for line in shards("show", versions, "--version", version).splitlines()]
    duck, pl = lines.index("DuckDB, in the folder of the set:"), lines.index("Polars:")
    connection = duckdb.connect()
    for line in lines[duck + 1 : pl - 1]:
        connection.execute(line)
    found = connection.sql(lines[pl - 1].rstrip(";"))
    rows = [dict(zip(found.columns, row)) for row in found.fetchall()]
    check(f"duckdb: version {version} by the printed lines", len(rows) == len(expected_greys) and greys(rows) == expected_greys)
    names = {"pl": polars}
    exec(lines[pl + 1], names)
    rows = eval(lines[pl + 2], names).collect().to_dicts()
    check(f"polars: version {version} by the printed lines", len(rows) == len(expected_greys) and greys(rows) == expected_greys)

# Written again by each: our tools know the tables by their columns, and read what they held
copies = {
    "duckdb": lambda path, out: duckdb.sql(f"SELECT * FROM '{path}'").write_parquet(str(out)),
    "polars": lambda path, out: polars.read_parquet(path).write_parquet(out),
    "pyarrow": lambda path, out: pyarrow.parquet.write_table(pyarrow.parquet.read_table(path).replace_schema_metadata(None), out),
}
for name, copy in copies.items():
    for folder in ("frames", "identities"):
        (scratch / name / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((data / folder).glob("*.parquet")):
            copy(path, scratch / name / folder / path.name)
    check(f"{name}: a table written again shows the same row", json.loads(shards("show", scratch / name, "--row", 0)) == expected)
    found = subprocess.run([tool, "verify", str(scratch / name)], capture_output=True, text=True)
    check(f"{name}: verify says what is lost", found.returncode == 1 and "its metadata is lost" in found.stdout + found.stderr)

# Exports
shards("export", data, "--to", "coco", "--out", scratch / "coco")
from pycocotools.coco import COCO  # noqa: E402

seen = 0
for file in sorted((scratch / "coco/annotations").glob("*.json")):
    coco = COCO(str(file))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        mask = coco.annToMask(annotation)
        x, y, w, h = (round(v) for v in annotation["bbox"])
        rows, columns = np.nonzero(mask)
        box = (columns.min(), rows.min(), columns.max() + 1 - columns.min(), rows.max() + 1 - rows.min())
        if mask.sum() != annotation["area"] or box != (x, y, w, h):
            check(f"pycocotools: annotation {annotation['id']} of {file.name}", False)
    seen += len(coco.getImgIds())
    image = coco.loadImgs(coco.getImgIds()[0])[0]
    picture = Image.open(scratch / "coco/images" / image["file_name"])
    check(f"pycocotools: {file.name}: masks, boxes, areas agree; images are there", picture.size == (image["width"], image["height"]))
check("pycocotools: all images", seen == counted)

shards("export", data, "--to", "webdataset", "--out", scratch / "wds")
import webdataset  # noqa: E402

seen = 0
for tar in sorted((scratch / "wds").glob("*.tar")):
    for sample in webdataset.WebDataset(str(tar), shardshuffle=False).decode("pil"):
        seen += 1
        if seen == 1:
            check("webdataset: image and labels", sample["png"].size == size and "camera_from_world" in sample["json"])
check("webdataset: all frames", seen == counted)

shards("export", data, "--to", "nerfstudio", "--out", scratch / "nerf")
worst = 0.0
labels = {row["frame_id"]: row for row in polars.scan_parquet(frames).select("frame_id", "landmarks_2d", "landmarks_3d").collect().to_dicts()}
for file in (scratch / "nerf").glob("*/transforms.json"):
    for frame in json.loads(file.read_text())["frames"]:
        row = labels[int(Path(frame["file_path"]).stem)]
        # OpenGL: the camera looks along -z, y up.
        opengl = np.linalg.inv(np.array(frame["transform_matrix"])) @ np.c_[np.array(row["landmarks_3d"]), np.ones(len(row["landmarks_3d"]))].T
        u = frame["fl_x"] * opengl[0] / -opengl[2] + frame["cx"]
        v = frame["fl_y"] * -opengl[1] / -opengl[2] + frame["cy"]
        worst = max(worst, np.abs(np.c_[u, v] - np.array(row["landmarks_2d"])).max())
check(f"nerfstudio: landmarks project to within 0.01 px (worst {worst:.5f})", 0 < worst < 0.01)

print(f"{len(failed)} failed" if failed else "all readers agree")
sys.exit(bool(failed))
