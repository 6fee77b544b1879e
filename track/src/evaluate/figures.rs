//! The table of `track eval`.
use super::errors::UnitErrors;
use super::mean;
use formats::dataset::Dataset;

/// Means over the frames; each with its protocol in the field's words. Cameras are unknown to the fit.
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
    /// Mean distance of the dense landmarks over the face size, percent; all frames.
    pub nme_dense_percent: f64,
    /// Mean absolute error of the ARKit units as the network reads them, looks aside.
    pub read_units: f64,
    /// The same of `eyeBlink*`.
    pub read_blink: f64,
    /// The same of `jawOpen`.
    pub read_jaw_open: f64,
    /// Mean absolute error of the fitted ARKit units, looks aside.
    pub units: f64,
    /// `eyeBlink*`
    pub blink: f64,
    /// `eyeBlink*`, `eyeSquint*`, `eyeWide*`
    pub eyes: f64,
    /// `jawOpen`
    pub jaw_open: f64,
    /// `jaw*`
    pub jaw: f64,
    /// `mouth*`
    pub lips: f64,
    /// `brow*`
    pub brows: f64,
    /// Mean angle between fitted and true gaze in the head, degrees.
    pub gaze_deg: f64,
    /// Reprojection error of the fitted head, pixels.
    pub reprojection_px: f64,
    /// The 68 landmarks in space after alignment with scale, millimeters.
    pub landmark_mm: f64,
    /// Neutral face (vertices of the region `face`) after alignment with scale, one picture, millimeters.
    pub shape_mm: f64,
    /// The same from three pictures with different faces.
    pub shape_three_mm: f64,
    /// The same for the mean head: what knowing nothing gives.
    pub mean_shape_mm: f64,
    /// Median error of the focal length, percent.
    pub focal_percent: f64,
    /// Median error of the distance, percent.
    pub distance_percent: f64,
    /// Mean absolute error of the matte, percent of full coverage.
    pub matte_percent: f64,
    /// The same within 3 px of the edge.
    pub matte_edge_percent: f64,
    /// Reading a face that was found, milliseconds.
    pub read_ms: f64,
    /// Fitting one picture, milliseconds.
    pub fit_ms: f64,
}

/// What one frame adds.
pub(super) struct FrameFigures {
    pub found: bool,
    pub spurious: usize,
    pub landmark_px: f64,
    pub nme_interocular: Option<f64>,
    pub nme_face: f64,
    pub nme_dense: Option<f64>,
    /// As the network reads them.
    pub read: UnitErrors,
    pub fitted: UnitErrors,
    pub gaze_deg: f64,
    pub reprojection_px: f64,
    pub landmark_mm: f64,
    /// Of the fit and of the mean head.
    pub shape_mm: Option<[f64; 2]>,
    /// Absolute errors of the logarithms.
    pub focal: f64,
    pub distance: f64,
    /// Everywhere and at the edge.
    pub matte: Option<[f64; 2]>,
    pub read_ms: f64,
    pub fit_ms: f64,
}

/// Over frames, and over people in three pictures.
pub(super) fn summary(all: &[FrameFigures], threes: &[f64]) -> Figures {
    let of = |value: &dyn Fn(&FrameFigures) -> Option<f64>| mean(&all.iter().filter_map(value).collect::<Vec<_>>());
    let median_percent = |value: &dyn Fn(&FrameFigures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        100.0 * (values[values.len() / 2].exp() - 1.0)
    };
    let n = all.len() as f64;
    Figures {
        frames: all.len(),
        detection_percent: 100.0 * all.iter().filter(|f| f.found).count() as f64 / n,
        false_per_hundred: 100.0 * all.iter().map(|f| f.spurious).sum::<usize>() as f64 / n,
        landmark_px: of(&|f| Some(f.landmark_px)),
        nme_interocular_percent: 100.0 * of(&|f| f.nme_interocular),
        nme_face_percent: 100.0 * of(&|f| Some(f.nme_face)),
        nme_dense_percent: 100.0 * of(&|f| f.nme_dense),
        read_units: of(&|f| Some(f.read.all)),
        read_blink: of(&|f| Some(f.read.blink)),
        read_jaw_open: of(&|f| Some(f.read.jaw_open)),
        units: of(&|f| Some(f.fitted.all)),
        blink: of(&|f| Some(f.fitted.blink)),
        eyes: of(&|f| Some(f.fitted.eyes)),
        jaw_open: of(&|f| Some(f.fitted.jaw_open)),
        jaw: of(&|f| Some(f.fitted.jaw)),
        lips: of(&|f| Some(f.fitted.lips)),
        brows: of(&|f| Some(f.fitted.brows)),
        gaze_deg: of(&|f| Some(f.gaze_deg)),
        reprojection_px: of(&|f| Some(f.reprojection_px)),
        landmark_mm: of(&|f| Some(f.landmark_mm)),
        shape_mm: of(&|f| f.shape_mm.map(|s| s[0])),
        shape_three_mm: mean(threes),
        mean_shape_mm: of(&|f| f.shape_mm.map(|s| s[1])),
        focal_percent: median_percent(&|f| f.focal),
        distance_percent: median_percent(&|f| f.distance),
        matte_percent: 100.0 * of(&|f| f.matte.map(|m| m[0])),
        matte_edge_percent: 100.0 * of(&|f| f.matte.map(|m| m[1])),
        read_ms: of(&|f| Some(f.read_ms)),
        fit_ms: of(&|f| Some(f.fit_ms)),
    }
}

