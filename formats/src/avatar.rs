//! An avatar on disk: a folder with the weights that draw the person and a card that says what they are.
//!
//! What is in the weights is their maker's own; names, version and card are common, so that whoever makes an avatar, it
//! is listed, driven and shown by the same tools. The folder needs nothing else: no prior, no photo.
use crate::card::{read_json, write_json};
use crate::{Error, Provenance, digest};
use std::path::{Path, PathBuf};

/// File names in an avatar folder.
pub const WEIGHTS: &str = "avatar.safetensors";
/// See [`WEIGHTS`].
pub const CARD: &str = "card.json";
/// Newest layout of the folder; a reader refuses newer ones.
pub const SCHEMA_VERSION: u32 = 2;

/// What the weights of an avatar are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AvatarKind {
    /// A network that decodes UV maps, and a person's code for it (`invert`).
    #[default]
    Maps,
    /// Gaussians bound to the triangles of a person's mesh (`zero1a`).
    Rigged,
}

/// The card of an avatar.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AvatarCard {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// What the weights are; folders of version 1 are all [`AvatarKind::Maps`].
    #[serde(default)]
    pub kind: AvatarKind,
    /// Shown in titles.
    pub name: String,
    /// Rows of the input shard it was fitted to.
    pub frame_ids: Vec<u64>,
    /// Expression of each of those rows, ARKit order.
    pub expressions: Vec<Vec<f32>>,
    /// Number of Gaussians.
    pub gaussians: i64,
    /// How the fit ended, and how long it took.
    pub metrics: serde_json::Value,
    /// How it was made.
    pub provenance: Provenance,
    /// Hexadecimal digest of the weights; set by [`AvatarCard::write`], empty in folders older than it.
    #[serde(default)]
    pub weights_sha256: String,
}

impl AvatarCard {
    /// Writes the folder: `write_weights` makes the file it is told, the card follows, so that a folder whose card fits
    /// its weights is whole.
    ///
    /// # Errors
    /// [`Error::Create`], [`Error::Io`] and those of `write_weights`.
    pub fn write<E: From<Error>>(
        &self,
        folder: &Path,
        write_weights: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let weights = folder.join(WEIGHTS);
        write_weights(&weights)?;
        let weights_sha256 = digest::sha256_of_file(&weights)?;
        let card = AvatarCard { schema_version: SCHEMA_VERSION, weights_sha256, ..self.clone() };
        Ok(write_json(&folder.join(CARD), &card)?)
    }

    /// Reads the card of a folder, and says where its weights lie.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Io`], [`Error::Version`], or [`Error::Data`] if the weights are not the card's.
    pub fn read(folder: &Path) -> Result<(Self, PathBuf), Error> {
        let card: AvatarCard = read_json(&folder.join(CARD), "avatar card")?;
        if card.schema_version > SCHEMA_VERSION {
            let (table, path) = ("avatar".into(), folder.into());
            return Err(Error::Version { table, got: card.schema_version, newest: SCHEMA_VERSION, path });
        }
        let weights = folder.join(WEIGHTS);
        if !card.weights_sha256.is_empty() && digest::sha256_of_file(&weights)? != card.weights_sha256 {
            return Err(Error::data(&weights, "not the weights that the card describes (sha256 differs)"));
        }
        Ok((card, weights))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::write_atomically;

    #[test]
    fn an_avatar_comes_back_and_its_damage_shows() {
        let base = std::env::temp_dir().join(format!("formats-avatar-{}", std::process::id()));
        let folder = base.join("anna");
        let card = AvatarCard { name: "Anna".into(), frame_ids: vec![3, 5], ..Default::default() };
        for content in [b"first", b"again"] {
            card.write(&folder, |path| write_atomically(path, content)).unwrap();
            let (back, weights) = AvatarCard::read(&folder).unwrap();
            assert_eq!((back.name.as_str(), back.frame_ids), ("Anna", vec![3, 5]));
            assert_eq!(std::fs::read(weights).unwrap(), content);
        }
        std::fs::write(folder.join(WEIGHTS), b"agaim").unwrap();
        assert!(matches!(AvatarCard::read(&folder), Err(Error::Data { .. })));
        let newer = AvatarCard { schema_version: SCHEMA_VERSION + 1, ..card };
        write_json(&folder.join(CARD), &newer).unwrap();
        assert!(matches!(AvatarCard::read(&folder), Err(Error::Version { .. })));
        std::fs::remove_file(folder.join(CARD)).unwrap();
        assert!(matches!(AvatarCard::read(&folder), Err(Error::Missing { .. })));
        std::fs::remove_dir_all(base).unwrap();
    }
}
