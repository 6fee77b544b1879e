//! `track fit`: photos of one person → a tracked dataset.
use crate::Error;
use crate::config::TrackConfig;
use crate::face;
use crate::face_net::{FaceShape, IBUG};
use crate::finder::Found;
use crate::fit::{self, Beliefs, Fit, Lens, Observation};
use crate::frame::Frame;
use crate::networks::Networks;
use crate::overlay;
use crate::picture::{Canvas, Mips, Picture};
use crate::reading::tensor_of;
use crate::same_person;
use crate::train::labels::straightened;
use anyhow::Context;
use formats::photo::list::Listing;
use formats::photo::{self, Turn};
use formats::{Existing, FrameRow, IdentityRow, Provenance, log};
use glam::{DMat3, Vec3};
use head::HeadBox;
use head::model::{HeadModel, HeadParams};
use nets::losses::recognizer::Recognizer;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use tch::Tensor;

/// Which face of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaceChoice {
    /// There must be exactly one.
    Only,
    /// The largest.
    Largest,
    /// By number, the largest first, from 0.
    Number(usize),
}

/// Which pictures share a focal length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cameras {
    /// Those of one size in pixels.
    BySize,
    /// None.
    Own,
}

/// Everything `track fit` needs, opened and checked.
pub struct Plan {
    /// Photos of one person.
    pub photos: Vec<PathBuf>,
    /// Folder to write.
    pub out: PathBuf,
    /// Which face.
    pub choice: FaceChoice,
    /// Focal length if known, pixels of the photo.
    pub focal_px: Option<f64>,
    /// Whether pictures of one size were taken by one camera.
    pub cameras: Cameras,
    /// Detector and face network.
    pub networks: Networks,
    /// Compares the faces of several photos, unless the user vouches for them.
    pub recognizer: Option<Recognizer>,
    /// The head to fit.
    pub head: HeadModel,
    /// Settings.
    pub config: TrackConfig,
    /// Written into the shard.
    pub provenance: Provenance,
    /// How to talk.
    pub talk: formats::progress::Talk,
}

/// What came of one photo.
#[derive(Clone, Debug, serde::Serialize)]
pub struct PhotoReport {
    /// The photo.
    pub photo: PathBuf,
    /// Face in the photo: centre x, y and size, pixels.
    pub face: [f32; 3],
    /// Score of both networks.
    pub score: f32,
    /// Reprojection error, pixels of the photo.
    pub rms_px: f64,
    /// The same as a share of the face size, percent.
    pub rms_percent: f64,
    /// Fitted focal length, pixels of the photo.
    pub focal_px: f64,
    /// Fitted distance of the camera, metres.
    pub distance_m: f64,
}

/// Deviation of the logarithm of a focal length that the camera wrote: equivalent focal lengths are rounded, lenses breathe.
const EXIF_SPREAD: f64 = 0.07;

/// A photo with the face that was chosen.
struct Read {
    path: PathBuf,
    photo: Mips,
    found: Found,
    lens: Lens,
}

/// The pictures a folder or file names: a folder's, sorted, those that cannot be read being named and left out; a file as it
/// is.
///
/// # Errors
/// [`Error::Missing`], [`Error::EmptyFolder`], and [`Error::NotAnImage`] if no picture of a folder can be read.
pub fn list_photos(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut photos = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            if !input.exists() {
                return Err(Error::Missing { what: "photo", path: input.clone() });
            }
            photos.push(input.clone());
            continue;
        }
        let mut listing =
            Listing::of(input).map_err(|_| Error::Missing { what: "readable folder", path: input.clone() })?;
        let readable = listing.keep_readable(|path| photo::open(path, Turn::Upright).map(drop));
        listing.lines().iter().for_each(|line| log::warn("skipped", &format!("track: {line}")));
        readable.map_err(|err| match err {
            formats::Error::Data { what, path } => Error::NotAnImage { why: what, path },
            other => Error::NotAnImage { why: other.to_string(), path: input.clone() },
        })?;
        if listing.photos.is_empty() {
            return Err(Error::EmptyFolder { path: input.clone() });
        }
        photos.extend(listing.photos);
    }
    Ok(photos)
}

