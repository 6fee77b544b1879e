//! An animated WebP that loops forever (container: <https://developers.google.com/speed/webp/docs/riff_container>).
//!
//! Each frame is encoded when it comes, the smallest rectangle that holds what changed since the frame before; a frame
//! that changes nothing prolongs the one before.
use super::{Film, Pixels};
use anyhow::{Context, Result, anyhow};
use formats::exit::Failure;
use formats::publish::write_atomically;
use std::ops::Range;
use std::path::{Path, PathBuf};

const QUALITY: f32 = 82.0;
/// libwebp's effort, 0 … 6.
const METHOD: i32 = 3;
/// The longest duration that 24 bits hold (milliseconds).
const LONGEST_MS: usize = (1 << 24) - 1;

/// A film while it is written.
pub struct Webp {
    path: PathBuf,
    fps: f32,
    /// `ANMF` chunks, the durations of the frames still 0.
    chunks: Vec<u8>,
    /// Of each chunk: where it begins, and the index of its frame.
    starts: Vec<(usize, usize)>,
    n: usize,
    before: Option<Pixels>,
}

/// A lossy still.
fn encode(width: usize, height: usize, channels: usize, data: &[u8]) -> Result<Vec<u8>> {
    let mut config = ::webp::WebPConfig::new().map_err(|()| anyhow!("libwebp refused its own defaults"))?;
    config.quality = QUALITY;
    config.method = METHOD;
    let (width, height) = (width as u32, height as u32);
    let encoder = match channels {
        4 => ::webp::Encoder::from_rgba(data, width, height),
        _ => ::webp::Encoder::from_rgb(data, width, height),
    };
    let still = encoder.encode_advanced(&config).map_err(|err| anyhow!("libwebp: {err:?}"))?;
    Ok(still.to_vec())
}

impl Webp {
    pub fn new(path: &Path, fps: f32) -> Self {
        Webp { path: path.into(), fps, chunks: Vec::new(), starts: Vec::new(), n: 0, before: None }
    }

    /// Appends the part of a frame within `xs` and `ys`.
    fn push(&mut self, frame: &Pixels, xs: Range<usize>, ys: Range<usize>) -> Result<()> {
        let (width, height) = (xs.len(), ys.len());
        let row = |y: usize| &frame.data[(y * frame.width + xs.start) * frame.channels..][..width * frame.channels];
        let part: Vec<u8> = ys.clone().flat_map(row).copied().collect();
        let still = encode(width, height, frame.channels, &part)?;
        let start = self.chunks.len();
        self.chunks.extend(b"ANMF\0\0\0\0");
        for value in [xs.start / 2, ys.start / 2, width - 1, height - 1, 0] {
            self.chunks.extend(u24(value));
        }
        // Not blended over the frame before, which stays around it.
        self.chunks.push(0b10);
        image_chunks(&still, &mut self.chunks).context("libwebp wrote no image")?;
        let size = self.chunks.len() - start - 8;
        self.chunks[start + 4..start + 8].copy_from_slice(&(size as u32).to_le_bytes());
        self.starts.push((start, self.n));
        Ok(())
    }

    /// The file, once the durations are known.
    fn bytes(&mut self) -> Result<Vec<u8>> {
        let last = self.before.as_ref().ok_or_else(|| Failure::bad_data("a clip without frames"))?;
        let milliseconds = |frame: usize| (frame as f64 * 1000.0 / f64::from(self.fps)).round() as usize;
        for (k, &(start, frame)) in self.starts.iter().enumerate() {
            let next = self.starts.get(k + 1).map_or(self.n, |s| s.1);
            let duration = (milliseconds(next) - milliseconds(frame)).min(LONGEST_MS);
            self.chunks[start + 20..start + 23].copy_from_slice(&u24(duration));
        }
        let mut body = b"WEBPVP8X\x0a\0\0\0".to_vec();
        // Animation, and alpha where there is some.
        body.extend([if last.channels == 4 { 0x12 } else { 0x02 }, 0, 0, 0]);
        body.extend(u24(last.width - 1).into_iter().chain(u24(last.height - 1)));
        // No background, endless.
        body.extend(b"ANIM\x06\0\0\0\0\0\0\0\0\0");
        let mut file = b"RIFF".to_vec();
        file.extend(((body.len() + self.chunks.len()) as u32).to_le_bytes());
        file.append(&mut body);
        file.append(&mut self.chunks);
        Ok(file)
    }
}

