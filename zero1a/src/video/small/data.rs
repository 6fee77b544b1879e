//! Clips for training, cut from the shards of `datagen`: pictures of one person with their landmark maps.
use super::config::SmallConfig;
use crate::landmark_map;
use crate::video::Condition;
use crate::video::moved::moved;
use formats::image::rgb8_from_encoded;
use formats::{Dataset, FrameRow};
use nets::Error;
use nets::pictures::data::{linear_from_srgb, mask_from_png, srgb_from_linear, tensor_from_decoded};
use nets::rng::Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// Clips of held-out people that figures are measured on.
const HELD_OUT_CLIPS: usize = 8;

/// Pictures and maps in memory, `[N, 3, S, S]` u8, and whose they are.
pub struct ClipData {
    pictures: Tensor,
    maps: Tensor,
    /// 68 a row, pixels of S.
    landmarks: Vec<Vec<[f32; 2]>>,
    train: Vec<Person>,
    held_out: Vec<Person>,
    origin: String,
}

/// The frames of one person, under one light.
struct Person {
    frames: Vec<Frame>,
}

/// A row of [`ClipData`].
#[derive(Clone, Copy)]
struct Frame {
    row: usize,
    expression_id: u32,
    camera_id: u32,
    yaw_rad: f32,
}

/// A clip to learn from, by rows of [`ClipData`].
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// The picture that tells who the person is.
    pub reference: usize,
    /// What is to be made, in order.
    pub frames: Vec<usize>,
}

impl ClipData {
    /// Reads the rows of as many people as `cache_images` allows (a random choice), and all held-out ones. People with
    /// fewer than `frames` rows under one light are passed over. Behind every head comes white.
    ///
    /// # Errors
    /// [`Error::Data`] if nobody is left to train on or to measure by; a picture that cannot be read.
    pub fn open(
        sets: &[Dataset],
        config: &SmallConfig,
        frames: usize,
        cache_images: usize,
        seed: u64,
    ) -> Result<Self, Error> {
        let (mut rows, mut people) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (held_out, limit) in [(false, cache_images), (true, usize::MAX)] {
            let mut groups: Vec<(&Dataset, Vec<usize>)> = Vec::new();
            for data in sets {
                groups.extend(people_of(data, held_out, frames).into_iter().map(|g| (data, g)));
            }
            for i in formats::order::shuffled(&(0..groups.len()).collect::<Vec<_>>(), seed, 0) {
                let (data, group) = &groups[i];
                if people[usize::from(held_out)].is_empty() || rows.len() + group.len() <= limit {
                    people[usize::from(held_out)].push(person(data, group, rows.len()));
                    rows.extend(group.iter().map(|&i| (*data, i)));
                }
            }
        }
        let [train, held_out] = people;
        if train.is_empty() || held_out.is_empty() {
            let which = if train.is_empty() { "split `train`" } else { "the splits `val` and `test`" };
            return Err(Error::Data(format!("nobody with {frames} frames under one light in {which}")));
        }
        let read = |&(data, i): &(&Dataset, usize)| read(data, i, config.size);
        let rows = rows.par_iter().map(read).collect::<Result<Vec<Row>, Error>>()?;
        let sources = sets.iter().map(Dataset::origin).collect::<Vec<_>>().join("; ");
        let origin = format!("{} pictures of {} people ({sources})", rows.len(), train.len());
        let stacked = |of: fn(&Row) -> &Tensor| Tensor::stack(&rows.iter().map(of).collect::<Vec<_>>(), 0);
        let (pictures, maps) = (stacked(|r| &r.picture), stacked(|r| &r.map));
        let landmarks = rows.into_iter().map(|r| r.landmarks).collect();
        Ok(ClipData { pictures, maps, landmarks, train, held_out, origin })
    }

    /// How much there is and where it is from, for cards.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Rows of people to train on.
    pub fn train_rows(&self) -> Vec<usize> {
        self.train.iter().flat_map(|p| p.frames.iter().map(|f| f.row)).collect()
    }

    /// Rows of people to measure by.
    pub fn held_out_rows(&self) -> Vec<usize> {
        self.held_out.iter().flat_map(|p| p.frames.iter().map(|f| f.row)).collect()
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pictures.size()[0] as usize
    }

    /// Never: [`ClipData::open`] refuses it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pictures by row, `[n, 3, S, S]` in 0..=1.
    pub fn pictures(&self, rows: &[usize], device: Device) -> Tensor {
        gather(&self.pictures, rows, device)
    }