/// Reads, fits, writes. Nothing is written unless every photo could be fitted.
///
/// # Errors
/// [`Error`] for photos, I/O errors for the output.
pub fn run(plan: &Plan) -> anyhow::Result<Vec<PhotoReport>> {
    let reads: Vec<Read> = plan.photos.iter().map(|p| read(plan, p)).collect::<Result<_, _>>()?;
    if let Some(recognizer) = plan.recognizer.as_ref().filter(|_| reads.len() > 1) {
        compare_faces(recognizer, &reads, plan);
    }
    let dense = Dense::of(&plan.networks, &plan.head);
    let model = dense.model(&plan.head);
    let sizes: Vec<(usize, usize)> = reads.iter().map(|r| r.photo.size()).collect();
    let camera_of = |i: usize| match plan.cameras {
        Cameras::Own => i,
        // A zoom lens may differ between photos of one size.
        Cameras::BySize => (0..i).find(|&j| sizes[j] == sizes[i] && reads[j].lens == reads[i].lens).unwrap_or(i),
    };
    let observations: Vec<Observation> = (0..reads.len())
        .map(|i| Observation { camera: camera_of(i), ..observation(&reads[i].found, reads[i].lens, dense) })
        .collect();
    let fitted = fit::fit(&model, &observations, &plan.config.fit);
    let mut reports = Vec::new();
    for (read, view) in reads.iter().zip(&fitted.views) {
        let face_px = read.found.face.size as f64;
        if view.rms_px > 0.15 * face_px || !view.rms_px.is_finite() {
            return Err(Error::BadFit { rms: view.rms_px, face_px, path: read.path.clone() }.into());
        }
        reports.push(PhotoReport {
            photo: read.path.clone(),
            face: [read.found.face.centre[0], read.found.face.centre[1], read.found.face.size],
            score: read.found.face.score,
            rms_px: view.rms_px,
            rms_percent: 100.0 * view.rms_px / face_px,
            focal_px: view.focal_px,
            distance_m: view.translation.length(),
        });
    }
    write(plan, &reads, &fitted)?;
    Ok(reports)
}

/// Warns if a photo seems to show somebody else.
fn compare_faces(recognizer: &Recognizer, reads: &[Read], plan: &Plan) {
    let crops: Vec<Tensor> = reads.iter().map(|r| face_crop(r, plan.networks.device())).collect();
    let cosines = same_person::cosines(recognizer, &Tensor::cat(&crops, 0));
    plan.talk.event("likeness", serde_json::json!({ "photos": plan.photos, "cosines": cosines }));
    if let Some(odd) = same_person::odd_one(&plan.photos, &cosines) {
        let text = format!(
            "track: this photo may show another person than the others (cosine {:.2} to the most similar one, expected at \
             least {}; --same-person if they are one): {:?}",
            odd.cosine,
            same_person::LEAST_COSINE,
            odd.photo
        );
        log::warn("another person", &text);
    }
}

/// The recognizer's crop of a photo's face, `[1, 3, 96, 96]`.
fn face_crop(read: &Read, device: tch::Device) -> Tensor {
    // Twice the recognizer's resolution is enough, and large photos are reduced without aliasing.
    let place = read.found.face.crop(4 * nets::losses::recognizer::CROP, 2.0);
    let mut canvas = Canvas::new(4 * nets::losses::recognizer::CROP, 4 * nets::losses::recognizer::CROP);
    read.photo.warp(&place, &mut canvas);
    let points: Vec<[f32; 2]> = read.found.points[..IBUG].iter().map(|p| place.apply(*p)).collect();
    Recognizer::crops(&tensor_of(&[canvas]).to_device(device), &[&points])
}

fn read(plan: &Plan, path: &Path) -> Result<Read, Error> {
    let photo = Mips::new(Picture::open(path)?);
    let found = choose(plan, &photo, path)?;
    let (width, height) = photo.size();
    let mut lens = Lens::unknown(width, height);
    if let Some(focal_px) = plan.focal_px {
        lens = Lens { focal_px, focal_spread: 0.0, ..lens };
    } else if let Some(focal_px) = photo::lens::focal_px(path, (width, height)) {
        lens = Lens { focal_px, focal_spread: EXIF_SPREAD, ..lens };
    }
    Ok(Read { path: path.into(), photo, found, lens })
}