impl Film for Webp {
    fn add(&mut self, frame: Pixels) -> Result<()> {
        let changed = match &self.before {
            None => Some((0..frame.width, 0..frame.height)),
            Some(before) => changed(before, &frame),
        };
        if let Some((xs, ys)) = changed {
            self.push(&frame, xs, ys)?;
        }
        self.n += 1;
        self.before = Some(frame);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let bytes = self.bytes()?;
        write_atomically(&self.path, &bytes)?;
        Ok(())
    }
}

/// The rectangle that holds all differences, its corner at even places as the container needs; none without difference.
fn changed(a: &Pixels, b: &Pixels) -> Option<(Range<usize>, Range<usize>)> {
    let stride = a.width * a.channels;
    let rows = |y: usize| (&a.data[y * stride..][..stride], &b.data[y * stride..][..stride]);
    let differs = |y: &usize| rows(*y).0 != rows(*y).1;
    let top = (0..a.height).find(differs)?;
    let bottom = (0..a.height).rfind(differs)?;
    let (mut left, mut right) = (a.width, 0);
    for (a_row, b_row) in (top..=bottom).map(rows) {
        let differs = |x: &usize| a_row[x * a.channels..][..a.channels] != b_row[x * a.channels..][..a.channels];
        left = (0..left).find(differs).unwrap_or(left);
        right = (right..a.width).rfind(differs).unwrap_or(right);
    }
    Some((left / 2 * 2..right + 1, top / 2 * 2..bottom + 1))
}

fn u24(value: usize) -> [u8; 3] {
    let [a, b, c, _] = (value as u32).to_le_bytes();
    [a, b, c]
}

/// Appends the chunks of a still that hold its image: `ALPH`, `VP8 ` or `VP8L`.
fn image_chunks(still: &[u8], to: &mut Vec<u8>) -> Option<()> {
    let mut rest = still.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WEBP")?;
    let length = to.len();
    while rest.len() >= 8 {
        let size = u32::from_le_bytes(rest[4..8].try_into().ok()?) as usize;
        let whole = (8 + size + size % 2).min(rest.len());
        if matches!(&rest[..4], b"ALPH" | b"VP8 " | b"VP8L") {
            to.extend(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    (to.len() > length).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::AnimationDecoder;
    use image::codecs::webp::WebPDecoder;

    /// A plain picture with a square at (x, y).
    fn picture(x: usize, y: usize, channels: usize) -> Pixels {
        let mut data = vec![40u8; 32 * 24 * channels];
        for (px, py) in (y..y + 5).flat_map(|py| (x..x + 5).map(move |px| (px, py))) {
            data[(py * 32 + px) * channels..][..3].copy_from_slice(&[200, 60, 60]);
        }
        if channels == 4 {
            data.chunks_exact_mut(4).enumerate().for_each(|(i, p)| p[3] = if i % 32 < 16 { 255 } else { 0 });
        }
        Pixels { width: 32, height: 24, channels, data }
    }

    #[test]
    fn the_changed_rectangle_holds_both_squares() {
        let (a, b) = (picture(3, 5, 3), picture(6, 7, 3));
        assert_eq!(changed(&a, &b), Some((2..11, 4..12)));
        assert_eq!(changed(&a, &a), None);
    }

    #[test]
    fn a_decoder_shows_every_frame() {
        for channels in [3, 4] {
            let mut film = Webp::new(Path::new("unused.webp"), 12.5);
            let frames =
                [picture(3, 5, channels), picture(6, 7, channels), picture(6, 7, channels), picture(1, 1, channels)];
            for frame in &frames {
                film.add(frame.clone()).unwrap();
            }
            let bytes = film.bytes().unwrap();
            let decoder = WebPDecoder::new(std::io::Cursor::new(&bytes)).unwrap();
            let shown: Vec<image::Frame> = decoder.into_frames().collect_frames().unwrap();
            let durations: Vec<u32> = shown.iter().map(|f| f.delay().numer_denom_ms().0).collect();
            assert_eq!(durations, [80, 160, 80], "the third frame prolongs the second");
            for (frame, want) in shown.iter().zip([&frames[0], &frames[1], &frames[3]]) {
                let got = frame.buffer();
                assert_eq!(got.dimensions(), (32, 24));
                let visible = |i: usize| channels == 3 || i % 32 < 14;
                let pairs = got.pixels().zip(want.data.chunks_exact(channels)).enumerate();
                let off = pairs.filter(|(i, _)| visible(*i)).map(|(_, (p, q))| p.0[1].abs_diff(q[1])).max();
                assert!(off < Some(60), "lossy, but the same picture: {off:?}");
                assert_eq!(got.get_pixel(30, 20).0[3], if channels == 4 { 0 } else { 255 });
            }
        }
    }
}
