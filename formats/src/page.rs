//! What the tools' report pages share: one look, and pictures that travel inside the page.
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

/// The style sheet of every report page.
pub const STYLE: &str = include_str!("page/report.css");

/// A picture as the address of an `<img>`; `kind` is `png` or `webp`.
pub fn data_uri(kind: &str, bytes: &[u8]) -> String {
    format!("data:image/{kind};base64,{}", BASE64.encode(bytes))
}

/// Text that is no markup.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_stays_text_and_pictures_stay_within() {
        assert_eq!(escape("<b>&"), "&lt;b&gt;&amp;");
        assert_eq!(data_uri("png", b"abc"), "data:image/png;base64,YWJj");
    }
}
