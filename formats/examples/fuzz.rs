//! Feeds mutants of sound files to every reader of ours: `make fuzz MINUTES=10`.
//!
//! `fuzz [--minutes M] [--seed S] [--at FOLDER] [TARGET…]`: M minutes for each target (default 1, all targets). The bytes
//! under way lie in FOLDER/TARGET.under-way, so that whatever ends the process can be looked at and, once mended, be added
//! to `formats/tests/hostile/corpus/`. Ends with 1 on a panic, or when one input takes more than
//! ten seconds of processor time.
#[path = "../tests/hostile/mutate.rs"]
mod mutate;
#[path = "../tests/hostile/targets.rs"]
mod targets;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

/// More is a finding. Of processor time: on a busy machine waiting tells nothing of a reader.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    // Panics of the Parquet crate that readers turn into errors are no news; of one that gets out the input is kept.
    std::panic::set_hook(Box::new(|_| ()));
    let (mut minutes, mut seed, mut at) = (1.0, 1, std::env::temp_dir().join("effigy-fuzz"));
    let mut asked = Vec::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg}: expected a value after it"));
        match arg.as_str() {
            "--minutes" => minutes = value()?.parse::<f64>()?,
            "--seed" => seed = value()?.parse::<u64>()?,
            "--at" => at = PathBuf::from(value()?),
            name if TARGETS.iter().any(|t| t.name == name) => asked.push(name.to_string()),
            _ => {
                let names: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
                return Err(format!("{arg}: expected --minutes, --seed, --at or one of {}", names.join(" ")).into());
            }
        }
    }
    let mut sound = true;
    for target in TARGETS.iter().filter(|t| asked.is_empty() || asked.iter().any(|a| a == t.name)) {
        sound &= fuzz(target, Duration::from_secs_f64(minutes * 60.0), seed, &at)?;
    }
    Ok(sound)
}

/// One target for a while; `false` when something was found.
fn fuzz(target: &Target, length: Duration, seed: u64, at: &Path) -> Result<bool, Box<dyn Error>> {
    let folder = at.join(format!("{}-{}", target.name, std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let under_way = at.join(format!("{}.under-way", target.name));
    let seeds = (target.seeds)(&folder);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut inputs, mut slowest, mut sound) = (0u64, Duration::ZERO, true);
    let (clock, began) = (Instant::now(), processor_time());
    while clock.elapsed() < length {
        let bytes = mutate::mutant(&seeds, &mut rng);
        std::fs::write(&under_way, &bytes)?;
        let before = processor_time();
        let read = std::panic::catch_unwind(|| (target.read)(&bytes, &folder));
        let took = processor_time().saturating_sub(before);
        slowest = slowest.max(took);
        if read.is_err() || took > PATIENCE {
            let kept = at.join(format!("{}-{seed}-{inputs}.bin", target.name));
            std::fs::write(&kept, &bytes)?;
            println!("{}: {}: {kept:?}", target.name, if read.is_err() { "a panic" } else { "too slow" });
            sound = false;
        }
        inputs += 1;
    }
    std::fs::remove_file(&under_way)?;
    std::fs::remove_dir_all(&folder)?;
    let (secs, slowest) = (clock.elapsed().as_secs_f64(), slowest.as_secs_f64());
    println!(
        "{:<10} {inputs:>9} inputs in {secs:.0} s ({:.0} s of processor time), slowest {slowest:.2} s: {}",
        target.name,
        processor_time().saturating_sub(began).as_secs_f64(),
        if sound { "ok" } else { "FAILED" }
    );
    Ok(sound)
}

/// Of all threads of this process, user and system, as Linux counts it: in hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks: the twelfth and thirteenth field.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|f| f.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}
