#!/usr/bin/env python3
"""How much longer does Cycles need for a picture of the same noise? The same mesh, strands, light and kinds of material.

  cycles_noise.py FOLDER [--spp 16] [--long 512]     FOLDER: made by `peer_scene --skin walk`

Noise is each renderer's error against its own long picture, so no renderer is asked to look like the other. Cost is
processor time of the samples alone: of many less that of one, so that neither pays for its set-up. Blender is GPL
software, run as a peer: nothing of it is linked or shipped.
"""
import json, os, sys, time

import bpy
import numpy as np
from peer_scene import Scene, noise

BAR = 4.0


def option(name, otherwise):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else otherwise


def to_blender(p):
    """Ours is y up and looks along z, Blender's is z up and looks along -y."""
    p = np.asarray(p, np.float32)
    return np.ascontiguousarray(np.stack([p[..., 0], -p[..., 2], p[..., 1]], -1))


def node_material(name, build):
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes = material.node_tree
    nodes.nodes.clear()
    out = nodes.nodes.new("ShaderNodeOutputMaterial")
    nodes.links.new(build(nodes).outputs[0], out.inputs["Surface"])
    return material


def skin(albedo):
    def build(nodes):
        b = nodes.nodes.new("ShaderNodeBsdfPrincipled")
        b.inputs["Base Color"].default_value = (*albedo, 1)
        b.inputs["Roughness"].default_value = 0.55
        b.inputs["IOR"].default_value = 1.4
        b.subsurface_method = "RANDOM_WALK"
        b.inputs["Subsurface Weight"].default_value = 1.0
        b.inputs["Subsurface Radius"].default_value = (3.0, 1.3, 0.7)
        b.inputs["Subsurface Scale"].default_value = 0.001
        return b
    return build


def fibre(nodes):
    h = nodes.nodes.new("ShaderNodeBsdfHairPrincipled")
    h.model, h.parametrization = "CHIANG", "MELANIN"
    h.inputs["Melanin"].default_value = 0.6
    return h


def build(scene, with_hair):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    import addon_utils
    addon_utils.enable("cycles")
    sc, f = bpy.context.scene, scene.facts
    sc.render.engine = "CYCLES"
    c = sc.cycles
    c.device, c.use_adaptive_sampling, c.use_denoising = "CPU", False, False
    c.max_bounces = c.diffuse_bounces = c.glossy_bounces = c.transmission_bounces = f["bounces"]
    c.pixel_filter_type, c.filter_width = "BOX", 1.0
    sc.render.resolution_x = sc.render.resolution_y = f["size"]
    sc.render.threads_mode, sc.render.threads = "FIXED", 1
    sc.render.film_transparent = True
    sc.render.image_settings.file_format, sc.render.image_settings.color_depth = "OPEN_EXR", "32"
    sc.cycles_curves.shape = "RIBBONS"

    mesh = bpy.data.meshes.new("head")
    mesh.from_pydata(to_blender(scene.positions).tolist(), [], scene.triangles.tolist())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    mesh.materials.append(node_material("skin", skin(f["albedo"])))
    sc.collection.objects.link(bpy.data.objects.new("head", mesh))
    if with_hair:
        strands = [np.array([l.split() for l in s.splitlines()], np.float32) for s in (scene.folder / "strands.txt").read_text().strip().split("\n\n")]
        # through where our splines pass between their segments
        knots = [(s[:-2] + 4 * s[1:-1] + s[2:]) / 6 for s in strands]
        curves = bpy.data.hair_curves.new("hair")
        curves.add_curves([len(k) for k in knots])
        points = np.concatenate(knots)
        curves.position_data.foreach_set("vector", to_blender(points[:, :3]).ravel())
        radius = curves.attributes.get("radius") or curves.attributes.new("radius", "FLOAT", "POINT")
        radius.data.foreach_set("value", np.ascontiguousarray(points[:, 3]))
        curves.materials.append(node_material("hair", fibre))
        sc.collection.objects.link(bpy.data.objects.new("hair", curves))

    # our columns run the other way round, a quarter further
    light = np.roll(scene.light[:, ::-1], 64, axis=1)[::-1]
    image = bpy.data.images.new("light", 256, 128, float_buffer=True)
    image.pixels.foreach_set(np.concatenate([light, np.ones((128, 256, 1), np.float32)], -1).ravel().astype(np.float32))
    world = bpy.data.worlds.new("light")
    sc.world, world.use_nodes = world, True
    node = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
    node.image = image
    world.node_tree.links.new(node.outputs[0], world.node_tree.nodes["Background"].inputs[0])

    camera = bpy.data.cameras.new("camera")
    view = bpy.data.objects.new("camera", camera)
    sc.collection.objects.link(view)
    camera.sensor_fit, camera.angle = "HORIZONTAL", 2 * np.arctan(0.5 * f["size"] / f["focal_px"])
    from mathutils import Vector
    eye, target = Vector(to_blender(f["eye"])), Vector(to_blender(f["target"]))
    view.location, view.rotation_euler = eye, (target - eye).to_track_quat("-Z", "Y").to_euler()
    sc.camera = view
    return sc


def render(sc, spp, path):
    """(picture [H, W, 4], processor seconds)"""
    sc.cycles.samples, sc.render.filepath = spp, os.path.abspath(path)
    start = time.process_time()
    bpy.ops.render.render(write_still=True)
    secs = time.process_time() - start
    image = bpy.data.images.load(sc.render.filepath)
    size = sc.render.resolution_x
    picture = np.empty(size * size * 4, np.float32)
    image.pixels.foreach_get(picture)
    bpy.data.images.remove(image)
    return picture.reshape(size, size, 4)[::-1], secs


def main():
    scene = Scene(sys.argv[1])
    spp, many = option("--spp", 16), option("--long", 512)
    times = json.loads((scene.folder / "times.json").read_text())
    ok = True
    for name in ["bare", "hair"]:
        sc = build(scene, name == "hair")
        _, once = render(sc, 1, scene.folder / "cycles-one.exr")
        short, _ = render(sc, spp, scene.folder / f"cycles-{name}-short.exr")
        long, secs = render(sc, many, scene.folder / f"cycles-{name}-long.exr")
        theirs = (secs - once) / (many - 1) * spp * noise(short, long, long[..., 3] > 0.99) ** 2
        a, b, t = scene.ours(f"{name}-short"), scene.ours(f"{name}-long"), times[f"{name}-long"]
        ours = t["core_secs"] / t["spp"] * times[f"{name}-short"]["spp"] * noise(a, b, b[..., 3] > 0.99) ** 2
        good = theirs / ours >= BAR
        ok &= good
        print(f"{name}: ours {1e3 * noise(a, b, b[..., 3] > 0.99):.1f}/1000 at {times[f'{name}-short']['spp']} spp, {1e3 * t['core_secs'] / t['spp']:.1f} core-ms a sample a pixel; "
              f"Cycles {1e3 * noise(short, long, long[..., 3] > 0.99):.1f}/1000 at {spp} spp, {1e3 * (secs - once) / (many - 1):.1f} core-ms; "
              f"at equal noise Cycles takes {theirs / ours:.1f} times as long, bar {BAR}{'' if good else '  MISSED'}", flush=True)
    os._exit(0 if ok else 1)


main()
