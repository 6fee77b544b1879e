//! A tracked video as a recording of the Live Link Face app.
use super::work;
use formats::live_link::{add_line, header};
use formats::motion::Frame;
use formats::publish::write_atomically;
use std::path::Path;

/// Writes the dataset at `out` as `path`; frames without a face between others become lines without values.
///
/// # Errors
/// If the dataset cannot be read or the file not be written.
pub fn write(out: &Path, path: &Path) -> anyhow::Result<()> {
    let mut text = header();
    let mut before: Option<(u64, f64)> = None;
    work::each_row(out, |row| {
        let (number, seconds) = (row.frame_id, row.frame_time.unwrap_or_default());
        if let Some((last, last_s)) = before {
            let step = (seconds - last_s) / (number - last) as f64;
            (1..number - last).for_each(|k| add_line(&mut text, last_s + step * k as f64, None));
        }
        add_line(&mut text, seconds, Some(&Frame::of_row(row)));
        before = Some((number, seconds));
    })?;
    Ok(write_atomically(path, text.as_bytes())?)
}
