//! Parameters → posed mesh, on the mannequin.
use glam::{Quat, Vec3};
use head::model::{HeadParams, Joint};
use head::params::unit;
use head::{HeadModel, analytic, rig};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::LazyLock;

static MODEL: LazyLock<HeadModel> = LazyLock::new(analytic::head);

/// Some person making some face.
fn any_params(seed: u64) -> HeadParams {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut params = MODEL.params();
    params.shape.iter_mut().for_each(|c| *c = rng.random_range(-2.0..2.0));
    params.expression.iter_mut().for_each(|e| *e = if rng.random_bool(0.4) { rng.random_range(0.0..1.0) } else { 0.0 });
    params.pose.iter_mut().for_each(|axis_angle| *axis_angle = Vec3::from_fn(|_| rng.random_range(-0.4..0.4)));
    params
}

trait FromFn {
    fn from_fn(of: impl FnMut(usize) -> f32) -> Self;
}
impl FromFn for Vec3 {
    fn from_fn(of: impl FnMut(usize) -> f32) -> Self {
        Vec3::from_array(std::array::from_fn(of))
    }
}

fn farthest(a: &[Vec3], b: &[Vec3]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(p, q)| p.distance(*q)).fold(0.0, f32::max)
}

#[test]
fn the_mannequin_keeps_the_contract() {
    MODEL.check().expect("contract");
    assert!(MODEL.identity.len() >= 12);
    assert!(MODEL.landmarks.len() > 68 + 50, "dense landmarks follow the 68");
    let still: Vec<&str> = (0..52)
        .filter(|&k| MODEL.expression.column(k).iter().all(|d| d.length() < 1e-5))
        .map(|k| head::model::ARKIT[k])
        .collect();
    let expected = ["eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "tongueOut"];
    assert_eq!(still, expected, "documented as units without displacement");
}

#[test]
fn zero_parameters_give_the_template() {
    let posed = MODEL.evaluate(&MODEL.params());
    assert_eq!(posed.positions, MODEL.template);
    assert_eq!(posed.gaze, [Vec3::Z; 2]);
    assert!((posed.eye_centers[0] + posed.eye_centers[1]).length() < 1e-6, "the origin lies between the eyes");
    assert!(MODEL.expression_offsets(&MODEL.params()).iter().all(|d| *d == Vec3::ZERO));
}

#[test]
fn the_neck_moves_everything_rigidly() {
    let mut params = any_params(1);
    params.pose = [Vec3::ZERO; 5];
    let at_rest = MODEL.evaluate(&params);
    params.pose[Joint::Neck as usize] = Vec3::new(0.3, -0.5, 0.2);
    let turned = MODEL.evaluate(&params);
    let rotation = Quat::from_scaled_axis(params.pose[0]);
    let center = at_rest.joint_places[0];
    let expected: Vec<Vec3> = at_rest.positions.iter().map(|p| center + rotation * (*p - center)).collect();
    assert!(farthest(&turned.positions, &expected) < 1e-6);
    assert!(turned.gaze[0].distance(rotation * at_rest.gaze[0]) < 1e-6);
}

#[test]
fn expression_offsets_leave_neck_and_head_out() {
    let mut params = any_params(2);
    let with_pose = MODEL.expression_offsets(&params);
    params.pose[0] = Vec3::ZERO;
    params.pose[1] = Vec3::ZERO;
    assert_eq!(with_pose, MODEL.expression_offsets(&params));
    let neutral = MODEL.neutral(&params.shape);
    let rebuilt: Vec<Vec3> = neutral.iter().zip(&with_pose).map(|(n, d)| *n + *d).collect();
    assert!(farthest(&rebuilt, &MODEL.evaluate(&params).positions) < 1e-6);
}

#[test]
fn expression_is_linear_where_nothing_turns() {
    let mut params = any_params(3);
    params.pose = [Vec3::ZERO; 5];
    rig::LOOK_UNITS.iter().for_each(|(k, ..)| params.expression[*k] = 0.0);
    let full = MODEL.expression_offsets(&params);
    params.expression.iter_mut().for_each(|e| *e *= 0.5);
    let half = MODEL.expression_offsets(&params);
    let doubled: Vec<Vec3> = half.iter().map(|d| 2.0 * *d).collect();
    assert!(farthest(&full, &doubled) < 1e-6);
    assert!(full.iter().any(|d| d.length() > 2e-3));
}

#[test]
fn a_mirrored_face_is_the_reflection() {
    let mut params = any_params(4);
    params.shape = MODEL.params().shape;
    let here = MODEL.evaluate(&params);
    let there = MODEL.evaluate(&params.mirrored());
    let reflect = |p: Vec3| p * Vec3::new(-1.0, 1.0, 1.0);
    let reflected: Vec<Vec3> = MODEL.mirror.iter().map(|&v| reflect(there.positions[v as usize])).collect();
    assert!(farthest(&here.positions, &reflected) < 2e-5, "{}", farthest(&here.positions, &reflected));
    assert!(here.gaze[0].distance(reflect(there.gaze[1])) < 1e-5);
}

#[test]
fn eyes_look_where_the_units_say() {
    let gaze = |units: &[&str]| {
        let mut params = MODEL.params();
        units.iter().for_each(|name| params.expression[unit(name).expect("unit")] = 1.0);
        MODEL.evaluate(&params).gaze
    };
    let [left, right] = gaze(&["eyeLookOutLeft", "eyeLookInRight"]);
    assert!((left.x - rig::LOOK_SIDE_RAD.sin()).abs() < 1e-6 && left.distance(right) < 1e-6, "to the person's left");
    assert!(gaze(&["eyeLookUpLeft"])[0].y > 0.4 && gaze(&["eyeLookUpLeft"])[1] == Vec3::Z);
    assert!(gaze(&["eyeLookDownRight"])[1].y < -0.45);
    let [left, right] = gaze(&["eyeLookInLeft", "eyeLookInRight"]);
    assert!(left.x < -0.5 && right.x > 0.5, "inwards is towards the nose");
}

#[test]
fn landmarks_ride_the_mesh() {
    let rest = MODEL.landmarks_at(&MODEL.template);
    assert!(rest[30].z > 0.03 && rest[30].x.abs() < 1e-4, "the tip of the nose is in front: {}", rest[30]);
    assert!(rest[36].x < rest[39].x && rest[39].x < 0.0, "36 is the outer corner of the person's right eye");
    assert!(rest[48].x < -0.02 && rest[54].x > 0.02 && rest[8].y < -0.10);
    for (l, other) in
        [(0, 16), (17, 26), (21, 22), (31, 35), (36, 45), (37, 44), (40, 47), (48, 54), (60, 64), (61, 63)]
    {
        let reflected = rest[other] * Vec3::new(-1.0, 1.0, 1.0);
        assert!(rest[l].distance(reflected) < 1e-3, "{l} and {other} are a pair: {} {}", rest[l], rest[other]);
    }
    let mut params = MODEL.params();
    params.expression[unit("jawOpen").expect("unit")] = 1.0;
    let open = MODEL.landmarks_at(&MODEL.evaluate(&params).positions);
    assert!(rest[66].y - open[66].y > 0.015, "the lower lip goes down");
    assert!(rest[62].distance(open[62]) < 1e-6 && rest[30].distance(open[30]) < 1e-6, "upper lip and nose stay");
}

#[test]
fn the_landmark_model_is_the_same_model() {
    let indices: Vec<usize> = (0..MODEL.landmarks.len()).collect();
    let cut = MODEL.landmark_model(&indices);
    let mut params = any_params(5);
    let coefficients: Vec<f32> = (0..MODEL.identity_prior.components.len()).map(|k| 0.3 * (k as f32).sin()).collect();
    params.shape = MODEL.shape_from_prior(&coefficients);
    let expected = MODEL.landmarks_at(&MODEL.evaluate(&params).positions);
    let points = cut.points(&coefficients, &params.expression, &params.pose);
    assert!(farthest(&points, &expected) < 1e-6, "{}", farthest(&points, &expected));
}

#[test]
fn the_jacobian_matches_central_differences() {
    let cut = MODEL.landmark_model(&(0..70).collect::<Vec<_>>()); // 68, 69: the pupils, so that eyes count
    let params = any_params(6);
    let coefficients: Vec<f32> = (0..MODEL.identity_prior.components.len()).map(|k| 0.5 * (k as f32).cos()).collect();
    let exact = cut.jacobian(&coefficients, &params.expression, &params.pose);
    assert_eq!(exact.points, cut.points(&coefficients, &params.expression, &params.pose));
    const STEP: f32 = 2e-2; // rounding of f32 at 0.1 m over this step: 4e-7; curvature: STEP² · 0.1 m / 6 = 7e-6
    let central_difference = |of: &dyn Fn(f32) -> Vec<Vec3>| -> Vec<Vec3> {
        let (up, down) = (of(STEP), of(-STEP));
        up.iter().zip(&down).map(|(u, d)| (*u - *d) / (2.0 * STEP)).collect()
    };
    let tolerance = 2e-5;
    for k in 0..coefficients.len() {
        let numeric = central_difference(&|step| {
            let mut c = coefficients.clone();
            c[k] += step;
            cut.points(&c, &params.expression, &params.pose)
        });
        assert!(farthest(&exact.identity[k], &numeric) < tolerance, "identity {k}");
    }
    for k in 0..52 {
        let numeric = central_difference(&|step| {
            let mut e = params.expression;
            e[k] += step;
            cut.points(&coefficients, &e, &params.pose)
        });
        assert!(farthest(&exact.expression[k], &numeric) < tolerance, "unit {k}");
    }
    for k in 0..15 {
        let numeric = central_difference(&|step| {
            let mut pose = params.pose;
            pose[k / 3][k % 3] += step;
            cut.points(&coefficients, &params.expression, &pose)
        });
        assert!(farthest(&exact.pose[k], &numeric) < tolerance, "pose {k}: {}", farthest(&exact.pose[k], &numeric));
    }
}

#[test]
fn a_broken_model_is_refused_by_name() {
    type Break = fn(&mut HeadModel);
    let cases: [(&str, Break); 9] = [
        ("weights: vertex 7 should sum to 1", |m| m.weights[7][0] += 0.5),
        ("faces: index 4294967295 is out of range", |m| m.faces[3][1] = u32::MAX),
        ("faces: face 3 repeats a corner", |m| m.faces[3][1] = m.faces[3][0]),
        ("mirror: vertex", |m| m.mirror[100] = 101),
        ("uvs: entry 5 is outside 0..=1", |m| m.uvs[5].x = 1.5),
        ("template: entry 0 is not finite", |m| m.template[0].x = f32::NAN),
        ("regions: lips is missing", |m| drop(m.regions.remove("lips"))),
        ("landmarks: expected 68 entries, got 10", |m| m.landmarks.truncate(10)),
        ("expression: unit 0 should be browDownLeft", |m| m.expression.names.swap(0, 1)),
    ];
    for (expected, break_it) in cases {
        let mut model = MODEL.clone();
        break_it(&mut model);
        let message = model.check().map_err(|err| err.to_string()).expect_err(expected);
        assert!(message.starts_with(expected), "{message}");
    }
}
