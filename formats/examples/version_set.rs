//! A small set in versions, for tests of other readers: `version_set DIR`.
//!
//! Version 1 has three clips of four frames, version 2 replaces clip 1 by a shorter one, version 3 removes clip 0. The
//! gray of a picture is 10 × the version that made it + its clip.
use formats::versions::{Commit, Spec};
use formats::{ClipRow, Error, FrameRow, Provenance, VersionedSet, image};

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).expect("usage: version_set DIR");
    let plan = Provenance::new("zero1a", "0.1.0", "clips = 3\n", 7);
    let spec = Spec::of(&row(0, 0, 0)?, ClipRow::GROUP, ClipRow::POSITION, plan);
    let set = VersionedSet::create(folder.as_ref(), &spec)?;
    let mut commit = Commit::on(&set.latest()?);
    for clip in 0..3 {
        commit.put_rows(clip.into(), &clip_of(clip, 1, 4)?)?;
    }
    let mut commit = Commit::on(&set.commit(&commit)?);
    commit.put_rows(1, &clip_of(1, 2, 2)?)?;
    let mut commit = Commit::on(&set.commit(&commit)?);
    commit.remove(0);
    set.commit(&commit).map(|_| ())
}

fn clip_of(clip: u32, version: u8, frames: u32) -> Result<Vec<ClipRow>, Error> {
    (0..frames).map(|frame| row(clip, frame, 10 * version + clip as u8)).collect()
}

fn row(clip_id: u32, frame_in_clip: u32, gray: u8) -> Result<ClipRow, Error> {
    let image = image::png_from_rgb8(4, 4, &[gray; 48])?;
    let frame = FrameRow { image, width: 4, height: 4, ..FrameRow::default() };
    Ok(ClipRow { clip_id, frame_in_clip, made_by: "example".into(), frame, ..ClipRow::default() })
}