    /// Landmark maps by row, `[n, 3, S, S]` in 0..=1.
    pub fn maps(&self, rows: &[usize], device: Device) -> Tensor {
        gather(&self.maps, rows, device)
    }

    /// The picture of a row moved to the landmarks of others, `[n, 3, S, S]` in 0..=1.
    pub fn moved(&self, reference: usize, rows: &[usize], device: Device) -> Tensor {
        let to: Vec<Vec<[f32; 2]>> = rows.iter().map(|&r| self.landmarks[r].clone()).collect();
        moved(&self.pictures(&[reference], device).squeeze_dim(0), &self.landmarks[reference], &to)
    }

    /// What a clip is conditioned on.
    pub fn condition(&self, clip: &Clip, device: Device) -> Condition {
        let one = |t: Tensor| t.squeeze_dim(0);
        Condition {
            reference: one(self.pictures(&[clip.reference], device)),
            reference_map: one(self.maps(&[clip.reference], device)),
            maps: self.maps(&clip.frames, device),
            moved: self.moved(clip.reference, &clip.frames, device),
        }
    }

    /// How to draw clips of `frames` for training, apart from the pictures: may go to a worker.
    pub fn drawer(&self, frames: usize) -> ClipDrawer {
        ClipDrawer { people: self.train.iter().map(|p| p.frames.clone()).collect(), frames }
    }

    /// Clips of held-out people who have so many frames, one each; less frames where nobody has.
    pub fn held_out_clips(&self, frames: usize) -> Vec<Clip> {
        let most = self.held_out.iter().map(|p| p.frames.len()).max().unwrap_or(0).min(frames);
        let draw = |(i, p): (usize, &Person)| draw(&p.frames, most, &mut Rng::new(&[0xc119, i as u64]));
        let long = self.held_out.iter().filter(|p| p.frames.len() >= most);
        long.take(HELD_OUT_CLIPS).enumerate().map(draw).collect()
    }
}

/// Draws clips without their pictures.
pub struct ClipDrawer {
    people: Vec<Vec<Frame>>,
    frames: usize,
}

impl ClipDrawer {
    /// A clip of any person.
    pub fn draw(&self, rng: &mut Rng) -> Clip {
        draw(&self.people[rng.below(self.people.len())], self.frames, rng)
    }
}

/// Half of the clips go around one face, topped up with others; half are any frames of the person. The reference is a
/// frame seen near the front, mostly.
fn draw(person: &[Frame], frames: usize, rng: &mut Rng) -> Clip {
    let near_front: Vec<&Frame> = person.iter().filter(|f| f.camera_id == 0).collect();
    let reference = if !near_front.is_empty() && rng.chance(0.85) {
        near_front[rng.below(near_front.len())].row
    } else {
        person[rng.below(person.len())].row
    };
    let mut pool = person.to_vec();
    for i in (1..pool.len()).rev() {
        pool.swap(i, rng.below(i + 1));
    }
    if rng.chance(0.5) {
        let face = pool[0].expression_id;
        pool.sort_by_key(|f| f.expression_id != face);
    }
    pool.truncate(frames);
    pool.sort_by(|a, b| a.yaw_rad.total_cmp(&b.yaw_rad));
    Clip { reference, frames: pool.iter().map(|f| f.row).collect() }
}

/// Rows of the data set by (person, light), as many as have `frames` rows.
fn people_of(data: &Dataset, held_out: bool, frames: usize) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
    for i in 0..data.len() {
        let l = data.labels(i);
        if (l.split != "train") == held_out && l.landmarks_2d.len() >= landmark_map::LANDMARKS {
            groups.entry((l.identity_id, l.light_id)).or_default().push(i);
        }
    }
    groups.into_values().filter(|g| g.len() >= frames).collect()
}

fn person(data: &Dataset, group: &[usize], first_row: usize) -> Person {
    let frame = |(k, &i): (usize, &usize)| {
        let l = data.labels(i);
        let eye = l.camera().eye();
        let yaw_rad = eye.x.atan2(eye.z);
        Frame { row: first_row + k, expression_id: l.expression_id, camera_id: l.camera_id, yaw_rad }
    };
    Person { frames: group.iter().enumerate().map(frame).collect() }
}

/// What is kept of a row of a dataset.
struct Row {
    picture: Tensor,
    map: Tensor,
    landmarks: Vec<[f32; 2]>,
}

