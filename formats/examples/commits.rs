//! Commits clips to a versioned set and prints the number of each version once it is durable: a writer to be killed,
//! starved and raced by the fault tests.
//!
//! `commits SET [--count N] [--clips C] [--frames F] [--bytes B] [--salt S]`: goes on from the latest version; commit k
//! replaces clip k mod C by F frames whose images are about B bytes of noise that depend on (S, version, clip, frame) alone.
use formats::versions::{Commit, Spec};
use formats::{ClipRow, FrameRow, Provenance, VersionedSet, digest, image};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Pixels of noise in a row.
const WIDTH: usize = 64;

struct Arguments {
    set: PathBuf,
    count: u64,
    clips: u64,
    frames: u32,
    bytes: usize,
    salt: u64,
}

fn main() -> ExitCode {
    match arguments().and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("commits: {error}");
            let code = error.downcast_ref::<formats::Error>().map(|e| e.exit_code().into());
            ExitCode::from(code.unwrap_or(if error.is::<std::io::Error>() { 74 } else { 2 }))
        }
    }
}

fn arguments() -> Result<Arguments, Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let set = args.next().ok_or("expected the folder of a set")?.into();
    let mut out = Arguments { set, count: u64::MAX, clips: 6, frames: 4, bytes: 20_000, salt: 0 };
    while let Some(arg) = args.next() {
        let value = args.next().ok_or(format!("{arg}: expected a value after it"))?;
        match arg.as_str() {
            "--count" => out.count = value.parse()?,
            "--clips" => out.clips = value.parse::<u64>()?.max(1),
            "--frames" => out.frames = value.parse()?,
            "--bytes" => out.bytes = value.parse()?,
            "--salt" => out.salt = value.parse()?,
            _ => return Err(format!("{arg}: expected --count, --clips, --frames, --bytes or --salt").into()),
        }
    }
    Ok(out)
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let plan = Provenance::new("commits", "1", "", 0);
    let spec = Spec::of(&row(arguments, 0, 0, 0)?, ClipRow::GROUP, ClipRow::POSITION, plan);
    let set = VersionedSet::create(&arguments.set, &spec)?;
    let mut out = std::io::stdout();
    let mut made = 0;
    while made < arguments.count {
        let base = set.latest()?;
        let number = base.number() + 1;
        let clip = number % arguments.clips;
        let mut commit = Commit::on(&base);
        let rows = (0..arguments.frames).map(|i| row(arguments, number, clip as u32, i));
        commit.put_rows(clip, &rows.collect::<Result<Vec<ClipRow>, _>>()?)?;
        commit.note("salt", arguments.salt);
        let version = match set.commit(&commit) {
            Err(formats::Error::Conflict { .. }) => continue,
            done => done?,
        };
        made += 1;
        writeln!(out, "{}", version.number())?;
        out.flush()?;
    }
    Ok(())
}

fn row(arguments: &Arguments, number: u64, clip_id: u32, frame_in_clip: u32) -> Result<ClipRow, formats::Error> {
    let seed = format!("{}/{number}/{clip_id}/{frame_in_clip}", arguments.salt);
    let (mut pixels, mut block) = (Vec::new(), digest::sha256(seed.as_bytes()));
    let height = (arguments.bytes / (3 * WIDTH)).max(1);
    while pixels.len() < 3 * WIDTH * height {
        pixels.extend_from_slice(&block);
        block = digest::sha256(&block);
    }
    pixels.truncate(3 * WIDTH * height);
    let image = image::png_from_rgb8(WIDTH, height, &pixels)?;
    let frame = FrameRow { image, width: WIDTH as u32, height: height as u32, ..FrameRow::default() };
    Ok(ClipRow { clip_id, frame_in_clip, made_by: "commits".into(), iteration: number, frame })
}
