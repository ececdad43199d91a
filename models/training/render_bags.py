"""Renders garbage bags and things that are none, as cut-outs with their shadow, with Blender's Python module.

    python render_bags.py OUT [--bags 400] [--others 160] [--size 256] [--samples 24] [--threads 2] [--seed 1]

Needs `bpy` (requirements-render.txt), nothing else. Writes OUT/NNNN-KIND.png, with transparency and with the shadow on the
ground, and OUT/NNNN-KIND.json: the thing's box (left, top, right, bottom in pixels, without the shadow), whether it is garbage,
and the camera's angle above the ground. All shapes and materials are made here from random numbers: the pictures are whoever's
runs it, free of other people's rights. A picture depends on the seed and its number only, and those that exist are not made
again: the run can be stopped and started.
"""

import argparse
import colorsys
import json
import math
import pathlib
import random

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector, noise

import film

# What a street shows beside bags, of about their size: the head must not learn "a thing that stands on the ground".
OTHERS = ["stone", "carton", "bin", "planter", "suitcase", "bollard", "cone", "manhole", "ball", "car", "car", "person", "person", "seat"]
BAGS = ["black", "black", "grey", "clear", "clear", "clear", "white", "white", "coloured"]
# Panoramas that come with Blender (CC0): what a glossy surface mirrors on a real street.
PANORAMAS = ["city", "courtyard", "forest", "interior", "sunrise", "sunset", "night"]


def material(rng, colour, roughness, coat=0.0, crumple=0.0, scale=6.0):
    """A plastic or matt surface; `crumple` is the height of the folds."""
    made = bpy.data.materials.new("surface")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    surface = nodes["Principled BSDF"]
    surface.inputs["Roughness"].default_value = roughness
    surface.inputs["Coat Weight"].default_value = coat
    surface.inputs["Coat Roughness"].default_value = rng.uniform(0.05, 0.3)
    surface.inputs["Base Color"].default_value = (*colour, 1)
    place = nodes.new("ShaderNodeTexCoord")
    bend = nodes.new("ShaderNodeTexNoise")
    bend.inputs["Scale"].default_value = scale / 2
    mix = nodes.new("ShaderNodeVectorMath")
    mix.operation = "MULTIPLY_ADD"
    mix.inputs[1].default_value = (0.35,) * 3
    links.new(place.outputs["Object"], bend.inputs["Vector"])
    links.new(bend.outputs["Color"], mix.inputs[0])
    links.new(place.outputs["Object"], mix.inputs[2])
    if crumple:
        folds = nodes.new("ShaderNodeTexNoise")  # sharp ridges between smooth faces, as in crumpled film
        folds.noise_type = "RIDGED_MULTIFRACTAL"
        folds.inputs["Scale"].default_value = scale / 2
        fine = nodes.new("ShaderNodeTexVoronoi")
        fine.inputs["Scale"].default_value = scale * 3.1
        both = nodes.new("ShaderNodeMath")
        both.operation = "MULTIPLY_ADD"
        both.inputs[1].default_value = 0.2
        bump = nodes.new("ShaderNodeBump")
        bump.inputs["Strength"].default_value = min(1.0, crumple)
        bump.inputs["Distance"].default_value = 0.1
        links.new(mix.outputs[0], folds.inputs["Vector"])
        links.new(mix.outputs[0], fine.inputs["Vector"])
        links.new(fine.outputs["Distance"], both.inputs[0])
        links.new(folds.outputs[0], both.inputs[2])
        links.new(both.outputs[0], bump.inputs["Height"])
        links.new(bump.outputs["Normal"], surface.inputs["Normal"])
    return made


def sphere(levels=5):
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=levels, radius=1.0)
    made = bpy.context.object
    bpy.ops.object.shade_smooth()
    return made


