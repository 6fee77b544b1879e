//! Times what others call often, on the mannequin (7.7 k vertices): `cargo run --release -p head --example timing`.
use head::{HeadModel, Subdivision, UvAtlas, analytic, normals};
use std::hint::black_box;
use std::time::Instant;

fn main() {
    let start = Instant::now();
    let model = analytic::head();
    println!("{:<44}{:>10.3} ms", "analytic::head", start.elapsed().as_secs_f64() * 1e3);
    let fine = Subdivision::new(&model.faces, &model.face_uvs, model.n_vertices(), &model.uvs, 1);
    let params = busy(&model);
    let neutral = model.neutral(&params.shape);
    let posed = model.evaluate(&params);
    let atlas = UvAtlas::new(&model, 256);
    let cut = model.landmark_model(&(0..68).collect::<Vec<_>>());
    let coefficients: Vec<f32> = (0..cut.identity.len()).map(|k| 0.1 * k as f32).collect();
    println!("{} vertices, {} after one level", model.n_vertices(), fine.n_vertices());
    time("Subdivision::new, level 1", 20, || {
        Subdivision::new(&model.faces, &model.face_uvs, model.n_vertices(), &model.uvs, 1)
    });
    time("evaluate, all columns and units on", 200, || model.evaluate(&params));
    time("pose_neutral, all units on", 200, || model.pose_neutral(&neutral, &params));
    time("Subdivision::apply, level 1", 200, || fine.apply(&posed.positions));
    time("vertex_normals of the fine mesh", 200, || {
        normals::vertex_normals(&fine.apply(&posed.positions), &fine.faces)
    });
    time("UvAtlas::new, 256 texels a side", 20, || UvAtlas::new(&model, 256));
    time("position_map, 256 texels a side", 200, || atlas.position_map(&posed.positions));
    time("LandmarkModel::points, 68", 20_000, || cut.points(&coefficients, &params.expression, &params.pose));
    time("LandmarkModel::jacobian, 68", 2_000, || cut.jacobian(&coefficients, &params.expression, &params.pose));
}

fn busy(model: &HeadModel) -> head::HeadParams {
    let mut params = model.params();
    params.shape.iter_mut().enumerate().for_each(|(k, c)| *c = (k as f32).sin());
    params.expression.iter_mut().enumerate().for_each(|(k, e)| *e = 0.5 + 0.4 * (k as f32).cos());
    params.pose.iter_mut().for_each(|p| *p = glam::Vec3::new(0.1, 0.2, 0.05));
    params
}

fn time<T>(what: &str, repeats: u32, mut of: impl FnMut() -> T) {
    black_box(of());
    let start = Instant::now();
    (0..repeats).for_each(|_| drop(black_box(of())));
    println!("{what:<44}{:>10.3} ms", start.elapsed().as_secs_f64() * 1e3 / repeats as f64);
}
