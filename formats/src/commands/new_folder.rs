//! A folder that appears whole or not at all.
use formats::{Error, publish};
use std::path::{Path, PathBuf};

/// A folder that gets its name when it is finished, and is removed when it is not.
pub struct NewFolder {
    /// Where its files are written meanwhile.
    pub path: PathBuf,
    published: bool,
}

impl NewFolder {
    /// That will become `out`.
    ///
    /// # Errors
    /// Its parent takes no folder.
    pub fn beside(out: &Path) -> Result<Self, Error> {
        let path = publish::temp_beside(out);
        // A job that was killed left its folder.
        path.parent().into_iter().for_each(publish::sweep_once);
        std::fs::create_dir_all(&path).map_err(|source| Error::Create { source, path: out.into() })?;
        Ok(NewFolder { path, published: false })
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// Something of that name came up meanwhile.
    pub fn publish(mut self, out: &Path) -> Result<(), Error> {
        std::fs::rename(&self.path, out).map_err(|source| Error::Create { source, path: out.into() })?;
        self.published = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        if !self.published {
            publish::remove_folder(&self.path);
        }
    }
}
