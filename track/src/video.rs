//! `track fit --video`: one person in a video → a tracked dataset, a row per frame that shows the face.
//!
//! [`source`] decodes frames one at a time; [`person`] fits identity and focal length to a few frames chosen all over the
//! video; [`follow`] reads and fits every frame with those known, starting from the frame before; [`smooth`] smooths over
//! time; `rows` cuts and encodes; `work` stores chunk by chunk, so that a stopped run resumes; `csv` exports.
//! Three threads: one decodes, one asks the networks and fits, one writes. Between them wait a few frames at most, whatever
//! the length of the video.
mod csv;
pub mod follow;
pub mod person;
mod rows;
pub mod smooth;
pub mod source;
mod window;
mod work;

use crate::Error;
use crate::frame::CoarseMatte;
use crate::photos::FaceChoice;
use crate::picture::Mips;
use crate::tracker::Tracker;
use follow::{Follower, sample_of};
use formats::Provenance;
use formats::progress::{Progress, Talk};
use person::Person;
use rows::{Ready, Rows};
use source::{Source, VideoFrame};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use window::{Next, Window};
use work::{Opened, Snapshot, Work};

/// Is the head's coverage written?
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Matte {
    /// Of every frame.
    Read,
    /// Of none: to drive an avatar, nobody needs it.
    Omitted,
}

/// Everything it needs, opened and checked.
pub struct Plan {
    /// The video.
    pub source: Source,
    /// Dataset folder to write.
    pub out: PathBuf,
    /// Live Link Face recording to write too.
    pub csv: Option<PathBuf>,
    /// Which face, where a frame shows several.
    pub choice: FaceChoice,
    /// Focal length if known, pixels of the video.
    pub focal_px: Option<f64>,
    /// Is the matte wanted?
    pub matte: Matte,
    /// Networks, head, settings.
    pub tracker: Tracker,
    /// Written into every shard.
    pub provenance: Provenance,
    /// How to talk.
    pub talk: Talk,
}

/// What came of a video.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Frames looked at, by all runs together.
    pub frames: u64,
    /// Frames without a face.
    pub without_face: u64,
    /// Runs of such frames.
    pub gaps: u64,
    /// Frames a second of this run; none if the dataset was there already.
    pub frames_per_s: Option<f64>,
    /// Who was fitted.
    pub person: Person,
}

/// Tracks, or resumes, or finds everything done.
///
/// # Errors
/// [`Error`] for the video; exit code 73 if `out` holds another dataset; 75 after a signal.
pub fn run(plan: &Plan) -> anyhow::Result<Report> {
    let mut work = match Work::open(plan)? {
        Opened::Finished(report) => {
            write_csv(plan)?;
            return Ok(*report);
        }
        Opened::Resumed(work) => {
            plan.talk.say(&format!("resuming after {} frames", work.record.at.next));
            *work
        }
        Opened::New(folder) => Work::begin(folder, person::find(&plan.source, plan)?),
    };
    let clock = std::time::Instant::now();
    let before = work.record.at.next;
    if !work.record.is_whole {
        follow_all(plan, &mut work)?;
    }
    let mut report = work.publish(plan)?;
    let done = report.frames - before.min(report.frames);
    report.frames_per_s = (done > 0).then(|| done as f64 / clock.elapsed().as_secs_f64());
    write_csv(plan)?;
    Ok(report)
}

fn write_csv(plan: &Plan) -> anyhow::Result<()> {
    plan.csv.iter().try_for_each(|path| csv::write(&plan.out, path))
}

/// A decoded frame.
type Decoded = (VideoTime, Mips);

/// When a frame was.
#[derive(Clone, Copy)]
struct VideoTime {
    number: u64,
    seconds: f64,
}

/// What the writing thread is sent.
enum Message {
    Frame(Box<Ready>),
    /// A chunk ends; the next one starts so.
    Chunk(Box<Snapshot>),
}

fn follow_all(plan: &Plan, work: &mut Work) -> anyhow::Result<()> {
    let (person, start) = (work.record.person.clone(), work.record.at.clone());
    let rows = Rows::new(plan, &person);
    let progress = Progress::new("track", plan.source.frames.unwrap_or(0), "frames", plan.talk);
    progress.resume(start.next);
    let (source, provenance) = (&plan.source, &plan.provenance);
    std::thread::scope(|scope| {
        let (to_follow, decoded) = sync_channel::<anyhow::Result<Decoded>>(2);
        let (to_write, ready) = sync_channel::<Message>(2);
        let first = start.next;
        scope.spawn(move || decode(source, first, &to_follow));
        let writing = scope.spawn(move || write(work, &rows, provenance, ready));
        let followed = follow(plan, &person, start, decoded, &to_write, &progress);
        drop(to_write);
        let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // Where the writer failed, the follower only knows that nobody listens.
        written.and(followed)?;
        progress.finish();
        Ok(())
    })
}