impl Figures {
    /// As the card of the weights takes them: `test_landmark_px` and so on, each with its protocol.
    ///
    /// # Panics
    /// Never: the figures are a flat table.
    pub fn for_card(&self, split: &str, data: &Dataset) -> serde_json::Map<String, serde_json::Value> {
        let side_px = data.all_labels().first().map_or(0, |row| row.width);
        let protocol = format!(
            "track eval: {} frames of split {split}, {side_px} px, cameras unknown ({})",
            self.frames,
            data.origin()
        );
        let figures = serde_json::to_value(self).expect("a flat table");
        let figures = figures.as_object().expect("a flat table").iter();
        let kept = figures.filter(|(name, _)| *name != "frames" && !name.ends_with("_ms"));
        let rounded = |value: &serde_json::Value| value.as_f64().map(|v| (v * 1e4).round() / 1e4);
        kept.map(|(name, v)| {
            let entry = serde_json::json!({ "value": rounded(v), "protocol": protocol });
            (format!("{split}_{name}"), entry)
        })
        .collect()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        writeln!(f, "frames                      {:9}", self.frames)?;
        writeln!(f, "detection                   {:9.1} %", self.detection_percent)?;
        writeln!(f, "false faces per 100 frames  {:9.1}", self.false_per_hundred)?;
        writeln!(f, "landmarks                   {:9.2} px", self.landmark_px)?;
        writeln!(f, "NME, outer eye corners      {:9.2} %  (within 45° of the front)", self.nme_interocular_percent)?;
        writeln!(
            f,
            "NME, face size              {:9.2} %  (dense: {:.2} %)",
            self.nme_face_percent, self.nme_dense_percent
        )?;
        writeln!(f, "ARKit units, mean abs error {:9.3}    (network alone: {:.3})", self.units, self.read_units)?;
        writeln!(f, "  eyeBlink                  {:9.3}    (network alone: {:.3})", self.blink, self.read_blink)?;
        writeln!(f, "  eyes                      {:9.3}", self.eyes)?;
        writeln!(f, "  jawOpen                   {:9.3}    (network alone: {:.3})", self.jaw_open, self.read_jaw_open)?;
        writeln!(f, "  jaw, lips, brows          {:9.3}    {:.3}  {:.3}", self.jaw, self.lips, self.brows)?;
        writeln!(f, "gaze                        {:9.1} °", self.gaze_deg)?;
        writeln!(f, "reprojection of the fit     {:9.2} px", self.reprojection_px)?;
        writeln!(f, "landmarks in space          {:9.2} mm", self.landmark_mm)?;
        writeln!(f, "neutral face, one picture   {:9.2} mm  (mean head: {:.2} mm)", self.shape_mm, self.mean_shape_mm)?;
        writeln!(f, "neutral face, three         {:9.2} mm", self.shape_three_mm)?;
        writeln!(
            f,
            "focal length, distance      {:9.1} %  {:.1} %  (median)",
            self.focal_percent, self.distance_percent
        )?;
        writeln!(
            f,
            "matte, mean absolute error  {:9.2} %  (within 3 px of the edge: {:.1} %)",
            self.matte_percent, self.matte_edge_percent
        )?;
        write!(f, "time per picture            {:9.0} ms to read, {:.0} ms to fit", self.read_ms, self.fit_ms)
    }
}
