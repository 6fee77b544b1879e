//! Fits the head model to everything that was read in one or several pictures of one person: maximum a posteriori.
//!
//! Unknown: identity coefficients `c`, shared by all pictures; one focal length per camera; per picture the rigid pose and
//! 52 ARKit units in 0..=1. Data: landmarks with their uncertainty, and the distances between the lids and between the
//! lips, which must not drown in the landmarks' common error. Priors: `c ~ N(0, 1)` or what the network reads of the
//! person; each unit around what the network reads, with its uncertainty, so that units cannot stand in for identity;
//! log-normal on the focal length and on the distance of the camera. Robust Levenberg–Marquardt with analytic
//! derivatives; bounds by freezing what pushes outward.
//! Letters: `L` points, `Kc` identity coefficients, `N` pictures.
pub mod align;
pub mod linear;
mod pose;
mod priors;
mod solver;
mod view;

use glam::{DMat3, DVec3};
use head::landmarks::LandmarkModel;
pub use priors::Beliefs;

/// What was read in one picture.
#[derive(Clone, Debug)]
pub struct Observation {
    /// `[L]` pixels.
    pub points: Vec<[f64; 2]>,
    /// `[L]` expected error of each, pixels; infinite where nothing is known.
    pub sigma_px: Vec<f64>,
    /// What is known of the lens.
    pub lens: Lens,
    /// Pictures with the same number were taken by one camera: they share the focal length.
    pub camera: usize,
    /// What the network reads beside landmarks, if there was one.
    pub beliefs: Option<Beliefs>,
}

/// A pinhole without distortion, square pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// Focal length, or the middle of its prior, pixels.
    pub focal_px: f64,
    /// Deviation of its logarithm; 0 if it is known.
    pub focal_spread: f64,
    /// Principal point, pixels.
    pub centre: [f64; 2],
}

impl Lens {
    /// Of a photo of unknown camera: around that of a 50 mm lens on 36 mm film, principal point in the middle. Wide,
    /// because a photo may be cut out of a larger one.
    pub fn unknown(width: usize, height: usize) -> Self {
        let longer = width.max(height) as f64;
        Lens { focal_px: 50.0 / 36.0 * longer, focal_spread: 0.7, centre: [width as f64 / 2.0, height as f64 / 2.0] }
    }
}

/// How strongly the priors hold.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitConfig {
    /// Identity coefficients used, most important first.
    pub coefficients: usize,
    /// Deviation of the identity coefficients: 1 is what the model's prior says.
    pub identity_spread: f64,
    /// Deviation of an expression unit (L2), where no network says better.
    pub expression_spread: f64,
    /// Gradient of the L1 prior on expression units, where no network says better.
    pub expression_sparsity: f64,
    /// Least deviation of an expression unit about what the network reads.
    pub expression_floor: f64,
    /// Factor on the network's spreads of units and identity.
    pub trust: f64,
    /// Median distance of the camera (meters), and the deviation of its logarithm.
    pub distance_m: [f64; 2],
    /// Landmark errors beyond this many deviations lose their pull (Geman and McClure).
    pub outlier: f64,
    /// Weight of the jaw line, whose points slide along the contour.
    pub contour_weight: f64,
    /// Weight of a dense landmark: neighbors share their errors.
    pub dense_weight: f64,
    /// Weight of the distances between lids and between lips over that of a landmark.
    pub gap_weight: f64,
    /// Iterations at most.
    pub iterations: usize,
}

impl Default for FitConfig {
    fn default() -> Self {
        FitConfig {
            coefficients: 80,
            identity_spread: 1.0,
            expression_spread: 0.35,
            expression_sparsity: 0.6,
            expression_floor: 0.04,
            trust: 1.4,
            distance_m: [1.0, 0.5],
            outlier: 4.0,
            contour_weight: 0.35,
            dense_weight: 0.45,
            gap_weight: 2.0,
            iterations: 60,
        }
    }
}

/// The head in one picture.
#[derive(Clone, Debug)]
pub struct FittedView {
    /// Camera from head (metres).
    pub rotation: DMat3,
    /// Metres.
    pub translation: DVec3,
    /// Pixels.
    pub focal_px: f64,
    /// ARKit units.
    pub expression: [f32; 52],
    /// Root mean square distance between seen and projected landmarks, weighted by confidence, pixels.
    pub rms_px: f64,
}