fn read(data: &Dataset, i: usize, size: i64) -> Result<Row, Error> {
    let row = data.frame_with(i, &["image", "alpha"])?;
    let mut picture = tensor_from_decoded(&rgb8_from_encoded(&row.image)?);
    if let Some(alpha) = &row.alpha {
        picture = on_white(&picture, &mask_from_png(alpha)?);
    }
    let codes = |t: Tensor| (t.clamp(0.0, 1.0) * 255.0).round().to_kind(Kind::Uint8);
    let landmarks = landmarks_of(&row, size);
    let map = codes(landmark_map::draw(&landmarks, size as usize));
    Ok(Row { picture: codes(resized(&picture, size)), map, landmarks })
}

/// The 68 landmarks of a row's picture, in pixels of `size` a side.
fn landmarks_of(row: &FrameRow, size: i64) -> Vec<[f32; 2]> {
    let scale = size as f32 / row.width as f32;
    row.landmarks_2d.iter().take(landmark_map::LANDMARKS).map(|p| p.map(|v| v * scale)).collect()
}

/// `[C, H, W]` → `[C, size, size]`, each pixel the mean of what it covers.
pub fn resized(picture: &Tensor, size: i64) -> Tensor {
    if picture.size()[1..] == [size, size] {
        return picture.shallow_clone();
    }
    picture.unsqueeze(0).internal_upsample_bilinear2d_aa([size, size], false, None, None).squeeze_dim(0)
}

/// A picture `[3, H, W]` over a plain tone, over white instead. The tone is that of the pixels that `alpha` `[1, H, W]`
/// leaves uncovered.
fn on_white(picture: &Tensor, alpha: &Tensor) -> Tensor {
    let bare = alpha.le(0.0).to_kind(Kind::Float);
    let linear = linear_from_srgb(picture);
    let sum = |t: &Tensor| t.sum_dim_intlist([1i64, 2].as_slice(), true, Kind::Float);
    let behind = sum(&(&linear * &bare)) / sum(&bare).clamp_min(1.0);
    srgb_from_linear(&(linear + (1.0 - alpha) * (1.0 - behind))).clamp(0.0, 1.0)
}

fn gather(codes: &Tensor, rows: &[usize], device: Device) -> Tensor {
    let rows: Vec<i64> = rows.iter().map(|&r| r as i64).collect();
    codes.index_select(0, &Tensor::from_slice(&rows)).to_device(device).to_kind(Kind::Float) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people() -> Vec<Frame> {
        (0..12)
            .map(|row| Frame {
                row,
                expression_id: row as u32 / 4,
                camera_id: row as u32 % 4,
                yaw_rad: ((row * 7) % 12) as f32,
            })
            .collect()
    }

    #[test]
    fn clips_hold_each_frame_once_in_order_of_yaw() {
        let person = people();
        let mut around_one_face = 0;
        for i in 0..200 {
            let clip = draw(&person, 4, &mut Rng::new(&[i]));
            let yaw: Vec<f32> = clip.frames.iter().map(|&r| person[r].yaw_rad).collect();
            assert!(yaw.windows(2).all(|w| w[0] < w[1]), "{yaw:?}");
            let face = person[clip.frames[0]].expression_id;
            around_one_face += usize::from(clip.frames.iter().all(|&r| person[r].expression_id == face));
        }
        assert!((80..140).contains(&around_one_face), "{around_one_face} of 200 go around one face");
    }

    #[test]
    fn what_lies_behind_becomes_white() {
        let alpha = Tensor::from_slice(&[0f32, 0.0, 0.25, 1.0]).view([1, 2, 2]);
        let (head, grey) = (0.1, 0.6);
        let over = |behind: f64| srgb_from_linear(&(&alpha * head + (1.0 - &alpha) * behind)).expand([3, 2, 2], false);
        assert!(on_white(&over(grey), &alpha).allclose(&over(1.0), 1e-4, 1e-4, false));
        assert!(on_white(&over(1.0), &alpha).allclose(&over(1.0), 1e-4, 1e-4, false));
    }

    #[test]
    fn pictures_shrink_by_means() {
        let ramp = Tensor::arange(8, (Kind::Float, Device::Cpu)).view([1, 1, 8]).expand([3, 8, 8], true);
        let small = resized(&ramp, 4);
        assert_eq!(small.size(), [3, 4, 4]);
        assert!((small.mean(Kind::Float).double_value(&[]) - 3.5).abs() < 1e-5);
    }
}
