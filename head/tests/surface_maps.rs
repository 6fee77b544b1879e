//! Subdivision and the UV atlas.
use glam::{Vec2, Vec3};
use head::uv::{NO_FACE, Padding};
use head::{HeadModel, Subdivision, UvAtlas, analytic, normals};
use std::sync::LazyLock;

static MODEL: LazyLock<HeadModel> = LazyLock::new(analytic::head);

const CUBE_FACES: [[u32; 4]; 6] = [[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]];

fn cube() -> Vec<Vec3> {
    let sign = |bit: usize| if bit == 0 { -1.0 } else { 1.0 };
    (0..8).map(|i| Vec3::new(sign(i & 1), sign(i & 2), sign(i & 4))).collect()
}

#[test]
fn a_cube_becomes_what_the_rules_say() {
    // By hand: corner (F + 2E + 0·v) / 3 = (1/3 + 2 · 2/3) / 3 = 5/9; edge (1 + 1/2) / 2 = 3/4; face center 1.
    let once = Subdivision::new(&CUBE_FACES, &[[0, 0, 0, 0]; 6], 8, &[Vec2::ZERO], 1);
    let points = once.apply(&cube());
    assert_eq!((points.len(), once.faces.len(), once.n_vertices()), (8 + 12 + 6, 24, 26));
    let near = |a: f32, b: f32| (a - b).abs() < 1e-6;
    assert!(points[..8].iter().zip(cube()).all(|(p, corner)| p.distance(5.0 / 9.0 * corner) < 1e-6));
    for p in &points[8..20] {
        let mut sizes = p.abs().to_array();
        sizes.sort_by(f32::total_cmp);
        assert!(near(sizes[0], 0.0) && near(sizes[1], 0.75) && near(sizes[2], 0.75), "{p}");
    }
    assert!(points[20..].iter().all(|p| near(p.length(), 1.0)));
    let outward = once.faces.iter().all(|face| {
        let center: Vec3 = face.iter().map(|&v| points[v as usize]).sum::<Vec3>() / 4.0;
        normals::face_area_normal(&points, face).dot(center) > 0.0
    });
    assert!(outward, "faces keep their orientation");
    assert_eq!(once.parent, (0..6).flat_map(|f| [f; 4]).collect::<Vec<u32>>());
}

#[test]
fn many_levels_tend_to_the_limit_surface() {
    let thrice = Subdivision::new(&CUBE_FACES, &[[0, 0, 0, 0]; 6], 8, &[Vec2::ZERO], 3);
    let points = thrice.apply(&cube());
    assert_eq!(thrice.faces.len(), 6 * 64);
    // Limit of an extraordinary point of valence 3 (Halstead, Kass, DeRose 1993): (n²v + 4Σe + Σf) / (n(n + 5)) after one
    // step: (9 · 5/9 + 4 · 3 · 0.75 · 2/3 + 1) / 24 = 1/2.
    let next = Subdivision::new(&CUBE_FACES, &[[0, 0, 0, 0]; 6], 8, &[Vec2::ZERO], 6).apply(&cube());
    assert!(next[0].distance(0.5 * cube()[0]) < 1e-3, "{}", next[0]);
    assert!(points[0].distance(next[0]) < 0.01);
}

#[test]
fn borders_are_smooth_curves_and_triangles_become_quads() {
    let positions = [Vec3::ZERO, Vec3::X, Vec3::new(1.0, 1.0, 0.0), Vec3::Y, Vec3::new(2.0, 0.5, 0.0)];
    let faces = [[0, 1, 2, 3], [1, 4, 2, 2]];
    let uvs = positions.map(|p| p.truncate() / 2.0);
    let fine = Subdivision::new(&faces, &faces, 5, &uvs, 1);
    let points = fine.apply(&positions);
    assert_eq!(fine.faces.len(), 4 + 3);
    assert!(fine.faces.iter().all(|[_, _, c, d]| c != d));
    assert!(points[0].distance(Vec3::new(0.125, 0.125, 0.0)) < 1e-6, "3/4 v + 1/8 (a + b): {}", points[0]);
    assert!(points[1].distance(0.75 * positions[1] + 0.125 * (positions[0] + positions[4])) < 1e-6);
    assert!(fine.face_uvs.iter().flatten().all(|&t| (t as usize) < fine.uvs.len()));
    for (face, face_uv) in fine.faces.iter().zip(&fine.face_uvs).filter(|(face, _)| face.iter().any(|&v| v >= 11)) {
        let (v, t) = (face[2] as usize, face_uv[2] as usize); // the center of the coarse face
        assert!((points[v].truncate() / 2.0).distance(fine.uvs[t]) < 1e-6);
    }
    let scalars = fine.apply_scalars(&[1.0; 5]);
    assert!(scalars.iter().all(|s| (s - 1.0).abs() < 1e-6), "weights sum to one");
}

