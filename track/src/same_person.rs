//! Do several photos show one person? The recognizer compares their faces; the photo unlike all others is named.
//!
//! The recognizer is trained on renders alone, so that it tells people apart less well than public ones do: what it says
//! is a warning, not a refusal.
use nets::losses::recognizer::Recognizer;
use std::path::PathBuf;
use tch::Tensor;

/// Below this cosine to every other photo, a photo may show somebody else.
/// On photos of three people: 0.63 to 0.86 for one person, at most 0.09 between a woman and two men, but up to 0.80 between
/// the two men, whom this recognizer cannot tell apart (docs/track.md).
pub const LEAST_COSINE: f64 = 0.3;

/// The photo that is least like the others.
#[derive(Clone, Debug, PartialEq)]
pub struct OddOne {
    /// Which photo.
    pub photo: PathBuf,
    /// Its cosine to the photo it is most like.
    pub cosine: f64,
}

/// Cosine between the faces of all pairs, `[N, N]`; `crops` are the recognizer's, `[N, 3, 96, 96]`.
pub fn cosines(recognizer: &Recognizer, crops: &Tensor) -> Vec<Vec<f64>> {
    let embeddings = tch::no_grad(|| recognizer.embed(crops));
    let n = embeddings.size()[0];
    let products = embeddings.matmul(&embeddings.transpose(0, 1));
    (0..n).map(|i| (0..n).map(|j| products.double_value(&[i, j])).collect()).collect()
}

/// The photo whose best cosine to any other is lowest, if that is below [`LEAST_COSINE`]. Of two unlike photos, the second.
pub fn odd_one(photos: &[PathBuf], cosines: &[Vec<f64>]) -> Option<OddOne> {
    let best = |i: usize| (0..photos.len()).filter(|j| *j != i).map(|j| cosines[i][j]).fold(f64::MIN, f64::max);
    let worst = (0..photos.len()).rev().min_by(|a, b| best(*a).total_cmp(&best(*b)))?;
    (photos.len() > 1 && best(worst) < LEAST_COSINE)
        .then(|| OddOne { photo: photos[worst].clone(), cosine: best(worst) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(n: usize) -> Vec<PathBuf> {
        (0..n).map(|i| PathBuf::from(format!("{i}.jpg"))).collect()
    }

    #[test]
    fn one_stranger_among_three_is_named() {
        let cosines = [[1.0, 0.7, 0.1], [0.7, 1.0, 0.2], [0.1, 0.2, 1.0]].map(Vec::from);
        assert_eq!(odd_one(&photos(3), &cosines).map(|o| o.photo), Some(PathBuf::from("2.jpg")));
    }

    #[test]
    fn of_two_strangers_the_second_is_named_and_one_photo_is_never_odd() {
        let cosines = [[1.0, 0.05], [0.05, 1.0]].map(Vec::from);
        assert_eq!(odd_one(&photos(2), &cosines), Some(OddOne { photo: "1.jpg".into(), cosine: 0.05 }));
        assert_eq!(odd_one(&photos(1), &[vec![1.0]]), None);
    }

    #[test]
    fn a_profile_that_is_like_one_of_the_others_passes() {
        let cosines = [[1.0, 0.7, 0.1], [0.7, 1.0, 0.4], [0.1, 0.4, 1.0]].map(Vec::from);
        assert_eq!(odd_one(&photos(3), &cosines), None);
    }
}
