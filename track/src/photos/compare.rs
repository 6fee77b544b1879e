//! Warns if a photo seems to show another person than the others.
use super::Plan;
use super::read::ReadPhoto;
use crate::picture::Canvas;
use crate::reading::tensor_of;
use crate::same_person;
use formats::log;
use head::ibug;
use nets::losses::recognizer::{CROP, Recognizer};
use tch::{Device, Tensor};

/// Compares the faces of several photos.
pub fn warn_of_another_person(recognizer: &Recognizer, photos: &[ReadPhoto], plan: &Plan) {
    let crops: Vec<Tensor> = photos.iter().map(|photo| face_crop(photo, plan.tracker.networks.device())).collect();
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
fn face_crop(photo: &ReadPhoto, device: Device) -> Tensor {
    // Twice the recognizer's resolution is enough, and large photos are reduced without aliasing.
    let place = photo.found.face.crop(4 * CROP, 2.0);
    let mut canvas = Canvas::new(4 * CROP, 4 * CROP);
    photo.pixels.warp(&place, &mut canvas);
    let points: Vec<[f32; 2]> = photo.found.points[..ibug::COUNT].iter().map(|p| place.apply(*p)).collect();
    Recognizer::crops(&tensor_of(&[canvas]).to_device(device), &[&points])
}
