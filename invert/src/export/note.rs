//! What an exported file was made from, for whoever finds it.
use formats::AvatarCard;
use formats::provenance::git_commit;
use serde_json::{Value, json};

/// A Gaussian of which the photos show less counts as unseen: a third of the pixels that count as half seen.
const UNSEEN: f32 = 0.1;

/// The note on an avatar with `card`; `seen` is [`crate::Avatar::seen`].
///
/// | key              | meaning                                                                    |
/// |------------------|----------------------------------------------------------------------------|
/// | `tool_version`, `git_commit` | what exported it                                               |
/// | `avatar`         | name, kind, number of Gaussians, frame ids of the images, digest of its weights |
/// | `made_by`        | tool, version, commit, and the inputs' names and digests of the card        |
/// | `unseen_fraction` | fraction of the Gaussians that no photo showed; null where the avatar does not know |
pub fn note(card: &AvatarCard, seen: Option<&[f32]>) -> Value {
    let unseen = |seen: &[f32]| seen.iter().filter(|s| **s < UNSEEN).count() as f64 / seen.len().max(1) as f64;
    let made = &card.provenance;
    let inputs: serde_json::Map<String, Value> =
        made.inputs.iter().map(|(name, digest)| (name.clone(), digest.as_str().into())).collect();
    json!({
        "tool": "invert",
        "tool_version": env!("CARGO_PKG_VERSION"),
        "git_commit": git_commit(),
        "avatar": {
            "name": card.name, "kind": card.kind, "gaussians": card.gaussians, "frame_ids": card.frame_ids,
            "weights_sha256": card.weights_sha256,
        },
        "made_by": {
            "tool": made.tool, "tool_version": made.tool_version, "git_commit": made.git_commit,
            "config_hash": made.config_hash, "inputs_sha256": inputs,
        },
        "unseen_fraction": seen.map(unseen),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_digests_and_what_no_photo_saw() {
        let mut card = AvatarCard { name: "Ada".into(), weights_sha256: "ab12".into(), ..AvatarCard::default() };
        card.provenance.inputs = vec![("prior".into(), "cd34".into())];
        let said = note(&card, Some(&[0.0, 0.05, 0.7, 1.0]));
        assert_eq!(said["avatar"]["weights_sha256"], "ab12");
        assert_eq!(said["made_by"]["inputs_sha256"]["prior"], "cd34");
        assert_eq!(said["unseen_fraction"], 0.5);
        assert!(note(&card, None)["unseen_fraction"].is_null());
    }
}