def skin(rng, kind):
    """Film that is seen through more or less: clear where it is faced, milky in folds and at the rim; crumpled and glossy."""
    made = bpy.data.materials.new("film")
    made.use_nodes = True
    nodes, links = made.node_tree.nodes, made.node_tree.links
    surface = nodes["Principled BSDF"]
    any_colour = rng.choice([
        (0.02, 0.10, 0.5), (0.02, 0.3, 0.08), (0.6, 0.03, 0.03), (0.8, 0.6, 0.03), (0.15, 0.4, 0.7), (0.85, 0.25, 0.02), (0.8, 0.25, 0.4),
        (0.1, 0.5, 0.3), (0.35, 0.15, 0.04),
    ])
    dim = rng.uniform(0.004, 0.04)
    colour, clear = {
        "black": ((dim, dim, dim * rng.uniform(0.9, 1.3)), rng.choice([0.0, 0.0, 0.08, 0.2])),
        "grey": ((dim * 3,) * 3, rng.uniform(0.25, 0.65)),
        "clear": ((rng.uniform(0.75, 0.95),) * 3, rng.uniform(0.6, 0.93)),
        "white": ((rng.uniform(0.7, 0.95),) * 3, rng.uniform(0.05, 0.55)),
        "coloured": (tuple(min(1.0, c * rng.uniform(0.6, 1.4)) for c in any_colour), rng.uniform(0.0, 0.6)),
    }[kind]
    surface.inputs["Base Color"].default_value = (*colour, 1)
    surface.inputs["Roughness"].default_value = rng.uniform(0.12, 0.4)
    surface.inputs["Specular IOR Level"].default_value = rng.uniform(0.4, 0.9)
    surface.inputs["Coat Weight"].default_value = rng.uniform(0.0, 0.8) if kind in ("black", "grey") else rng.uniform(0, 0.4)
    surface.inputs["Coat Roughness"].default_value = rng.uniform(0.05, 0.25)
    place, rim, fog = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeLayerWeight"), nodes.new("ShaderNodeTexNoise")
    rim.inputs["Blend"].default_value = rng.uniform(0.2, 0.5)
    fog.inputs["Scale"].default_value = rng.uniform(1.0, 3.0)
    links.new(place.outputs["Object"], fog.inputs["Vector"])
    spread, milk = nodes.new("ShaderNodeMath"), nodes.new("ShaderNodeMath")
    spread.operation = milk.operation = "MULTIPLY_ADD"
    spread.inputs[1].default_value = rng.uniform(0.3, 0.8)
    spread.inputs[2].default_value = 1 - clear - 0.25
    milk.inputs[1].default_value = rng.uniform(0.2, 0.6)
    milk.use_clamp = True
    links.new(fog.outputs["Fac"], spread.inputs[0])
    links.new(rim.outputs["Facing"], milk.inputs[0])
    links.new(spread.outputs[0], milk.inputs[2])
    if clear:
        links.new(milk.outputs[0], surface.inputs["Alpha"])
    folds, fine, both, bump = (nodes.new(n) for n in ("ShaderNodeTexNoise", "ShaderNodeTexVoronoi", "ShaderNodeMath", "ShaderNodeBump"))
    folds.noise_type = "RIDGED_MULTIFRACTAL"
    folds.inputs["Scale"].default_value = rng.uniform(1.0, 3.5)
    folds.inputs["Distortion"].default_value = rng.uniform(0.2, 1.5)
    fine.inputs["Scale"].default_value = rng.uniform(4, 12)
    both.operation = "MULTIPLY_ADD"
    both.inputs[1].default_value = rng.uniform(0.1, 0.5)
    bump.inputs["Strength"].default_value = rng.uniform(0.15, 0.6)
    bump.inputs["Distance"].default_value = 0.08
    links.new(place.outputs["Object"], folds.inputs["Vector"])
    links.new(place.outputs["Object"], fine.inputs["Vector"])
    links.new(fine.outputs["Distance"], both.inputs[0])
    links.new(folds.outputs[0], both.inputs[2])
    links.new(both.outputs[0], bump.inputs["Height"])
    links.new(bump.outputs["Normal"], surface.inputs["Normal"])
    return made


