//! How well embeddings tell people apart: genuine against impostor pairs (ROC), never a bare cosine.
use crate::Error;
use tch::{Kind, Tensor};

/// All pairs of faces, told apart by whether they are of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    /// Of one person.
    pub genuine: Vec<(usize, usize)>,
    /// Of two.
    pub impostor: Vec<(usize, usize)>,
}

/// The pairs among faces of these identities.
///
/// # Errors
/// [`Error::Data`] if there are none of either sort: nothing can be measured then.
pub fn pairs(identities: &[i64]) -> Result<Pairs, Error> {
    let mut pairs = Pairs::default();
    for i in 0..identities.len() {
        for j in i + 1..identities.len() {
            let group = if identities[i] == identities[j] { &mut pairs.genuine } else { &mut pairs.impostor };
            group.push((i, j));
        }
    }
    if pairs.genuine.is_empty() || pairs.impostor.is_empty() {
        let n = identities.len();
        return Err(Error::Data(format!("two people, one of them twice, are needed to measure by; found {n} faces")));
    }
    Ok(pairs)
}

/// Area under the ROC curve, accepted genuine pairs at given rates of accepted impostors, mean cosines; over all pairs
/// of `[n, D]` unit vectors with their `n` identities.
///
/// # Errors
/// [`Error::Shape`] if the numbers differ; as [`pairs`].
pub fn of_embeddings(embeddings: &Tensor, identities: &[i64]) -> Result<serde_json::Value, Error> {
    let n = identities.len();
    crate::error::check_shape("embeddings", embeddings, &[n as i64, -1])?;
    let cosine: Vec<f32> = Vec::try_from(embeddings.matmul(&embeddings.tr()).to_kind(Kind::Float).flatten(0, -1))?;
    let Pairs { genuine, impostor } = pairs(identities)?;
    let [genuine, mut impostor] =
        [genuine, impostor].map(|group| group.iter().map(|&(i, j)| cosine[i * n + j]).collect::<Vec<f32>>());
    impostor.sort_by(f32::total_cmp);
    let people = identities.iter().collect::<std::collections::BTreeSet<_>>().len();
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
    Ok(serde_json::json!({
        "protocol": format!("all pairs of {n} faces of {people} identities that were not trained on"),
        "genuine_pairs": genuine.len(),
        "impostor_pairs": impostor.len(),
        "auc": area(&genuine, &impostor),
        "accepted_at_impostors_1e-1": accepted(&genuine, &impostor, 0.1),
        "accepted_at_impostors_1e-2": accepted(&genuine, &impostor, 0.01),
        "mean_cosine_genuine": mean(&genuine),
        "mean_cosine_impostor": mean(&impostor),
    }))
}

/// Chance that a genuine pair is more alike than an impostor pair; `impostor` is sorted.
fn area(genuine: &[f32], impostor: &[f32]) -> f64 {
    let below: f64 = genuine
        .iter()
        .map(|g| {
            let (less, upto) = (impostor.partition_point(|v| v < g), impostor.partition_point(|v| v <= g));
            0.5 * (less + upto) as f64
        })
        .sum();
    below / (genuine.len() as f64 * impostor.len() as f64)
}

/// Fraction of genuine pairs above the cosine that a share `rate` of the impostors reaches.
fn accepted(genuine: &[f32], impostor: &[f32], rate: f64) -> f64 {
    let above = (rate * impostor.len() as f64).floor() as usize;
    let threshold = impostor[impostor.len() - 1 - above.min(impostor.len() - 1)];
    genuine.iter().filter(|&&g| g > threshold).count() as f64 / genuine.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let separate = Tensor::from_slice(&[1f32, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0]).view([4, 2]);
        let perfect = of_embeddings(&separate, &[0, 0, 1, 1]).unwrap();
        assert_eq!((perfect["auc"].as_f64(), perfect["mean_cosine_impostor"].as_f64()), (Some(1.0), Some(0.0)));
        let reversed = of_embeddings(&separate, &[0, 1, 0, 1]).unwrap();
        assert!(reversed["auc"].as_f64().unwrap() < 0.3);
        assert_eq!(area(&[0.5], &[0.1, 0.5, 0.9]), 0.5);
        assert_eq!(accepted(&[0.2, 0.8], &[0.0, 0.1, 0.3, 0.5], 0.0), 0.5);
        for identities in [[0, 1, 2, 3], [0, 0, 0, 0]] {
            assert!(matches!(of_embeddings(&separate, &identities), Err(Error::Data(_))), "{identities:?}");
        }
    }
}
