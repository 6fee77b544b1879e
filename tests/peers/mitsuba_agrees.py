#!/usr/bin/env python3
"""Does an independent renderer see the same light? Mitsuba 3 on our head, bare and with hair.

  mitsuba_agrees.py FOLDER [--spp 256]     FOLDER: made by the example `peer_scene` (diffuse skin)

Both converge to what the materials say: a diffuse mesh, then with hair of Chiang's model, under one environment, must
agree to 2 % (our strands are ribbons that face the ray, Mitsuba's are round).
"""
import sys

import mitsuba as mi
import numpy as np
from peer_scene import Scene, difference

BAR = 2.0


def load(scene, hair):
    """The scene as Mitsuba has it."""
    f = scene.facts
    mesh = mi.Mesh("head", len(scene.positions), len(scene.triangles), has_vertex_normals=True)
    params = mi.traverse(mesh)
    params["vertex_positions"] = scene.positions.ravel()
    params["vertex_normals"] = scene.normals.ravel()
    params["faces"] = scene.triangles.ravel()
    params.update()
    path = str(scene.folder / "mesh.ply")
    mesh.write_ply(path)
    # ours has +z in the middle and +x right of it, Mitsuba's runs the other way round
    light = mi.Bitmap(np.ascontiguousarray(scene.light[:, ::-1]))
    fov = 2 * np.degrees(np.arctan(0.5 * f["size"] / f["focal_px"]))
    things = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": f["bounces"] + 1, "rr_depth": 100, "hide_emitters": True},
        "sensor": {
            "type": "perspective", "fov": fov, "fov_axis": "x",
            "to_world": mi.ScalarTransform4f().look_at(origin=f["eye"], target=f["target"], up=[0, 1, 0]),
            "film": {"type": "hdrfilm", "width": f["size"], "height": f["size"], "rfilter": {"type": "box"},
                     "pixel_format": "rgba", "component_format": "float32"},
            "sampler": {"type": "independent"},
        },
        "light": {"type": "envmap", "bitmap": light},
        "head": {"type": "ply", "filename": path,
                 "bsdf": {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": f["albedo"]}}}},
    }
    if hair:
        things["hair"] = {"type": "bsplinecurve", "filename": str(scene.folder / "strands.txt"),
                          "bsdf": {"type": "hair", "eumelanin": f["melanin"][0], "pheomelanin": f["melanin"][1],
                                   "longitudinal_roughness": 0.3, "azimuthal_roughness": 0.3}}
    return mi.load_dict(things)


def main():
    scene = Scene(sys.argv[1])
    spp = int(sys.argv[sys.argv.index("--spp") + 1]) if "--spp" in sys.argv else 256
    mi.set_variant("scalar_rgb")
    ok = True
    for name in ["bare", "hair"]:
        theirs = np.array(mi.render(load(scene, name == "hair"), spp=spp, seed=1))
        np.save(scene.folder / f"mitsuba-{name}.npy", theirs)
        mean, blocks = difference(scene.ours(f"{name}-long"), theirs)
        good = abs(mean) <= BAR and blocks <= 2 * BAR
        ok &= good
        print(f"{name}: ours over Mitsuba's {mean:+.2f} % on average, bar {BAR} %; {blocks:.2f} % RMS of 8 x 8 blocks, bar {2 * BAR} %{'' if good else '  MISSED'}")
    sys.exit(0 if ok else 1)


main()