def inside(rng):
    """What is thrown away: paper, cartons, wrappers with print, dark and bright things."""
    pick = rng.random()
    if pick < 0.35:
        v = rng.uniform(0.55, 0.9)
        colour = (v, v * rng.uniform(0.93, 1), v * rng.uniform(0.85, 1))
    elif pick < 0.5:
        colour = (rng.uniform(0.3, 0.5), rng.uniform(0.2, 0.3), rng.uniform(0.08, 0.15))
    elif pick < 0.65:
        colour = (rng.uniform(0.01, 0.1),) * 3
    else:
        colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.4, 0.95), rng.uniform(0.15, 0.9))
    made = material(rng, colour, rng.uniform(0.3, 0.9), 0, rng.uniform(0, 0.3), rng.uniform(3, 9))
    if rng.random() < 0.5:
        nodes, links = made.node_tree.nodes, made.node_tree.links
        print_of, place = nodes.new("ShaderNodeTexBrick"), nodes.new("ShaderNodeTexCoord")
        print_of.inputs["Color1"].default_value = (*colour, 1)
        print_of.inputs["Color2"].default_value = (*colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.9), rng.uniform(0.05, 0.95)), 1)
        print_of.inputs["Mortar"].default_value = (*(rng.uniform(0, 1),) * 3, 1)
        print_of.inputs["Mortar Size"].default_value = rng.uniform(0, 0.05)
        print_of.inputs["Scale"].default_value = rng.uniform(1, 6)
        links.new(place.outputs["Generated"], print_of.inputs["Vector"])
        links.new(print_of.outputs["Color"], nodes["Principled BSDF"].inputs["Base Color"])
    return made


def bag(rng, kind):
    """The film as one part, and what is in it as others."""
    chance = np.random.default_rng(rng.getrandbits(32))
    points, neck, things = film.bag(chance)
    things += film.stuffing(chance, points[:neck], rng.randint(6, 34))
    rows, columns = points.shape[:2]
    faces = [
        (r * columns + c, r * columns + (c + 1) % columns, (r + 1) * columns + (c + 1) % columns, (r + 1) * columns + c)
        for r in range(rows - 1) for c in range(columns)
    ]
    mesh = bpy.data.meshes.new("film")
    mesh.from_pydata(points.reshape(-1, 3).tolist(), [], faces)
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    thing = bpy.data.objects.new("film", mesh)
    bpy.context.scene.collection.objects.link(thing)
    thing.modifiers.new("fine", "SUBSURF").render_levels = 1
    mesh.materials.append(skin(rng, kind))
    parts = [thing]
    for inner in things if kind != "black" else []:
        bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=3, radius=1.0)
        part = bpy.context.object
        corners = np.array([v.co for v in part.data.vertices])
        corners = corners if inner.round else corners / np.abs(corners).max(1, keepdims=True)
        corners = film.held(corners * inner.half @ inner.axes + inner.middle, points[:neck])
        corners[:, 2] = np.maximum(corners[:, 2], 0.01)
        part.data.vertices.foreach_set("co", corners.ravel().tolist())
        if inner.round:
            bpy.ops.object.shade_smooth()
        part.data.materials.append(inside(rng))
        parts.append(part)
    return parts


def boxed(rng, size, bevel):
    bpy.ops.mesh.primitive_cube_add(size=1.0)
    thing = bpy.context.object
    thing.scale = size
    bpy.ops.object.transform_apply(scale=True)
    modifier = thing.modifiers.new("bevel", "BEVEL")
    modifier.width, modifier.segments = bevel, 3
    thing.location.z = size[2] / 2
    return [thing]


def cylinder(radius, depth, z, lower=None):
    bpy.ops.mesh.primitive_cone_add(radius1=lower or radius, radius2=radius, depth=depth, vertices=48)
    thing = bpy.context.object
    thing.location.z = z
    bpy.ops.object.shade_smooth()
    return thing


