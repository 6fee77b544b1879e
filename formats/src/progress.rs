//! How a long job tells how far it is: a bar on a terminal, plain lines elsewhere, JSON lines on request.
use crate::log::{self, Level};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The first plain line comes after this time, the next ones after [`LATER_LINES`].
const FIRST_LINE: Duration = Duration::from_secs(5);
/// Between two plain lines.
const LATER_LINES: Duration = Duration::from_secs(30);
/// Between two JSON events.
const EVENTS: Duration = Duration::from_secs(1);

/// How progress shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Bars {
    /// A bar on a terminal, plain lines otherwise
    #[default]
    Auto,
    /// A bar
    Bar,
    /// A plain line from time to time
    Plain,
    /// No progress display
    None,
}

static BARS: OnceLock<Bars> = OnceLock::new();

/// How progress shows from now on; the first call decides.
pub fn choose_bars(bars: Bars) {
    BARS.set(bars).ok();
}

/// How a tool talks while it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Talk {
    /// A bar on stderr when it is a terminal, plain lines otherwise.
    Auto,
    /// Events as JSON lines on stdout.
    Json,
    /// Not at all.
    Quiet,
}

impl Talk {
    /// From the flags `--json` and `--quiet`; events were asked for by name, so they win.
    pub fn from_flags(json: bool, quiet: bool) -> Self {
        match (json, quiet) {
            (true, _) => Talk::Json,
            (false, true) => Talk::Quiet,
            (false, false) => Talk::Auto,
        }
    }

    /// An event: a JSON line on stdout under `--json`, else nothing. `event` is its kind, `fields` an object.
    pub fn event(self, event: &str, fields: serde_json::Value) {
        if self == Talk::Json {
            let mut line = serde_json::json!({ "event": event });
            if let (Some(line), serde_json::Value::Object(fields)) = (line.as_object_mut(), fields) {
                line.extend(fields);
            }
            println!("{line}");
        }
    }

    /// A line for people on stderr, unless `--quiet` or `--json`.
    pub fn say(self, line: &str) {
        self.log("said", line, &serde_json::Value::Null);
    }

    /// A line on stderr, unless `--quiet` or `--json`; where lines are JSON, `event` and `fields` beside the text.
    fn log(self, event: &str, line: &str, fields: &serde_json::Value) {
        if self == Talk::Auto {
            log::line(Level::Info, event, line, fields);
        }
    }
}

/// One stage of a job. Share it between threads by reference; it ends its bar when dropped.
pub struct Progress {
    stage: String,
    unit: String,
    total: u64,
    talk: Talk,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

struct State {
    done: u64,
    resumed: u64,
    note: String,
    started: Instant,
    last_line: Option<Instant>,
}

impl Progress {
    /// A stage (`render`) of `total` items (`images`).
    pub fn new(stage: &str, total: u64, unit: &str, talk: Talk) -> Self {
        let bars = match BARS.get().copied().unwrap_or_default() {
            Bars::Auto => std::io::stderr().is_terminal() && !log::is_json(),
            Bars::Bar => true,
            Bars::Plain | Bars::None => false,
        };
        let bar = (talk == Talk::Auto && bars).then(|| bar(stage, total, unit));
        let state = State { done: 0, resumed: 0, note: String::new(), started: Instant::now(), last_line: None };
        Progress { stage: stage.into(), unit: unit.into(), total, talk, bar, state: Mutex::new(state) }
    }

    /// `n` items had been done by an earlier run: they count, but not for the rate.
    pub fn resume(&self, n: u64) {
        self.with_state(|state| {
            state.done += n;
            state.resumed += n;
        });
    }

    /// `n` more items are done.
    pub fn add(&self, n: u64) {
        self.with_state(|state| state.done += n);
    }

    /// What to show beside the numbers: `loss 0.013`, a shard's name.
    pub fn note(&self, note: &str) {
        self.with_state(|state| state.note = note.into());
    }

    /// Items done so far.
    pub fn done(&self) -> u64 {
        self.lock().done
    }

    /// Ends the stage with a last line or event.
    pub fn finish(self) {
        let state = self.lock();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let secs = state.started.elapsed().as_secs_f64();
        let (stage, unit, done) = (&self.stage, &self.unit, state.done);
        let rate = self.rate(&state, secs);
        let fields =
            serde_json::json!({"stage": stage, "done": done, "total": self.total, "elapsed_secs": secs, "rate": rate});
        let line = format!("{stage}: {done} {unit} in {} ({rate:.1} {unit}/s)", clock(secs));
        self.talk.log("finished", &line, &fields);
        self.talk.event("finished", fields);
    }

    fn with_state(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if let Some(bar) = &self.bar {
            bar.set_position(state.done);
            bar.set_message(state.note.clone());
        }
        let pause = match (self.talk, state.last_line) {
            (Talk::Json, _) => EVENTS,
            (_, None) => FIRST_LINE,
            (_, Some(_)) => LATER_LINES,
        };
        let silent = self.talk == Talk::Auto && BARS.get() == Some(&Bars::None);
        if self.bar.is_none() && !silent && state.last_line.unwrap_or(state.started).elapsed() >= pause {
            state.last_line = Some(Instant::now());
            self.line(&state);
        }
    }

    fn line(&self, state: &State) {
        let (stage, unit, done, total, note) = (&self.stage, &self.unit, state.done, self.total, &state.note);
        let rate = self.rate(state, state.started.elapsed().as_secs_f64());
        let eta = if rate > 0.0 { total.saturating_sub(done) as f64 / rate } else { f64::INFINITY };
        let separator = if note.is_empty() { "" } else { ", " };
        let left = if total > 0 { format!(", {} left", clock(eta)) } else { String::new() };
        let text = format!("{stage}: {done}/{total} {unit}, {rate:.1} {unit}/s{left}{separator}{note}");
        let eta = eta.is_finite().then_some(eta);
        let fields = serde_json::json!({"stage": stage, "done": done, "total": total, "unit": unit, "rate": rate, "eta_secs": eta, "note": note});
        self.talk.log("progress", &text, &fields);
        self.talk.event("progress", fields);
    }

    /// Items per second in this run, `secs` old.
    fn rate(&self, state: &State, secs: f64) -> f64 {
        (state.done - state.resumed) as f64 / secs.max(1e-9)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn bar(stage: &str, total: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(8));
    let template = format!("{stage} {{bar:30}} {{human_pos}}/{{human_len}} {unit} {{per_sec}} {{eta}} left {{msg}}");
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Seconds as people read them: `1:02:03`, `2:03` or `4.0 s`.
pub fn clock(secs: f64) -> String {
    if !secs.is_finite() {
        return "unknown time".into();
    }
    let whole = secs.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{secs:.1} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumed_items_count_but_not_for_the_rate() {
        let progress = Progress::new("render", 10, "images", Talk::Quiet);
        progress.resume(4);
        progress.add(2);
        assert_eq!(progress.done(), 6);
        let state = progress.lock();
        assert_eq!(progress.rate(&state, 0.5), 4.0);
    }

    #[test]
    fn clocks_are_short() {
        assert_eq!(
            [clock(3.96), clock(61.0), clock(3723.0), clock(f64::INFINITY)],
            ["4.0 s", "1:01", "1:02:03", "unknown time"]
        );
    }
}
