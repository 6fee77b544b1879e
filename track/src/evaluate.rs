//! `track eval`: renders of people the networks never saw, treated as photos, against their truth.
use crate::Error;
use crate::config::TrackConfig;
use crate::face::Face;
use crate::fit::{self, Lens, align};
use crate::frame::{Frame, HeadBox};
use crate::landmark_net::LANDMARKS;
use crate::networks::Networks;
use crate::photos::observation;
use crate::picture::{Mips, Picture};
use formats::dataset::Dataset;
use formats::order::shuffled;
use formats::progress::{Progress, Talk};
use glam::Vec3;
use head::model::{HeadModel, HeadParams};

/// Means over the frames; each with its protocol in the field's words.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Figures {
    /// Frames looked at.
    pub frames: usize,
    /// Frames whose true face was found (overlap over one half), percent.
    pub detection_percent: f64,
    /// Faces reported where there is none, per 100 frames.
    pub false_per_hundred: f64,
    /// Mean distance of the 68 landmarks, pixels of the frame.
    pub landmark_px: f64,
    /// The same over the distance of the outer eye corners, percent; frames seen within 45° of the front.
    pub nme_interocular_percent: f64,
    /// The same over the face size, percent; all frames.
    pub nme_face_percent: f64,
    /// Reprojection error of the fitted head, pixels.
    pub reprojection_px: f64,
    /// Landmarks in space after rigid alignment, intrinsics known, millimetres.
    pub landmark_mm: f64,
    /// Neutral face (vertices of the region `face`) after rigid alignment with scale, millimetres.
    pub shape_mm: f64,
    /// The same for the mean head: what knowing nothing gives.
    pub mean_shape_mm: f64,
    /// Mean absolute error of the matte, percent of full coverage.
    pub matte_percent: f64,
}

impl Figures {
    /// As the card of the weights takes them: `test_landmark_px` and so on, each with its protocol.
    ///
    /// # Panics
    /// Never: the figures are a flat table.
    pub fn for_card(&self, split: &str, data: &Dataset) -> serde_json::Map<String, serde_json::Value> {
        let side_px = data.all_labels().first().map_or(0, |row| row.width);
        let protocol = format!(
            "track eval: {} frames of split {split}, {side_px} px, intrinsics known ({})",
            self.frames,
            data.origin()
        );
        let figures = serde_json::to_value(self).expect("a flat table");
        let figures = figures.as_object().expect("a flat table").iter().filter(|(name, _)| *name != "frames");
        let rounded = |value: &serde_json::Value| value.as_f64().map(|v| (v * 1e4).round() / 1e4);
        figures
            .map(|(name, v)| {
                let entry = serde_json::json!({ "value": rounded(v), "protocol": protocol });
                (format!("{split}_{name}"), entry)
            })
            .collect()
    }
}

/// What one frame adds.
struct FrameFigures {
    found: bool,
    spurious: usize,
    landmark_px: f64,
    nme_interocular: Option<f64>,
    nme_face: f64,
    reprojection_px: f64,
    landmark_mm: f64,
    shape_mm: Option<[f64; 2]>,
    matte: Option<f64>,
}

/// Looks at up to `most` frames of `split`.
///
/// # Errors
/// If there is no such frame, or one cannot be read.
pub fn run(
    data: &Dataset,
    split: &str,
    most: usize,
    networks: &Networks,
    head: &HeadModel,
    config: &TrackConfig,
    talk: Talk,
) -> anyhow::Result<Figures> {
    let rows: Vec<usize> = shuffled(&data.split(split), 0, 0).into_iter().take(most).collect();
    if rows.is_empty() {
        return Err(Error::Data { what: format!("no frames of split `{split}`"), path: data.path().into() }.into());
    }
    let progress = Progress::new("eval", rows.len() as u64, "frames", talk);
    let mut all = Vec::new();
    for row in rows {
        all.push(frame(data, row, networks, head, config)?);
        progress.add(1);
    }
    progress.finish();
    Ok(summary(&all))
}