def other(rng, kind):
    """The parts of a thing that is no garbage, in their materials."""
    grey = (rng.uniform(0.05, 0.6),) * 3
    colour = tuple(rng.uniform(0.02, 0.7) for _ in range(3))
    dark = (rng.uniform(0.005, 0.05),) * 3
    if kind in ("stone", "planter"):
        rough = material(rng, tuple(c * rng.uniform(0.8, 1.1) for c in grey), 0.95, 0, rng.uniform(0.2, 0.6), rng.uniform(6, 15))
    if kind == "stone":
        thing = sphere(5)
        seed = Vector((rng.uniform(-99, 99),) * 3)
        for v in thing.data.vertices:
            v.co *= 1 + 0.35 * noise.noise(v.co * 1.2 + seed) + 0.08 * noise.noise(v.co * 5 + seed)
            v.co.z = max(v.co.z * 0.7, -0.3) + 0.3
        parts, surfaces = [thing], [rough]
    elif kind == "planter":
        leaf = material(rng, (rng.uniform(0.01, 0.1), rng.uniform(0.08, 0.3), 0.02), 0.7)
        parts, surfaces = [cylinder(0.8, 0.9, 0.45, 0.55)], [rough]
        for _ in range(rng.randint(6, 14)):
            bush = sphere(3)
            bush.scale = (rng.uniform(0.15, 0.5),) * 3
            bush.location = (rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 0.7), rng.uniform(0.9, 1.5))
            for v in bush.data.vertices:
                v.co *= 1 + 0.7 * noise.noise(v.co * 4 + bush.location)
            parts.append(bush)
            surfaces.append(leaf)
    elif kind == "carton":
        parts = boxed(rng, (rng.uniform(0.8, 1.8), rng.uniform(0.6, 1.4), rng.uniform(0.4, 1.4)), 0.02)
        surfaces = [material(rng, (rng.uniform(0.3, 0.5), rng.uniform(0.18, 0.28), rng.uniform(0.08, 0.14)), 0.9, 0, 0.1, 4)]
    elif kind == "suitcase":
        parts = boxed(rng, (rng.uniform(0.9, 1.4), rng.uniform(0.4, 0.6), rng.uniform(1.2, 1.8)), 0.15)
        surfaces = [material(rng, rng.choice([colour, dark]), rng.uniform(0.3, 0.8), rng.uniform(0, 0.5))]
    elif kind == "bin":
        body, lid = cylinder(0.7, 1.9, 0.95, 0.6), cylinder(0.75, 0.15, 1.95)
        parts, surfaces = [body, lid], [material(rng, rng.choice([colour, dark, grey]), 0.5, 0.3), material(rng, dark, 0.5)]
    elif kind == "bollard":
        parts = [cylinder(0.2, 1.7, 0.85), cylinder(0.24, 0.1, 1.6)]
        surfaces = [material(rng, rng.choice([grey, dark, colour]), 0.4)] * 2
    elif kind == "cone":
        parts = [cylinder(0.07, 1.5, 0.8, 0.5), *boxed(rng, (1.2, 1.2, 0.08), 0.02)]
        surfaces = [material(rng, (0.8, rng.uniform(0.05, 0.2), 0.01), 0.5), material(rng, dark, 0.7)]
    elif kind == "car":
        paint = material(rng, rng.choice([colour, dark, grey]), rng.uniform(0.1, 0.4), rng.uniform(0.4, 1.0))
        parts, surfaces = car(rng, paint, material(rng, (0.01, 0.012, 0.015), 0.05, 0.5), material(rng, dark, 0.8))
    elif kind == "person":
        shade = lambda: tuple(rng.uniform(0.01, 0.6) for _ in range(3)) if rng.random() < 0.5 else (rng.uniform(0.01, 0.6),) * 3
        parts, surfaces = person(rng, lambda: material(rng, shade(), 0.9, 0, rng.uniform(0, 0.4), rng.uniform(3, 9)))
    elif kind == "seat":
        frame = material(rng, rng.choice([colour, dark, grey]), rng.uniform(0.2, 0.8))
        parts = boxed(rng, (rng.uniform(1.0, 2.4), 0.8, 0.1), 0.03) + boxed(rng, (rng.uniform(1.0, 2.4), 0.08, 0.8), 0.03)
        parts[0].location.z, parts[1].location.z, parts[1].location.y = 0.8, 1.3, 0.4
        parts += [cylinder(0.06, 0.8, 0.4) for _ in range(4)]
        for leg, (x, y) in zip(parts[2:], [(-0.45, -0.3), (0.45, -0.3), (-0.45, 0.3), (0.45, 0.3)]):
            leg.location.x, leg.location.y = x, y
        surfaces = [frame] * 6
    elif kind == "manhole":
        parts = [cylinder(1.0, 0.03, 0.015)]
        surfaces = [material(rng, tuple(c * 0.4 for c in grey), 0.6, 0, 0.7, rng.uniform(5, 12))]
    else:
        thing = sphere(4)
        thing.location.z = 1.0
        parts, surfaces = [thing], [material(rng, rng.choice([colour, dark, grey]), rng.uniform(0.2, 0.9), rng.uniform(0, 0.6))]
    for part, surface in zip(parts, surfaces):
        part.data.materials.append(surface)
    return parts


