//! Is the file of a picture whole? Decoders of JPEG and lossy WebP fill what is missing with gray and say nothing.

/// What a file is called that ends too early.
pub const CUT_SHORT: &str = "cut short";

/// Complains if a JPEG, PNG or WebP ends before its end; other bytes pass.
///
/// # Errors
/// In words.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let whole = match bytes {
        [0xff, 0xd8, ..] => jpeg_is_whole(bytes),
        [0x89, b'P', b'N', b'G', ..] => png_is_whole(bytes),
        [b'R', b'I', b'F', b'F', ..] => webp_is_whole(bytes),
        _ => return Ok(()),
    };
    match whole {
        Some(()) => Ok(()),
        None => Err(CUT_SHORT.into()),
    }
}

/// Walks the segments up to the end-of-image marker (ITU T.81, annex B); bytes after it, as phones append them, pass.
fn jpeg_is_whole(bytes: &[u8]) -> Option<()> {
    const END: u8 = 0xd9;
    const SCAN: u8 = 0xda;
    let mut at = 2;
    loop {
        // Whatever is no marker is passed over, as decoders do; so are fill bytes.
        while *bytes.get(at)? != 0xff || matches!(*bytes.get(at + 1)?, 0x00 | 0xff) {
            at += 1;
        }
        let marker = bytes[at + 1];
        at += 2;
        match marker {
            END => return Some(()),
            0x01 | 0xd0..=0xd8 => continue,
            _ => at += u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]) as usize,
        }
        if marker == SCAN {
            // Entropy-coded data: 0xff is followed by 0 there, or by a restart marker.
            while *bytes.get(at)? != 0xff || matches!(*bytes.get(at + 1)?, 0x00 | 0xd0..=0xd7 | 0xff) {
                at += 1;
            }
        }
    }
}

/// Walks the chunks up to `IEND`.
fn png_is_whole(bytes: &[u8]) -> Option<()> {
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize;
        let kind = bytes.get(at + 4..at + 8)?;
        at = at.checked_add(12)?.checked_add(length)?;
        if at > bytes.len() {
            return None;
        }
        if kind == b"IEND" {
            return Some(());
        }
    }
}

/// As many bytes as the RIFF header says.
fn webp_is_whole(bytes: &[u8]) -> Option<()> {
    let size = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?) as usize;
    (bytes.len() >= size.checked_add(8)?).then_some(())
}