/// One person in all pictures.
#[derive(Clone, Debug)]
pub struct Fit {
    /// `[Kc]`
    pub coefficients: Vec<f32>,
    /// `[N]`
    pub views: Vec<FittedView>,
    /// Value of the objective.
    pub cost: f64,
}

/// Fits one person. Every observation must have as many points as the model.
///
/// # Panics
/// If there is no observation, or one of another length.
pub fn fit(model: &LandmarkModel, observations: &[Observation], config: &FitConfig) -> Fit {
    assert!(!observations.is_empty(), "nothing to fit to");
    assert!(observations.iter().all(|o| o.points.len() == model.n_landmarks && o.sigma_px.len() == model.n_landmarks));
    let poses = observations.iter().map(|o| pose::search(model, o)).collect();
    solver::refine(model, observations, poses, config)
}

/// Iterations for a frame whose neighbor is known.
const MOST_FOLLOWING: usize = 15;

/// One more picture of a known person by a known camera: pose and expression. `person` has no coefficients
/// ([`LandmarkModel::of_person`]); `before` is the frame before.
///
/// The pose starts at that of the frame before, laid on the landmarks first, for farther off than a few deviations the
/// robust loss of the fit does not pull. The units start where the network reads them in this very frame, so that what
/// lasts one frame has not to be reached from its neighbor.
pub fn follow(person: &LandmarkModel, seen: &Observation, before: &FittedView, config: &FitConfig) -> FittedView {
    let start = pose::continued(person, seen, before);
    let config = FitConfig { iterations: config.iterations.min(MOST_FOLLOWING), ..*config };
    let fitted = solver::refine(person, std::slice::from_ref(seen), vec![start], &config);
    fitted.views.into_iter().next().expect("one picture, one view")
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::Vec3;
    use head::ibug;
    use head::model::HeadModel;
    use nets::rng::Rng;

    const SIZE: f64 = 256.0;

    struct Truth {
        coefficients: Vec<f32>,
        expression: [f32; 52],
        points: Vec<Vec3>,
        observation: Observation,
    }

    fn model() -> (HeadModel, LandmarkModel) {
        let head = head::analytic::head();
        let landmarks: Vec<usize> = (0..ibug::COUNT).collect();
        let cut = head.landmark_model(&landmarks);
        (head, cut)
    }

    /// A head with drawn identity, expression and pose, seen by a camera of 500 px, `noise_px` off.
    fn truth(model: &LandmarkModel, index: u64, noise_px: f64) -> Truth {
        let mut dice = Rng::new(&[11, 0, index]);
        let coefficients: Vec<f32> = (0..model.identity.len().min(8)).map(|_| dice.normal()).collect();
        let mut expression = [0.0f32; 52];
        for name in ["jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp"] {
            expression[head::params::unit(name).unwrap()] = dice.range(0.0, 0.7);
        }
        let points = model.points(&coefficients, &expression, &[Vec3::ZERO; 5]);
        let (yaw, pitch, roll) =
            (dice.range(-0.6, 0.6) as f64, dice.range(-0.25, 0.25) as f64, dice.range(-0.4, 0.4) as f64);
        let frontal = DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0));
        let rotation =
            DMat3::from_rotation_z(roll) * frontal * DMat3::from_rotation_y(yaw) * DMat3::from_rotation_x(pitch);
        let translation = DVec3::new(0.01, 0.02, 0.75);
        let lens = Lens { focal_px: 500.0, focal_spread: 0.0, centre: [SIZE / 2.0; 2] };
        let projected = points.iter().map(|p| {
            let q = rotation * p.as_dvec3() + translation;
            [
                500.0 * q.x / q.z + SIZE / 2.0 + noise_px * dice.normal() as f64,
                500.0 * q.y / q.z + SIZE / 2.0 + noise_px * dice.normal() as f64,
            ]
        });
        let observation = Observation {
            points: projected.collect(),
            sigma_px: vec![noise_px.max(0.3); points.len()],
            lens,
            camera: 0,
            beliefs: None,
        };
        Truth { coefficients, expression, points, observation }
    }

    fn error_mm(model: &LandmarkModel, truth: &Truth, fit: &Fit) -> f64 {
        let points = model.points(&fit.coefficients, &fit.views[0].expression, &[Vec3::ZERO; 5]);
        let d = align::distances(&points, &truth.points, align::Scale::Fixed);
        1000.0 * d.iter().sum::<f64>() / d.len() as f64
    }

    #[test]
    fn clean_landmarks_give_the_head_back() {
        let (_, model) = model();
        for index in 0..6 {
            let truth = truth(&model, index, 0.0);
            let fit = fit(&model, std::slice::from_ref(&truth.observation), &FitConfig::default());
            let mm = error_mm(&model, &truth, &fit);
            assert!(fit.views[0].rms_px < 0.6, "head {index}: {} px", fit.views[0].rms_px);
            assert!(mm < 2.5, "head {index}: {mm} mm (identity {:?})", truth.coefficients);
        }
    }

    #[test]
    fn noise_and_outliers_are_borne() {
        let (_, model) = model();
        for index in 0..6 {
            let mut truth = truth(&model, index, 1.0);
            for (k, i) in [3usize, ibug::NOSE_TIP, ibug::MOUTH_RIGHT, 60].into_iter().enumerate() {
                truth.observation.points[i][k % 2] += 45.0;
            }
            let fit = fit(&model, std::slice::from_ref(&truth.observation), &FitConfig::default());
            let mm = error_mm(&model, &truth, &fit);
            assert!(mm < 5.0, "head {index}: {mm} mm");
        }
    }

    /// Person `who` in four poses and expressions, with half a pixel of noise.
    fn four_views(model: &LandmarkModel, who: u64) -> Vec<Truth> {
        let mut views: Vec<Truth> = (0..4).map(|i| truth(model, 20 + 4 * who + i, 0.0)).collect();
        let person = views[0].coefficients.clone();
        for (i, view) in views.iter_mut().enumerate() {
            let points = model.points(&person, &view.expression, &[Vec3::ZERO; 5]);
            let mut dice = Rng::new(&[5, 5, who, i as u64]);
            let frontal = DMat3::from_diagonal(DVec3::new(1.0, -1.0, -1.0));
            let rotation = frontal * DMat3::from_rotation_y(0.5 * i as f64 - 0.75);
            for (p, seen) in points.iter().zip(&mut view.observation.points) {
                let q = rotation * p.as_dvec3() + DVec3::new(0.0, 0.0, 0.7);
                *seen = [q.x, q.y].map(|v| 500.0 * v / q.z + SIZE / 2.0 + 0.5 * dice.normal() as f64);
            }
            view.observation.sigma_px = vec![0.5; points.len()];
        }
        views
    }

    /// Millimetres of the neutral face fitted to `views`, which show the person of the first.
    fn neutral_error_mm(model: &LandmarkModel, person: &[f32], views: &[Truth]) -> f64 {
        let observations: Vec<Observation> = views.iter().map(|v| v.observation.clone()).collect();
        let fit = fit(model, &observations, &FitConfig::default());
        assert_eq!(fit.views.len(), views.len());
        let [fitted, neutral] =
            [&fit.coefficients[..], person].map(|shape| model.points(shape, &[0.0; 52], &[Vec3::ZERO; 5]));
        let d = align::distances(&fitted, &neutral, align::Scale::Fixed);
        1000.0 * d.iter().sum::<f64>() / d.len() as f64
    }

    /// On average: a person near the mean head is known from one picture.
    #[test]
    fn several_pictures_share_one_identity_and_know_more() {
        let (_, model) = model();
        let people: Vec<Vec<Truth>> = (0..8).map(|who| four_views(&model, who)).collect();
        let mean = |n: usize| {
            let error = |views: &Vec<Truth>| neutral_error_mm(&model, &views[0].coefficients, &views[..n]);
            people.iter().map(error).sum::<f64>() / people.len() as f64
        };
        let (one, four) = (mean(1), mean(4));
        assert!(four < 0.9 * one && four < 0.8, "neutral face: {one:.2} mm from one picture, {four:.2} mm from four");
    }

    #[test]
    fn expressions_stay_in_bounds() {
        let (_, model) = model();
        let truth = truth(&model, 3, 2.0);
        let fit = fit(&model, std::slice::from_ref(&truth.observation), &FitConfig::default());
        assert!(fit.views[0].expression.iter().all(|e| (0.0..=1.0).contains(e)));
        assert!(fit.coefficients.iter().all(|c| c.abs() <= 4.0));
    }
}