def car(rng, surface, glass, dark):
    """The parts of a car and their materials: a body, a cabin, four wheels."""
    long, wide, high = rng.uniform(3.2, 5.0), rng.uniform(1.5, 2.0), rng.uniform(0.6, 1.0)
    body, cabin = boxed(rng, (long, wide, high), 0.25), boxed(rng, (long * rng.uniform(0.4, 0.7), wide * 0.9, high * 0.9), 0.3)
    body[0].location.z, cabin[0].location.z = 0.3 + high / 2, 0.3 + high * 1.4
    cabin[0].location.x = rng.uniform(-0.12, 0.12) * long
    parts, surfaces = body + cabin, [surface, glass]
    for x in (-0.32, 0.32):
        for y in (-0.5, 0.5):
            wheel = cylinder(0.36, 0.25, 0.36)
            wheel.rotation_euler.x = math.pi / 2
            wheel.location.x, wheel.location.y = x * long, y * wide * 0.9
            parts.append(wheel)
            surfaces.append(dark)
    return parts, surfaces


def person(rng, cloth):
    """The parts of somebody who stands, and what they are clothed in: `cloth` gives a material each."""
    parts, surfaces = [], []
    tilt = rng.uniform(-0.3, 0.3)
    trousers, coat, skin, hair = cloth(), cloth(), cloth(), cloth()
    for side in (-1, 1):
        for radius, length, z, x, lean, surface in [
            (0.11, 0.9, 0.45, 0.11, tilt * side, trousers), (0.07, 0.65, 1.15, 0.3, -tilt * side, coat),
        ]:
            part = cylinder(radius, length, z, radius * 0.8)
            part.location.x, part.rotation_euler = x * side, (lean, 0, 0)
            parts.append(part)
            surfaces.append(surface)
    for scale, z, surface in [((0.27, 0.18, 0.38), 1.18, coat), ((0.12, 0.13, 0.15), 1.66, skin), ((0.13, 0.14, 0.1), 1.74, hair)]:
        part = sphere(3)
        part.scale, part.location.z = scale, z
        parts.append(part)
        surfaces.append(surface)
    return parts, surfaces


def panorama(rng, name):
    """A real place around the thing, turned and as bright as it comes."""
    world = bpy.data.worlds.new("place")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.cycles.sampling_method = "NONE"  # as below
    nodes, links = world.node_tree.nodes, world.node_tree.links
    picture, turn, place = nodes.new("ShaderNodeTexEnvironment"), nodes.new("ShaderNodeMapping"), nodes.new("ShaderNodeTexCoord")
    folder = pathlib.Path(bpy.utils.system_resource("DATAFILES")) / "studiolights" / "world"
    picture.image = bpy.data.images.load(str(folder / f"{name}.exr"))
    turn.inputs["Rotation"].default_value[2] = rng.uniform(0, 6.3)
    links.new(place.outputs["Generated"], turn.inputs["Vector"])
    links.new(turn.outputs["Vector"], picture.inputs["Vector"])
    links.new(picture.outputs["Color"], nodes["Background"].inputs["Color"])
    nodes["Background"].inputs["Strength"].default_value = rng.uniform(0.6, 1.4)


