//! How well embeddings tell people apart: genuine against impostor pairs (ROC), never a bare cosine.
use crate::Error;
use tch::{Kind, Tensor};

/// Area under the ROC curve, accepted genuine pairs at given rates of accepted impostors, mean cosines; over all pairs
/// of `[n, D]` unit vectors with their `n` identities. Null if there are no genuine or no impostor pairs.
///
/// # Errors
/// [`Error::Shape`] if the numbers differ.
pub fn of_embeddings(embeddings: &Tensor, identities: &[i64]) -> Result<serde_json::Value, Error> {
    let n = identities.len();
    crate::error::check_shape("embeddings", embeddings, &[n as i64, -1])?;
    let cosine: Vec<f32> = Vec::try_from(embeddings.matmul(&embeddings.tr()).to_kind(Kind::Float).flatten(0, -1))?;
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for i in 0..n {
        for j in i + 1..n {
            let group = if identities[i] == identities[j] { &mut genuine } else { &mut impostor };
            group.push(cosine[i * n + j]);
        }
    }
    if genuine.is_empty() || impostor.is_empty() {
        return Ok(serde_json::Value::Null);
    }
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

/// Share of genuine pairs above the cosine that a share `rate` of the impostors reaches.
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
        assert!(of_embeddings(&separate, &[0, 1, 2, 3]).unwrap().is_null(), "no genuine pair, no figure");
    }
}