fn choose(plan: &Plan, photo: &Mips, path: &Path) -> Result<Found, Error> {
    let config = &plan.config.find;
    let findings = plan.networks.find(photo, config);
    for f in &findings.faces {
        let scores = serde_json::json!({ "detector": f.detector, "is_face": f.is_face, "disagreement": f.disagreement,
            "spread": f.spread, "score": f.face.score, "centre": f.face.centre, "size": f.face.size });
        plan.talk.event("face", scores);
    }
    let (width, height) = photo.size();
    let boxes = || face::list(&findings.faces.iter().map(|f| f.face).collect::<Vec<_>>());
    let count = findings.faces.len();
    let index = match plan.choice {
        _ if count == 0 => {
            let (best, smallest_px) = (findings.best, findings.smallest_px);
            return Err(Error::NoFace {
                width,
                height,
                smallest_px,
                best,
                needed: config.threshold,
                path: path.into(),
            });
        }
        FaceChoice::Only if count > 1 => return Err(Error::SeveralFaces { count, boxes: boxes(), path: path.into() }),
        FaceChoice::Number(asked) if asked >= count => {
            return Err(Error::NoSuchFace { asked, count, boxes: boxes(), path: path.into() });
        }
        FaceChoice::Number(asked) => asked,
        FaceChoice::Only | FaceChoice::Largest => 0,
    };
    Ok(findings.faces[index].clone())
}

/// What of the network's answers the head model understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dense {
    /// All: the network was trained for this head's landmarks and identity coefficients.
    Known,
    /// The 68 iBUG landmarks and the ARKit units, which every head has.
    Unknown,
}

impl Dense {
    /// For this network and head.
    pub fn of(networks: &Networks, head: &HeadModel) -> Self {
        let is_same =
            |shape: &FaceShape| shape.landmarks == head.landmarks.len() && shape.mirror == head.landmark_mirror();
        if networks.reader.shape().is_some_and(is_same) { Dense::Known } else { Dense::Unknown }
    }

    /// The head at the landmarks that are understood.
    pub fn model(self, head: &HeadModel) -> head::LandmarkModel {
        let n = if self == Dense::Known { head.landmarks.len() } else { IBUG };
        head.landmark_model(&(0..n).collect::<Vec<_>>())
    }
}

/// What the network saw, as the fit takes it.
pub fn observation(found: &Found, lens: Lens, dense: Dense) -> Observation {
    let floor = 0.006 * found.face.size as f64;
    let n = if dense == Dense::Known { found.points.len() } else { IBUG };
    let center = |k: usize| (found.face.centre[k] - lens.centre[k] as f32) / lens.focal_px as f32;
    let crop_from_photo = DMat3::from_rotation_z(found.crop_turn_rad as f64)
        * straightened(Vec3::new(center(0), center(1), 1.0)).as_dmat3();
    let mut beliefs = found.reading.beyond.as_ref().map(|b| Beliefs::new(b, crop_from_photo.transpose()));
    if dense == Dense::Unknown {
        beliefs.iter_mut().for_each(|b| b.identity.clear());
    }
    Observation {
        points: found.points[..n].iter().map(|p| p.map(f64::from)).collect(),
        sigma_px: found.spread_px[..n].iter().map(|s| (*s as f64).max(floor)).collect(),
        lens,
        camera: 0,
        beliefs,
    }
}

/// Confidence 0..=1 of a landmark: one half where the expected error is 2.5 % of the face.
pub fn confidence(spread_px: f32, face_px: f32) -> f32 {
    1.0 / (1.0 + (spread_px / (0.025 * face_px)).powi(2))
}

fn write(plan: &Plan, reads: &[Read], fitted: &Fit) -> anyhow::Result<()> {
    let shape = plan.head.shape_from_prior(&fitted.coefficients);
    let neutral = plan.head.neutral(&shape);
    let head_box = HeadBox::of(&plan.head, &neutral);
    let mut rows = Vec::new();
    let mut sheets = Vec::new();
    for (i, (read, view)) in reads.iter().zip(&fitted.views).enumerate() {
        let mut frame = Frame::new(&plan.networks, &read.photo, view, &read.lens, head_box, &plan.config.frame);
        let params = HeadParams { shape: shape.clone(), expression: view.expression, pose: [Vec3::ZERO; 5] };
        let posed = plan.head.pose_neutral(&neutral, &params);
        frame.cover_head(&plan.head, &posed.positions);
        let points: Vec<[f32; 2]> = read.found.points.iter().map(|p| frame.from_photo(*p)).collect();
        let sure: Vec<f32> = read.found.spread_px.iter().map(|s| confidence(*s, read.found.face.size)).collect();
        let sheet = overlay::draw(&frame, &read.photo, &points, &sure, &plan.head, &posed.positions);
        sheets.push((overlay_path(&plan.out, i, &read.path), png(&sheet)?));
        rows.push(row(plan, i, read, &frame, &params, &posed, &points, &sure)?);
    }
    for (path, bytes) in &sheets {
        formats::publish::write_atomically(path, bytes)?;
    }
    formats::publish::write_atomically(&plan.out.join("plan.toml"), plan.provenance.config_toml.as_bytes())?;
    let person = IdentityRow { split: "train".into(), shape, parameters: "{}".into(), ..Default::default() };
    let identities = plan.out.join("identities/part-00000-of-00001.parquet");
    formats::write_identities::<formats::Error>(&identities, [Ok(person)], &plan.provenance, Existing::Replace)?;
    let frames = plan.out.join("frames/train-00000-of-00001.parquet");
    let rows = rows.into_iter().map(Ok);
    formats::write_frames::<formats::Error>(&frames, rows, &plan.provenance, Existing::Replace)?;
    // Manifest and card: the mark that the dataset is whole.
    match formats::manifest::merge(&plan.out)? {
        formats::manifest::Merged::Refused(findings) => {
            let first = findings.first().map(|f| f.what.clone()).unwrap_or_default();
            Err(Error::Data { what: format!("the folder holds other shards: {first}"), path: plan.out.clone() }.into())
        }
        _ => Ok(()),
    }
}