def light(rng):
    """Sun, overcast, shade or a street lamp at night; or a real place."""
    if rng.random() < 0.5:
        return panorama(rng, rng.choice(PANORAMAS))
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    world.cycles.sampling_method = "NONE"  # a smooth sky needs no map of its lights, which would cost more than the picture
    sky = nodes["Background"]
    place, parts, ramp = nodes.new("ShaderNodeTexCoord"), nodes.new("ShaderNodeSeparateXYZ"), nodes.new("ShaderNodeValToRGB")
    warm = rng.uniform(-0.15, 0.15)
    # Below the horizon and around it the street is darker than the sky: that is what a glossy bag mirrors.
    ramp.color_ramp.elements[0].color = (0.25, 0.23, 0.2, 1)
    ramp.color_ramp.elements[1].color = (0.9 + warm, 0.95, 1.0 - warm, 1)
    ramp.color_ramp.elements[0].position, ramp.color_ramp.elements[1].position = rng.uniform(0, 0.3), rng.uniform(0.4, 0.9)
    links.new(place.outputs["Generated"], parts.inputs[0])
    links.new(parts.outputs["Z"], ramp.inputs["Fac"])
    links.new(ramp.outputs["Color"], sky.inputs["Color"])
    weather = rng.choice(["sun", "sun", "overcast", "shade", "lamp"])
    sky.inputs["Strength"].default_value = {"sun": 0.5, "overcast": 0.8, "shade": 0.5, "lamp": 0.15}[weather] * rng.uniform(0.7, 1.3)
    if weather in ("sun", "lamp"):
        bpy.ops.object.light_add(type="SUN")
        lamp = bpy.context.object
        lamp.data.energy = (2.8 if weather == "sun" else 1.5) * rng.uniform(0.6, 1.3)
        lamp.data.angle = 0.02 if weather == "sun" else 0.2
        lamp.data.color = (1, rng.uniform(0.85, 1), rng.uniform(0.7, 1) if weather == "sun" else rng.uniform(0.4, 0.8))
        lamp.rotation_euler = (rng.uniform(0.2, 1.2), 0, rng.uniform(0, 6.3))


def render(number, kind, garbage, arguments):
    rng = random.Random(f"{arguments.seed}-{number}")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = arguments.samples
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = 3
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    scene.cycles.sample_clamp_indirect = 2.0
    scene.cycles.seed = number
    scene.render.threads_mode, scene.render.threads = "FIXED", arguments.threads
    scene.render.resolution_x = scene.render.resolution_y = arguments.size
    scene.render.film_transparent = True
    scene.view_settings.view_transform = "Standard"
    if garbage:
        parts = bag(rng, kind)
    else:
        parts = other(rng, kind)
    pivot = bpy.data.objects.new("pivot", None)
    scene.collection.objects.link(pivot)
    for part in parts:
        part.parent = pivot
    pivot.rotation_euler.z = rng.uniform(0, 6.3)
    light(rng)
    bpy.ops.mesh.primitive_plane_add(size=40)
    ground = bpy.context.object
    ground.is_shadow_catcher = True
    ground.data.materials.append(material(rng, (rng.uniform(0.15, 0.5),) * 3, 0.9))
    bpy.context.view_layer.update()
    corners = [part.matrix_world @ v.co for part in parts for v in part.data.vertices]
    middle = sum(corners, Vector()) / len(corners)
    reach = max((c - middle).length for c in corners)
    above = math.radians(rng.uniform(8, 60))
    bpy.ops.object.camera_add()
    camera = bpy.context.object
    camera.data.angle = math.radians(rng.uniform(18, 40))
    away = reach * 1.3 / math.tan(camera.data.angle / 2)
    camera.location = middle + Vector((0, -math.cos(above), math.sin(above))) * away
    camera.rotation_euler = (middle - camera.location).to_track_quat("-Z", "Y").to_euler()
    scene.camera = camera
    bpy.context.view_layer.update()
    seen = [world_to_camera_view(scene, camera, c) for c in corners]
    box = [min(s.x for s in seen), 1 - max(s.y for s in seen), max(s.x for s in seen), 1 - min(s.y for s in seen)]
    stem = arguments.out / f"{number:04}-{kind}"
    scene.render.filepath = str(stem.with_suffix(".png"))
    bpy.ops.render.render(write_still=True)
    facts = {"box": [round(v * arguments.size, 1) for v in box], "garbage": garbage, "degrees": round(math.degrees(above))}
    stem.with_suffix(".json").write_text(json.dumps(facts))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path)
    for name, default in [("bags", 400), ("others", 160), ("size", 256), ("samples", 24), ("threads", 2), ("seed", 1)]:
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    total = arguments.bags + arguments.others
    for number in range(total):
        # Spread evenly, so that a run that was stopped early has both.
        garbage = (number + 1) * arguments.bags // total > number * arguments.bags // total
        kinds = BAGS if garbage else OTHERS
        kind = random.Random(f"kind-{arguments.seed}-{number}").choice(kinds)
        if not (arguments.out / f"{number:04}-{kind}.json").exists():
            render(number, kind, garbage, arguments)
    print(f"{total} cut-outs in {arguments.out}")


if __name__ == "__main__":
    main()
