//! What a failed download leaves instead of weights.

/// Says what the first bytes of a file are, if they are a Git LFS pointer, a web page or an error answer instead of weights.
pub fn named(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(512)];
    let text = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    let starts = |words: &[&str]| words.iter().any(|word| text.starts_with(word));
    match () {
        () if bytes.is_empty() => Some("an empty file, not weights; download it again"),
        () if starts(&["version https://git-lfs.github.com"]) => Some(
            "a Git LFS pointer, not the weights it stands for; fetch them with `git lfs pull` or download the file itself",
        ),
        () if starts(&["<!doctype html", "<html", "<head", "<?xml"]) => {
            Some("a web page, not weights; download the file itself (on the Hub the link with /resolve/, not /blob/)")
        }
        () if starts(&[
            "{\"error\"",
            "{\"message\"",
            "invalid username or password",
            "access to model",
            "entry not found",
        ]) =>
        {
            Some("a server's error message, not weights; open the file to read it, then download again")
        }
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn pointers_and_pages_are_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n";
        assert!(named(pointer).is_some_and(|text| text.contains("git lfs pull")));
        assert!(named(b"\xef\xbb\xbf\n<!DOCTYPE html><html>").is_some_and(|text| text.contains("web page")));
        assert!(named(b"{\"error\":\"Repository not found\"}").is_some_and(|text| text.contains("error message")));
        assert!(
            named(b"").is_some() && named(b"PK\x03\x04").is_none() && named(&[16, 0, 0, 0, 0, 0, 0, 0, b'{']).is_none()
        );
    }
}