/// The row of one photo: landmarks as they were seen with their confidence, those that the network does not know where the
/// fitted head has them with confidence 0; world is the head's own space at rest.
#[allow(clippy::too_many_arguments)]
fn row(
    plan: &Plan,
    index: usize,
    read: &Read,
    frame: &Frame,
    params: &HeadParams,
    posed: &head::Posed,
    points: &[[f32; 2]],
    sure: &[f32],
) -> anyhow::Result<FrameRow> {
    let size = frame.canvas.width;
    let landmarks = plan.head.landmarks_at(&posed.positions);
    let mut landmarks_2d: Vec<[f32; 2]> = landmarks.iter().map(|p| frame.camera.project(*p).0.to_array()).collect();
    let known = if Dense::of(&plan.networks, &plan.head) == Dense::Known { points.len() } else { IBUG };
    landmarks_2d[..known].copy_from_slice(&points[..known]);
    let mut landmark_visible = vec![0.0; landmarks.len()];
    landmark_visible[..known].copy_from_slice(&sure[..known]);
    let beyond = read.found.reading.beyond.as_ref();
    let frame_per_photo = 1.0 / frame.scale();
    let mut landmark_spread = vec![0.0; landmarks.len()];
    landmark_spread.iter_mut().zip(&read.found.spread_px[..known]).for_each(|(s, px)| *s = px * frame_per_photo);
    let alpha: Vec<u8> = frame.canvas.planes[3].iter().map(|a| (a * 255.0 + 0.5) as u8).collect();
    let mut row = FrameRow {
        frame_id: index as u64,
        expression_id: index as u32,
        light_id: index as u32,
        split: "train".into(),
        image: png(&frame.canvas.to_rgb8())?,
        alpha: Some(formats::image::png_from_gray8(size, size, &alpha)?),
        landmarks_2d,
        landmarks_3d: landmarks.iter().map(|p| p.to_array()).collect(),
        landmark_visible,
        landmark_spread,
        expression_spread: beyond.map_or_else(Vec::new, |b| b.expression_spread.to_vec()),
        valid: Some(formats::image::png_from_gray8(size, size, &frame.valid())?),
        gaze: posed.gaze.map(|g| g.to_array()),
        light: r#"{"kind":"photo"}"#.into(),
        source_path: read.path.to_string_lossy().into_owned(),
        ..Default::default()
    };
    row.set_camera(&frame.camera);
    row.set_head_params(params);
    Ok(row)
}

fn overlay_path(out: &Path, index: usize, photo: &Path) -> PathBuf {
    let stem = formats::photo::list::short_stem(photo);
    out.join("overlay").join(format!("{index:03}-{stem}.png"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_file_name_has_an_overlay_with_a_name_that_fits() {
        let photo = PathBuf::from(format!("{}.jpg", "é".repeat(125)));
        assert_eq!(photo.as_os_str().len(), 254);
        let overlay = overlay_path(Path::new("out"), 7, &photo);
        let name = overlay.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.len() <= 255 && name.starts_with("007-é") && name.ends_with(".png"), "{name}");
    }
}

fn png(picture: &image::RgbImage) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).context("encoding a PNG")?;
    Ok(bytes.into_inner())
}
