//! Small JSON files that vouch for themselves: their first field is the SHA-256 of the rest.
//!
//! The digest is that of the text with sixty-four zeros in the digest's place. Any reader of JSON reads the file; one
//! that checks it finds every changed byte.
use crate::{Error, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// What stands before the digest.
const OPENING: &str = "{\n  \"digest\": \"";
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(serde::Serialize, serde::Deserialize)]
struct Envelope<T> {
    digest: String,
    #[serde(flatten)]
    body: T,
}

/// The text of `body` and its digest.
///
/// # Errors
/// [`Error::Data`] when `body` is nothing JSON has an object for.
pub(crate) fn seal<T: Serialize>(body: &T, path: &Path) -> Result<(Vec<u8>, String), Error> {
    let envelope = Envelope { digest: ZEROS.into(), body };
    let text = serde_json::to_string_pretty(&envelope).map_err(|e| Error::data(path, e.to_string()))? + "\n";
    let digest = digest::hex(&digest::sha256(text.as_bytes()));
    Ok((text.replacen(ZEROS, &digest, 1).into_bytes(), digest))
}

/// Reads what [`seal`] wrote: the body and its digest.
///
/// # Errors
/// [`Error::Missing`], [`Error::Io`]; [`Error::Data`] when a byte is not the one that was written.
pub(crate) fn read<T: DeserializeOwned>(what: &'static str, path: &Path) -> Result<(T, String), Error> {
    let bytes = std::fs::read(path).map_err(|e| Error::reading(what, path, e))?;
    unseal(&bytes).map_err(|why| Error::data(path, format!("{what}: {why}")))
}

fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, String), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not text")?;
    let rest = text.strip_prefix(OPENING).ok_or("does not begin with its digest")?;
    let (digest, rest) = rest.split_at_checked(ZEROS.len()).ok_or("cut short")?;
    let found = digest::hex(&digest::sha256(format!("{OPENING}{ZEROS}{rest}").as_bytes()));
    if found != digest {
        return Err("not the bytes that were written (sha256 differs)".into());
    }
    let envelope: Envelope<T> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok((envelope.body, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_flipped_bit_is_found() {
        let body = BTreeMap::from([("loss", 0.1 + 0.2), ("tiny", 1e-300)]);
        let (bytes, digest) = seal(&body, Path::new("a.json")).unwrap();
        let (back, found) = unseal::<BTreeMap<String, f64>>(&bytes).unwrap();
        assert_eq!((back["loss"], found), (0.1 + 0.2, digest));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal::<BTreeMap<String, f64>>(&bent).is_err(), "bit {bit}");
        }
        assert!((0..bytes.len()).all(|n| unseal::<BTreeMap<String, f64>>(&bytes[..n]).is_err()));
    }
}
