//! Names for versions: `tags/NAME.json`. A tagged version is never collected.
use super::gc;
use super::{VersionedSet, sealed};
use crate::{Error, publish};
use std::path::PathBuf;

/// What a tag file says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Tag {
    version: u64,
    /// Digest of the version, so that the tag vouches for its content.
    log: String,
}

impl VersionedSet {
    /// Gives a version a name of letters, digits, `.`, `_` and `-`, which it keeps until [`VersionedSet::untag`].
    ///
    /// # Errors
    /// [`Error::Create`] when the name is taken or no name; [`Error::Collected`] when the version is gone; as
    /// [`VersionedSet::version`].
    pub fn tag(&self, name: &str, version: u64) -> Result<(), Error> {
        let refuse =
            |kind, why: String| Error::Create { source: std::io::Error::new(kind, why), path: self.root().into() };
        let path = self.tag_file(name)?;
        let tag = Tag { version, log: self.version(version)?.digest().into() };
        publish::create_folder_of(&path)?;
        let (text, _) = sealed::seal(&tag, &path)?;
        if !publish::write_first(&path, &text)? {
            let there = sealed::read::<Tag>("tag", &path)?.0;
            return match there.version == version {
                true => Ok(()),
                false => Err(refuse(
                    std::io::ErrorKind::AlreadyExists,
                    format!("tag {name:?} is version {} already", there.version),
                )),
            };
        }
        // `gc` reads the tags again after its record: it sees this tag, or this sees its record.
        if gc::is_collected(self.root(), version)? {
            self.untag(name)?;
            return Err(Error::Collected { version, path: self.root().into() });
        }
        Ok(())
    }

    /// Takes a name back.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such tag, [`Error::Io`].
    pub fn untag(&self, name: &str) -> Result<(), Error> {
        let path = self.tag_file(name)?;
        std::fs::remove_file(&path).map_err(|e| Error::reading("tag", &path, e))?;
        publish::sync_folder(&path)
    }

    /// Names and versions, by name.
    ///
    /// # Errors
    /// [`Error::Data`] when a tag is damaged, [`Error::Io`].
    pub fn tags(&self) -> Result<Vec<(String, u64)>, Error> {
        let folder = self.root().join("tags");
        let mut tags = Vec::new();
        let entries = match std::fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(tags),
            entries => entries.map_err(|e| Error::reading("tags", &folder, e))?,
        };
        for entry in entries {
            let path = entry.map_err(|e| Error::reading("tags", &folder, e))?.path();
            let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".json"));
            if let Some(name) = name.filter(|n| is_name(n)) {
                let (tag, _) = sealed::read::<Tag>("tag", &path)?;
                if self.version_digest(tag.version)? != tag.log {
                    return Err(Error::data(&path, format!("version {} is not the one that was tagged", tag.version)));
                }
                tags.push((name.to_string(), tag.version));
            }
        }
        tags.sort();
        Ok(tags)
    }

    /// The version a name or a number stands for; `latest` is one.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no such tag; as [`VersionedSet::tags`].
    pub fn resolve(&self, name: &str) -> Result<u64, Error> {
        if name == "latest" {
            return self.latest_number();
        }
        if let Ok(number) = name.trim_start_matches('v').parse() {
            return Ok(number);
        }
        let found = self.tags()?.into_iter().find(|(tag, _)| tag == name);
        found.map(|(_, version)| version).ok_or_else(|| Error::Missing { what: "tag", path: self.root().join(name) })
    }

    fn version_digest(&self, version: u64) -> Result<String, Error> {
        super::log::LogEntry::read(self.root(), version).map(|(_, digest)| digest)
    }

    fn tag_file(&self, name: &str) -> Result<PathBuf, Error> {
        match is_name(name) {
            true => Ok(self.root().join(format!("tags/{name}.json"))),
            false => {
                let why =
                    format!("{name:?} is not a tag name: expected letters, digits, '.', '_' and '-', and not a number");
                let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, why);
                Err(Error::Create { source, path: self.root().into() })
            }
        }
    }
}

/// Not a number, which would hide a version, and nothing that leaves the folder.
fn is_name(name: &str) -> bool {
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let number = name.trim_start_matches('v').parse::<u64>().is_ok();
    letters && !number && !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name != "latest"
}
