//! Which of a photo's faces is fitted.
use crate::Error;
use crate::face;
use crate::finder::Found;
use crate::picture::Mips;
use crate::tracker::Tracker;
use formats::progress::Talk;
use std::path::Path;

/// Which face of a photo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaceChoice {
    /// There must be exactly one.
    Only,
    /// The largest.
    Largest,
    /// By number, the largest first, from 0.
    Number(usize),
}

/// Finds the faces of the photo at `path` and takes the one that `asked` says.
///
/// # Errors
/// [`Error::NoFace`], [`Error::SeveralFaces`], [`Error::NoSuchFace`].
pub fn choose(tracker: &Tracker, asked: FaceChoice, photo: &Mips, path: &Path, talk: Talk) -> Result<Found, Error> {
    let config = &tracker.config.find;
    let findings = tracker.networks.find(photo, config);
    for f in &findings.faces {
        let scores = serde_json::json!({ "detector": f.detector, "is_face": f.is_face, "disagreement": f.disagreement,
            "spread": f.spread, "score": f.face.score, "centre": f.face.centre, "size": f.face.size });
        talk.event("face", scores);
    }
    let (width, height) = photo.size();
    let boxes = || face::list(&findings.faces.iter().map(|f| f.face).collect::<Vec<_>>());
    let count = findings.faces.len();
    let index = match asked {
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