fn decode(source: &Source, first: u64, to_follow: &SyncSender<anyhow::Result<Decoded>>) {
    let decoded = |frame: VideoFrame| {
        let VideoFrame { number, seconds, picture, .. } = frame;
        (VideoTime { number, seconds }, Mips::new(picture))
    };
    match source.frames(first, 1) {
        Err(err) => drop(to_follow.send(Err(err))),
        Ok(frames) => {
            for frame in frames {
                if to_follow.send(frame.map(decoded)).is_err() {
                    break; // stopped
                }
            }
        }
    }
}

/// Reads, fits and smooths.
fn follow(
    plan: &Plan,
    person: &Person,
    mut at: Snapshot,
    decoded: Receiver<anyhow::Result<Decoded>>,
    to_write: &SyncSender<Message>,
    progress: &Progress,
) -> anyhow::Result<()> {
    let config = &plan.tracker.config;
    let (chunk, first) = (config.video.chunk.max(1) as u64, at.next);
    let mut follower = Follower::new(&plan.tracker, person, std::mem::take(&mut at.state));
    let mut window = Window::new(std::mem::take(&mut at.samples), config.smooth);
    let send = |window: &mut Window, now: Option<VideoTime>| {
        while let Some(next) = window.next(now) {
            let message = match next {
                Next::Chunk(snapshot) => Message::Chunk(snapshot),
                Next::Frame(mut ready) => {
                    let wants_matte = plan.matte == Matte::Read || person.frames.contains(&ready.number);
                    let read = || CoarseMatte::read(&plan.tracker.networks, &ready.pixels, &ready.found.face);
                    ready.matte = wants_matte.then(read);
                    Message::Frame(ready)
                }
            };
            to_write.send(message).map_err(|_| anyhow::anyhow!("the writer has ended"))?;
        }
        anyhow::Ok(())
    };
    for frame in decoded {
        formats::stop::check()?;
        let (now, pixels) = frame?;
        check_size(&pixels, person, now, plan)?;
        if now.number.is_multiple_of(chunk) && now.number > first {
            let (state, samples) = (follower.state.clone(), window.samples().to_vec());
            window.end_chunk(Snapshot { next: now.number, state, samples, ..at.clone() });
        }
        match follower.next(now.number, now.seconds, &pixels) {
            Some(followed) => {
                at.was_lost = false;
                let sample = sample_of(&followed.view, now.number, now.seconds);
                window.push(sample, Ready::new(now.number, now.seconds, pixels, followed.found));
            }
            None => {
                at.lost += 1;
                at.gaps += u64::from(!at.was_lost);
                at.was_lost = true;
            }
        }
        at.next = now.number + 1;
        send(&mut window, Some(now))?;
        progress.add(1);
    }
    window.end_chunk(Snapshot { is_end: true, ..at });
    send(&mut window, None)
}

fn check_size(pixels: &Mips, person: &Person, now: VideoTime, plan: &Plan) -> Result<(), Error> {
    let (width, height) = pixels.size();
    if [width, height] == person.size {
        return Ok(());
    }
    let [w, h] = person.size;
    let why = format!("the frame at {:.2} s has {width}x{height} px, others {w}x{h}", now.seconds);
    Err(Error::Video { why, path: plan.source.path.clone() })
}

/// Cuts, encodes and stores.
fn write(work: &mut Work, rows: &Rows, provenance: &Provenance, ready: Receiver<Message>) -> anyhow::Result<()> {
    let mut shard = None;
    for message in ready {
        match message {
            Message::Frame(frame) => {
                let row = rows.row(&frame)?;
                let mut open = match shard.take() {
                    Some(open) => open,
                    None => work.new_chunk(provenance)?,
                };
                open.push(row)?;
                shard = Some(open);
            }
            Message::Chunk(snapshot) => {
                let rows = shard.take().map(|shard| shard.finish()).transpose()?.map_or(0, |written| written.rows);
                work.commit(rows, *snapshot)?;
            }
        }
    }
    Ok(())
}
