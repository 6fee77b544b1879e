//! An avatar on disk: a folder with `card.json` and `arrays.safetensors`, there whole or not at all.
use crate::publish::{create_folder_of, sync_folder, temp_beside};
use crate::safe::{Tensors, read_safetensors, write_safetensors};
use crate::{Error, Provenance, card, digest};
use std::path::Path;

/// Newest layout of the folder; a reader refuses newer ones.
pub const SCHEMA_VERSION: u32 = 1;

/// What is in the folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Avatar {
    /// `card.json`.
    pub card: AvatarCard,
    /// `arrays.safetensors`: Gaussians, latents, weights, by name.
    pub arrays: Tensors,
}

/// What the arrays are and where they come from.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AvatarCard {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema_version: u32,
    /// For people.
    pub name: String,
    /// Source of the head model: `makehuman`, `ict`, `flame`, `analytic`.
    pub head_source: String,
    /// Hexadecimal digest of the prior the avatar was made with.
    pub prior_sha256: String,
    /// Hexadecimal digest of `arrays.safetensors`; set by the writer.
    pub arrays_sha256: String,
    /// Side of the UV maps in texels.
    pub uv_size: u32,
    /// Number of Gaussians.
    pub gaussians: u64,
    /// Measured values, with their protocol.
    pub metrics: serde_json::Value,
    /// How it was made.
    pub provenance: Provenance,
    /// Whatever else the maker needs to drive it.
    #[serde(default)]
    pub extra: serde_json::Value,
}

const CARD: &str = "card.json";
const ARRAYS: &str = "arrays.safetensors";

impl Avatar {
    /// Reads the folder; the digest of the arrays is checked.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Data`], [`Error::Version`] or [`Error::Io`].
    pub fn read(folder: &Path) -> Result<Self, Error> {
        if !folder.is_dir() {
            return Err(Error::Missing { what: "avatar folder", path: folder.into() });
        }
        let card: AvatarCard = card::read_json(&folder.join(CARD), "avatar card")?;
        if card.schema_version > SCHEMA_VERSION {
            let (table, path) = ("avatar".into(), folder.into());
            return Err(Error::Version { table, got: card.schema_version, newest: SCHEMA_VERSION, path });
        }
        let path = folder.join(ARRAYS);
        if digest::sha256_of_file(&path)? != card.arrays_sha256 {
            return Err(Error::data(&path, "not the arrays that the card describes (sha256 differs)"));
        }
        Ok(Avatar { card, arrays: read_safetensors(&path)? })
    }

    /// Writes the folder beside its place and renames it; an avatar that was there is replaced, other things are not.
    ///
    /// # Errors
    /// [`Error::Create`] when something else lies there, [`Error::Io`]; nothing half-written remains.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        if folder.exists() && !folder.join(CARD).is_file() {
            let source =
                std::io::Error::new(std::io::ErrorKind::AlreadyExists, "something else than an avatar is there");
            return Err(Error::Create { source, path: folder.into() });
        }
        create_folder_of(folder)?;
        let temp = temp_beside(folder);
        let written = self.write_into(&temp).and_then(|()| swap(&temp, folder));
        if written.is_err() && temp.exists() {
            std::fs::remove_dir_all(&temp).map_err(|source| Error::Io { what: "cannot remove", source, path: temp })?;
        }
        written
    }

    fn write_into(&self, folder: &Path) -> Result<(), Error> {
        let arrays = folder.join(ARRAYS);
        write_safetensors(&arrays, &self.arrays)?;
        let card = AvatarCard {
            schema_version: SCHEMA_VERSION,
            arrays_sha256: digest::sha256_of_file(&arrays)?,
            ..self.card.clone()
        };
        card::write_json(&folder.join(CARD), &card)
    }
}

/// Gives the finished folder its name; the old one steps aside first and is then removed.
fn swap(temp: &Path, folder: &Path) -> Result<(), Error> {
    let io_error = |source| Error::Io { what: "cannot publish", source, path: folder.into() };
    if !folder.exists() {
        std::fs::rename(temp, folder).map_err(io_error)?;
        return sync_folder(folder);
    }
    let old = temp_beside(folder);
    std::fs::rename(folder, &old).map_err(io_error)?;
    if let Err(source) = std::fs::rename(temp, folder) {
        std::fs::rename(&old, folder).map_err(io_error)?;
        return Err(io_error(source));
    }
    sync_folder(folder)?;
    std::fs::remove_dir_all(&old).map_err(io_error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safe::Tensor;

    #[test]
    fn avatars_come_back_and_replace_only_avatars() {
        let base = std::env::temp_dir().join(format!("formats-avatar-{}", std::process::id()));
        let folder = base.join("anna");
        let mut avatar = Avatar::default();
        avatar.card.name = "Anna".into();
        for round in 0..2 {
            avatar.arrays.insert("means", Tensor::f32(&[1, 3], vec![1.0, 2.0, round as f32]));
            avatar.write(&folder).unwrap();
            let back = Avatar::read(&folder).unwrap();
            assert_eq!((back.arrays, back.card.name.as_str()), (avatar.arrays.clone(), "Anna"));
        }
        assert_eq!(std::fs::read_dir(&base).unwrap().count(), 1, "no temporary folder remains");
        let mut bytes = std::fs::read(folder.join(ARRAYS)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(folder.join(ARRAYS), bytes).unwrap();
        assert!(matches!(Avatar::read(&folder), Err(Error::Data { .. })));
        std::fs::remove_file(folder.join(CARD)).unwrap();
        assert!(matches!(avatar.write(&folder), Err(Error::Create { .. })), "a folder that is no avatar is left alone");
        std::fs::remove_dir_all(base).unwrap();
    }
}
