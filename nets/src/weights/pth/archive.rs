//! The zip that PyTorch saves: one folder with the pickle and the storages.
use std::fs::File;
use std::io::Read;

/// An open file.
pub struct Archive {
    pub zip: zip::ZipArchive<File>,
    /// Name of the folder, with its slash; known once the pickle is read.
    pub folder: String,
}

impl Archive {
    /// The pickle's bytes.
    pub fn pickle(&mut self) -> Result<Vec<u8>, String> {
        let name = self.zip.file_names().find(|n| n.ends_with("/data.pkl")).map(str::to_owned);
        let name = name.ok_or("a zip without data.pkl")?;
        self.folder = name.trim_end_matches("data.pkl").into();
        if let Ok(order) = self.read("byteorder")
            && order != b"little"
        {
            return Err("saved on a big-endian machine".into());
        }
        self.read("data.pkl")
    }

    /// The bytes of an entry of the folder.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let full = format!("{}{name}", self.folder);
        let mut entry = self.zip.by_name(&full).map_err(|e| format!("{full}: {e}"))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| format!("{full}: {e}"))?;
        Ok(bytes)
    }
}