#[test]
fn a_finer_mannequin_stays_close_and_keeps_its_sides() {
    let fine = Subdivision::new(&MODEL.faces, &MODEL.face_uvs, MODEL.n_vertices(), &MODEL.uvs, 1);
    let points = fine.apply(&MODEL.template);
    let shift = |v: usize| points[v].distance(MODEL.template[v]);
    let mean = (0..MODEL.n_vertices()).map(shift).sum::<f32>() / MODEL.n_vertices() as f32;
    assert!(mean < 4e-4, "on average a vertex moves by {mean} m");
    assert!(fine.uvs.iter().all(|uv| (0.0..=1.0).contains(&uv.x) && (0.0..=1.0).contains(&uv.y)));
    let unturned = fine.faces.iter().zip(&fine.parent).filter(|(face, parent)| {
        let before = normals::face_area_normal(&MODEL.template, &MODEL.faces[**parent as usize]);
        normals::face_area_normal(&points, face).dot(before) > 0.0
    });
    let share = unturned.count() as f32 / fine.faces.len() as f32;
    assert!(share > 0.995, "{share} of the faces look the way their parent does");
}

#[test]
fn every_texel_knows_its_place() {
    let atlas = UvAtlas::new(&MODEL, 256);
    let mut n_mapped = 0;
    for y in 0..256 {
        for x in 0..256 {
            let texel = atlas.texels[y * 256 + x];
            if texel.face == NO_FACE {
                assert!(atlas.part(y * 256 + x).is_none());
                continue;
            }
            n_mapped += 1;
            let row = MODEL.face_uvs[texel.face as usize];
            let uv: Vec2 = (0..4).map(|c| texel.weights[c] * MODEL.uvs[row[c] as usize]).sum();
            assert!(uv.distance(atlas.center(x, y)) < 2e-6, "texel {x}, {y}: {uv}");
            assert!(texel.weights.iter().all(|w| (-1e-5..=1.00001).contains(w)));
        }
    }
    assert!(n_mapped > 256 * 256 / 2, "{n_mapped} texels have surface");
    assert!(atlas.center(0, 0).y > 0.99, "row 0 is the top");
}

#[test]
fn charts_do_not_overlap() {
    let area = |a: Vec2, b: Vec2, c: Vec2| 0.5 * (b - a).perp_dot(c - a);
    let sum: f32 = MODEL
        .face_uvs
        .iter()
        .map(|row| {
            let [a, b, c, d] = row.map(|t| MODEL.uvs[t as usize]);
            area(a, b, c).abs() + area(a, c, d).abs()
        })
        .sum();
    let covered = UvAtlas::new(&MODEL, 1024).mask().iter().filter(|m| **m).count() as f32 / (1024.0 * 1024.0);
    assert!((sum - covered).abs() < 0.004, "faces have area {sum}, the atlas covers {covered}");
}

#[test]
fn maps_give_back_what_went_in() {
    let atlas = UvAtlas::new(&MODEL, 512);
    let mut map = atlas.position_map(&MODEL.template);
    map.fill(&atlas.padding(4));
    let mut worst: f32 = 0.0;
    for (face, row) in MODEL.faces.iter().zip(&MODEL.face_uvs) {
        for (v, t) in face.iter().zip(row) {
            let sampled = map.sample(MODEL.uvs[*t as usize]).expect("charts are padded");
            worst = worst.max(sampled.distance(MODEL.template[*v as usize]));
        }
    }
    assert!(worst < 6e-3, "a vertex is off by {worst} m after the way through a 512 map");
    assert_eq!(map.to_flat().len(), 512 * 512 * 3);
    let lips = atlas.scalar_map(&MODEL.regions["lips"]);
    assert!(lips.iter().any(|m| *m > 0.99) && lips.iter().filter(|m| **m > 0.5).count() < 512 * 512 / 20);
}

#[test]
fn padding_copies_the_nearest() {
    let size = 40;
    let mask: Vec<bool> = (0..size * size).map(|i| (i * 7919) % 97 == 0).collect();
    let reach = 5;
    let padding = Padding::new(&mask, size, reach);
    let place = |i: usize| (i % size, i / size);
    let distance2 = |a: usize, b: usize| {
        let ((ax, ay), (bx, by)) = (place(a), place(b));
        ax.abs_diff(bx).pow(2) + ay.abs_diff(by).pow(2)
    };
    for i in (0..size * size).filter(|&i| !mask[i]) {
        let least = (0..size * size).filter(|&j| mask[j]).map(|j| distance2(i, j)).min().expect("some");
        let copied = padding.copies.iter().find(|(target, _)| *target as usize == i);
        match copied {
            Some((_, source)) => assert_eq!(distance2(i, *source as usize), least),
            None => assert!(least > reach * reach),
        }
    }
}