fn frame(
    data: &Dataset,
    row: usize,
    networks: &Networks,
    head: &HeadModel,
    config: &TrackConfig,
) -> anyhow::Result<FrameFigures> {
    let truth = data.frame_with(row, &["image", "alpha"])?;
    let photo = Mips::new(Picture::decode(&truth.image, None)?);
    let points = &truth.landmarks_2d[..LANDMARKS];
    let face = Face::from_landmarks(points);
    let findings = networks.find(&photo, &config.find);
    let mine = findings.faces.iter().find(|f| f.face.overlap(&face) > 0.5);
    // A face that was missed is still read where it is, so that the landmark figures have no survivors' bias.
    let read = mine.cloned().unwrap_or_else(|| networks.read_face(&photo, &face, &config.find));
    let distances: Vec<f64> =
        read.points.iter().zip(points).map(|(p, q)| (p[0] - q[0]).hypot(p[1] - q[1]) as f64).collect();
    let landmark_px = mean(&distances);
    let eyes = (points[36][0] - points[45][0]).hypot(points[36][1] - points[45][1]) as f64;
    let camera = truth.camera();
    let to_camera = (camera.eye() - Vec3::from(truth.landmarks_3d[27])).normalize_or_zero();
    let frontal = to_camera.z > std::f32::consts::FRAC_1_SQRT_2;
    let lens = Lens { focal_px: camera.fx as f64, focal_spread: 0.0, centre: [camera.cx as f64, camera.cy as f64] };
    let model = head.landmark_model(&(0..LANDMARKS).collect::<Vec<_>>());
    let fitted = fit::fit(&model, &[observation(&read, lens)], &config.fit);
    let view = &fitted.views[0];
    let space = model.points(&fitted.coefficients, &view.expression, &[Vec3::ZERO; 5]);
    let truth_space: Vec<Vec3> = truth.landmarks_3d[..LANDMARKS].iter().map(|p| Vec3::from(*p)).collect();
    let shape = head.shape_from_prior(&fitted.coefficients);
    let neutral = head.neutral(&shape);
    let true_shape = data.identity(truth.identity_id).map(|i| &i.shape).filter(|s| s.len() == shape.len());
    Ok(FrameFigures {
        found: mine.is_some(),
        spurious: findings.faces.len() - mine.is_some() as usize,
        landmark_px,
        nme_interocular: frontal.then_some(landmark_px / eyes.max(1.0)),
        nme_face: landmark_px / face.size as f64,
        reprojection_px: view.rms_px,
        landmark_mm: 1000.0 * mean(&align::distances(&space, &truth_space, align::Scale::Fixed)),
        shape_mm: true_shape.map(|s| {
            let truth = head.neutral(s);
            let average = head.neutral(&head.shape_from_prior(&[]));
            [face_mm(head, &neutral, &truth), face_mm(head, &average, &truth)]
        }),
        matte: truth.alpha.as_deref().and_then(|alpha| {
            let params = HeadParams { shape: shape.clone(), expression: view.expression, pose: [Vec3::ZERO; 5] };
            let posed = head.pose_neutral(&neutral, &params).positions;
            let mut frame = Frame::new(networks, &photo, view, &lens, HeadBox::of(head, &neutral), &config.frame);
            frame.cover_head(head, &posed);
            matte_error(&frame, &photo, alpha)
        }),
    })
}

/// Mean distance over the face region after alignment with scale.
fn face_mm(head: &HeadModel, fitted: &[Vec3], truth: &[Vec3]) -> f64 {
    let Some(region) = head.regions.get("face") else { return f64::NAN };
    let inside =
        |p: &[Vec3]| -> Vec<Vec3> { p.iter().zip(region).filter(|(_, w)| **w > 0.5).map(|(v, _)| *v).collect() };
    1000.0 * mean(&align::distances(&inside(fitted), &inside(truth), align::Scale::Free))
}

/// Mean absolute difference of the matte in the output frame.
fn matte_error(frame: &Frame, photo: &Mips, alpha: &[u8]) -> Option<f64> {
    let grey = formats::image::gray8_from_png(alpha).ok()?;
    let rgba = grey.data.iter().flat_map(|a| [*a, *a, *a, 255]).collect();
    let truth = Mips::new(Picture { width: photo.size().0, height: photo.size().1, rgba });
    let seen = frame.colours_at(&truth, frame.canvas.width);
    // Only where the render has something to say.
    let inside: Vec<usize> = (0..seen.planes[3].len()).filter(|i| seen.planes[3][*i] > 0.99).collect();
    let errors: Vec<f64> =
        inside.iter().map(|i| (seen.planes[0][*i] - frame.canvas.planes[3][*i]).abs() as f64).collect();
    Some(mean(&errors))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn summary(all: &[FrameFigures]) -> Figures {
    let of = |value: &dyn Fn(&FrameFigures) -> Option<f64>| mean(&all.iter().filter_map(value).collect::<Vec<_>>());
    let n = all.len() as f64;
    Figures {
        frames: all.len(),
        detection_percent: 100.0 * all.iter().filter(|f| f.found).count() as f64 / n,
        false_per_hundred: 100.0 * all.iter().map(|f| f.spurious).sum::<usize>() as f64 / n,
        landmark_px: of(&|f| Some(f.landmark_px)),
        nme_interocular_percent: 100.0 * of(&|f| f.nme_interocular),
        nme_face_percent: 100.0 * of(&|f| Some(f.nme_face)),
        reprojection_px: of(&|f| Some(f.reprojection_px)),
        landmark_mm: of(&|f| Some(f.landmark_mm)),
        shape_mm: of(&|f| f.shape_mm.map(|s| s[0])),
        mean_shape_mm: of(&|f| f.shape_mm.map(|s| s[1])),
        matte_percent: 100.0 * of(&|f| f.matte),
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "frames                      {:9}", self.frames)?;
        writeln!(f, "detection                   {:9.1} %", self.detection_percent)?;
        writeln!(f, "false faces per 100 frames  {:9.1}", self.false_per_hundred)?;
        writeln!(f, "landmarks                   {:9.2} px", self.landmark_px)?;
        writeln!(f, "NME, outer eye corners      {:9.2} %  (within 45° of the front)", self.nme_interocular_percent)?;
        writeln!(f, "NME, face size              {:9.2} %", self.nme_face_percent)?;
        writeln!(f, "reprojection of the fit     {:9.2} px", self.reprojection_px)?;
        writeln!(f, "landmarks in space          {:9.2} mm", self.landmark_mm)?;
        writeln!(f, "neutral face                {:9.2} mm  (mean head: {:.2} mm)", self.shape_mm, self.mean_shape_mm)?;
        write!(f, "matte, mean absolute error  {:9.2} %", self.matte_percent)
    }
}
