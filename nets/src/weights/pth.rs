//! Weights that PyTorch saved (`.pth`, `.pt`, `.ckpt`, `.bin`), read without running anything.
//!
//! Such a file is a zip of a pickle (a small program that builds objects) and of raw storages. Here that program may
//! build dictionaries, lists, numbers, strings and tensors, and nothing else: an opcode or a global beyond those that
//! `torch.save` of a state dict writes is an error with its name, never a call. Pickle protocol 2 as of PyTorch ≥ 1.6.
use crate::weights::stand_in;
use crate::{Checkpoint, Error};
use archive::Archive;
use machine::Machine;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use tch::Tensor;
use value::Value;

mod archive;
mod cursor;
mod machine;
mod value;

/// Reads every tensor of a state dict; nesting (`{"state_dict": {…}, "best": …}`, see [`STATE_DICTS`]) and a `module.` prefix are
/// undone.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] if it is no such file, is damaged, or asks for anything but tensors.
pub fn load(path: &Path) -> Result<Checkpoint, Error> {
    let fail = |what: String| Error::Format { what, path: path.to_path_buf() };
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut head = Vec::new();
    file.by_ref().take(512).read_to_end(&mut head).map_err(Error::io(path))?;
    if let Some(what) = stand_in::named(&head) {
        return Err(fail(what.into()));
    }
    let zip = zip::ZipArchive::new(file).map_err(|e| {
        fail(format!("not a PyTorch zip file ({e}); files from before PyTorch 1.6 must be saved again"))
    })?;
    let mut archive = Archive { zip, folder: String::new() };
    let program = archive.pickle().map_err(&fail)?;
    let object = Machine::new(archive).run(&program).map_err(&fail)?;
    let tensors = state_dict(&object).ok_or_else(|| fail("no dictionary of tensors".into()))?;
    let mut weights = Checkpoint::named(path);
    for (name, t) in tensors {
        weights.insert(name.strip_prefix("module.").unwrap_or(&name), t);
    }
    Ok(weights)
}

/// Keys under which training scripts keep the state dict, beside metrics, optimizers and configurations. The first that holds
/// tensors is taken; only without any of them are the tensors beside it.
const STATE_DICTS: [&str; 8] =
    ["state_dict", "model_state_dict", "model", "module", "net", "params_ema", "params", "generator"];

fn state_dict(object: &Value) -> Option<Vec<(String, Tensor)>> {
    let Value::Dict(dict) = object else { return None };
    let dict = dict.borrow();
    let inner = |name: &str| dict.iter().find(|(k, _)| matches!(k, Value::Text(t) if &**t == name));
    if let Some(tensors) = STATE_DICTS.iter().find_map(|name| state_dict(&inner(name)?.1)) {
        return Some(tensors);
    }
    let tensors: Vec<(String, Tensor)> = dict
        .iter()
        .filter_map(|(k, v)| match (k, v) {
            (Value::Text(name), Value::Tensor(t)) => Some((name.to_string(), t.shallow_clone())),
            _ => None,
        })
        .collect();
    (!tensors.is_empty()).then_some(tensors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn zipped(pickle: &[u8], storages: &[(&str, &[u8])]) -> std::path::PathBuf {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let n = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("effigy-pth-{}-{n}.pth", std::process::id()));
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        for (name, bytes) in [("data.pkl", pickle)].into_iter().chain(storages.iter().copied()) {
            zip.start_file(format!("archive/{name}"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn read(pickle: &[u8], storages: &[(&str, &[u8])]) -> Result<Checkpoint, Error> {
        let path = zipped(pickle, storages);
        let read = load(&path);
        std::fs::remove_file(path).unwrap();
        read
    }

    fn text(out: &mut Vec<u8>, s: &str) {
        out.push(b'X');
        out.extend((s.len() as u32).to_le_bytes());
        out.extend(s.as_bytes());
    }

    /// `{"w": tensor}` as `torch.save` writes it, with size and stride given.
    fn one_tensor(size: [u8; 2], stride: [u8; 2]) -> Vec<u8> {
        let mut p = vec![0x80, 2, b'}', b'q', 0];
        text(&mut p, "w");
        p.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut p, "storage");
        p.extend(b"ctorch\nFloatStorage\n");
        text(&mut p, "0");
        text(&mut p, "cpu");
        p.extend([b'K', 6, b't', b'Q', b'K', 0]);
        p.extend([b'K', size[0], b'K', size[1], 0x86, b'K', stride[0], b'K', stride[1], 0x86]);
        p.extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
        p
    }

    fn six() -> Vec<u8> {
        (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect()
    }

    #[test]
    fn a_tensor_comes_with_its_strides() {
        let file = read(&one_tensor([2, 3], [1, 2]), &[("data/0", &six())]).unwrap();
        let want = Tensor::from_slice(&[0f32, 2.0, 4.0, 1.0, 3.0, 5.0]).view([2, 3]);
        assert_eq!(*file.get("w").unwrap(), want);
    }

    #[test]
    fn a_program_that_would_run_something_is_refused() {
        let evil = b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
        let error = read(evil, &[]).unwrap_err().to_string();
        assert!(error.contains("os.system") && error.contains("refused"), "{error}");
        let opcode = read(b"\x80\x04\x93.", &[]).unwrap_err().to_string();
        assert!(opcode.contains("0x93"), "{opcode}");
    }

    #[test]
    fn a_tensor_beyond_its_storage_is_refused() {
        for (size, stride) in [([2, 4], [4, 1]), ([2, 3], [200, 255])] {
            let error = read(&one_tensor(size, stride), &[("data/0", &six())]).unwrap_err().to_string();
            assert!(error.contains("in a storage of 6"), "{error}");
        }
    }

    /// `{"best": tensor, "state_dict": {"w": tensor}}`, in either order.
    #[test]
    fn the_state_dict_is_chosen_before_what_lies_beside_it() {
        let tensor = |p: &mut Vec<u8>| {
            let one = one_tensor([2, 3], [3, 1]);
            // Without protocol and dictionary before it, and without the setting of its key and the end after it.
            p.extend(&one[5 + 6..one.len() - 2]);
        };
        for best_first in [true, false] {
            let mut p = vec![0x80, 2, b'}', b'q', 0];
            let best = |p: &mut Vec<u8>| {
                text(p, "best");
                tensor(p);
                p.push(b's');
            };
            if best_first {
                best(&mut p);
            }
            text(&mut p, "state_dict");
            p.push(b'}');
            text(&mut p, "w");
            tensor(&mut p);
            p.extend(b"ss");
            if !best_first {
                best(&mut p);
            }
            p.push(b'.');
            let file = read(&p, &[("data/0", &six())]).unwrap();
            assert_eq!(file.names().collect::<Vec<_>>(), ["w"], "best first: {best_first}");
        }
    }

    #[test]
    fn a_pointer_or_a_page_is_named() {
        let path = std::env::temp_dir().join(format!("effigy-page-{}.pth", std::process::id()));
        for (bytes, words) in [
            (&b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"[..], "Git LFS pointer"),
            (b"<!doctype html>\n<html></html>", "a web page"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            for error in [load(&path).unwrap_err(), Checkpoint::load(&path).unwrap_err()] {
                assert!(error.to_string().contains(words), "{error}");
            }
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn damage_is_an_error() {
        let whole = one_tensor([2, 3], [3, 1]);
        for end in 0..whole.len() - 1 {
            assert!(read(&whole[..end], &[("data/0", &six())]).is_err(), "{end}");
        }
        assert!(read(&whole, &[]).is_err(), "a storage is missing");
    }
}
