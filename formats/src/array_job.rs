//! Which share of the work is mine: `--shard I/N`, or what the scheduler of an array job says.
//!
//! N is always typed: a scheduler's count changes when a part of an array is submitted again, and then a share would be
//! another one. Task I of N takes the shards whose number is I modulo N, so any N, order and overlap gives the same files.
use crate::exit::Failure;

/// One of `tasks` shares of the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayTask {
    /// From 0.
    pub task: u64,
    /// At least 1.
    pub tasks: u64,
    /// The array job the number comes from.
    pub job: Option<ArrayJob>,
}

/// What a scheduler tells a task of an array job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrayJob {
    /// `Slurm`
    pub system: &'static str,
    /// The variable that holds the index.
    pub variable: &'static str,
    /// As the scheduler counts.
    pub index: u64,
    /// Its first possible index: 0, or 1 where arrays begin with 1.
    pub first: u64,
    /// Tasks of the array as it was submitted, which may be a part of the whole.
    pub count: Option<u64>,
    /// How often the task was requeued.
    pub restarts: Option<u64>,
}

/// A scheduler's variables: index, count, restarts; its first index; what stands for "no array".
struct Scheduler {
    system: &'static str,
    index: &'static str,
    count: &'static str,
    restarts: &'static str,
    first: u64,
    none: &'static str,
}

const fn scheduler(system: &'static str, index: &'static str) -> Scheduler {
    Scheduler { system, index, count: "", restarts: "", first: 0, none: "" }
}

const SCHEDULERS: [Scheduler; 6] = [
    Scheduler {
        count: "SLURM_ARRAY_TASK_COUNT",
        restarts: "SLURM_RESTART_COUNT",
        ..scheduler("Slurm", "SLURM_ARRAY_TASK_ID")
    },
    scheduler("PBS", "PBS_ARRAY_INDEX"),
    scheduler("Torque", "PBS_ARRAYID"),
    Scheduler { count: "LSB_JOBINDEX_END", first: 1, none: "0", ..scheduler("LSF", "LSB_JOBINDEX") },
    Scheduler { restarts: "RESTARTED", first: 1, none: "undefined", ..scheduler("Grid Engine", "SGE_TASK_ID") },
    scheduler("Kubernetes", "JOB_COMPLETION_INDEX"),
];

impl ArrayTask {
    /// All of the work.
    pub fn whole() -> Self {
        ArrayTask { task: 0, tasks: 1, job: None }
    }

    /// From `I/N`, `auto/N` (the index from the scheduler) or `auto` (outside any array job: all of the work); `env`
    /// looks variables up.
    ///
    /// # Errors
    /// Exit code 2: no such form, an index that is not below N, an array job without N, or N without an array job.
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let form = || Failure::usage(format!("--shard {text}: expected I/N with I from 0 to N - 1, as 0/4, or auto/N"));
        let (index, count) = match text.split_once('/') {
            None if text == "auto" => ("auto", None),
            None => return Err(form()),
            Some((index, count)) => (index, Some(count.parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(form)?)),
        };
        if index != "auto" {
            let (task, tasks) = (index.parse().map_err(|_| form())?, count.ok_or_else(form)?);
            return if task < tasks { Ok(ArrayTask { task, tasks, job: None }) } else { Err(form()) };
        }
        match (ArrayJob::find(env)?, count) {
            (None, None) => Ok(ArrayTask::whole()),
            (None, Some(n)) => {
                let known: Vec<&str> = SCHEDULERS.iter().map(|s| s.index).collect();
                let what = format!("no array job here (none of {} is set), expected I/{n}", known.join(", "));
                Err(Failure::usage(format!("--shard {text}: {what}")))
            }
            (Some(job), None) => Err(Failure::usage(format!(
                "--shard auto: {} = {} says which task this is, but not of how many (a part of an array may be submitted \
                 again); expected --shard auto/N",
                job.variable, job.index
            ))),
            (Some(job), Some(tasks)) => match job.index.checked_sub(job.first) {
                Some(task) if task < tasks => Ok(ArrayTask { task, tasks, job: Some(job) }),
                _ => Err(Failure::usage(format!(
                    "--shard {text}: {} = {}, expected {} to {} for {tasks} tasks",
                    job.variable,
                    job.index,
                    job.first,
                    job.first + tasks - 1
                ))),
            },
        }
    }

    /// Is a piece of work in this share?
    pub fn takes(&self, number: u64) -> bool {
        number % self.tasks == self.task
    }

    /// What was found, for the log; none when the share was typed.
    pub fn summary(&self) -> Option<String> {
        let ArrayJob { system, variable, index, count, restarts, .. } = self.job.as_ref()?;
        let mut text = format!("{system} array: {variable} = {index}, so task {} of {}", self.task, self.tasks);
        if let Some(count) = count.filter(|count| *count != self.tasks) {
            text += &format!("; {count} were submitted");
        }
        if let Some(restarts) = restarts.filter(|n| *n > 0) {
            text += &format!("; restart {restarts}");
        }
        Some(text)
    }
}

impl ArrayJob {
    /// The first scheduler of which there is an index.
    ///
    /// # Errors
    /// Exit code 2: an index that is no number.
    fn find(env: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, Failure> {
        let there = |s: &&Scheduler| env(s.index).is_some_and(|v| !v.is_empty() && v != s.none);
        let Some(s) = SCHEDULERS.iter().find(there) else { return Ok(None) };
        let text = env(s.index).unwrap_or_default();
        let bad = || Failure::usage(format!("{} = {text:?}, expected the number of a task", s.index));
        let number = |name: &str| env(name).and_then(|v| v.parse().ok());
        Ok(Some(ArrayJob {
            system: s.system,
            variable: s.index,
            index: text.parse().map_err(|_| bad())?,
            first: s.first,
            count: number(s.count),
            restarts: number(s.restarts),
        }))
    }
}

/// Threads that the scheduler gives a task, if it says.
pub fn threads(env: impl Fn(&str) -> Option<String>) -> Option<usize> {
    // Slurm, PBS, LSF, Grid Engine.
    let names = ["SLURM_CPUS_PER_TASK", "NCPUS", "LSB_DJOB_NUMPROC", "NSLOTS"];
    names.iter().find_map(|name| env(name)?.parse().ok().filter(|n| *n > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, env: &[(&str, &str)]) -> Result<ArrayTask, String> {
        let look = |name: &str| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
        ArrayTask::parse(text, look).map_err(|e| e.message)
    }

    #[test]
    fn typed_shares_need_no_scheduler() {
        let share = parse("3/4", &[("SLURM_ARRAY_TASK_ID", "1")]).unwrap();
        assert_eq!((share.task, share.tasks, share.summary()), (3, 4, None));
        assert!(share.takes(7) && !share.takes(8));
        for text in ["4/4", "x", "1/0", "/", "auto/x", "-1/4", ""] {
            assert!(parse(text, &[]).unwrap_err().contains("expected I/N"), "{text}");
        }
        assert_eq!(parse("auto", &[]).unwrap(), ArrayTask::whole());
        assert!(parse("auto/4", &[]).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
    }

    #[test]
    fn every_scheduler_is_known_with_its_first_index() {
        for (env, task) in [
            (&[("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_COUNT", "8")][..], 3),
            (&[("PBS_ARRAY_INDEX", "0")], 0),
            (&[("PBS_ARRAYID", "7")], 7),
            (&[("LSB_JOBINDEX", "1"), ("LSB_JOBINDEX_END", "8")], 0),
            (&[("SGE_TASK_ID", "8"), ("RESTARTED", "0")], 7),
            (&[("LSB_JOBINDEX", "0"), ("SGE_TASK_ID", "undefined"), ("JOB_COMPLETION_INDEX", "2")], 2),
        ] {
            let share = parse("auto/8", env).unwrap();
            assert_eq!(share.task, task, "{env:?}");
            assert!(share.summary().unwrap().ends_with(&format!("task {task} of 8")), "{:?}", share.summary());
        }
        assert_eq!(parse("auto", &[("LSB_JOBINDEX", "0")]).unwrap(), ArrayTask::whole(), "no array: LSF says 0");
    }

    #[test]
    fn a_part_that_is_submitted_again_keeps_its_shares() {
        let part = [("SLURM_ARRAY_TASK_ID", "5"), ("SLURM_ARRAY_TASK_COUNT", "3"), ("SLURM_RESTART_COUNT", "2")];
        let share = parse("auto/8", &part).unwrap();
        assert_eq!((share.task, share.tasks), (5, 8));
        assert!(
            share.summary().unwrap().ends_with("task 5 of 8; 3 were submitted; restart 2"),
            "{:?}",
            share.summary()
        );
        assert!(parse("auto", &part).unwrap_err().contains("expected --shard auto/N"));
        assert!(parse("auto/5", &part).unwrap_err().contains("expected 0 to 4 for 5 tasks"));
        assert!(parse("auto/8", &[("SGE_TASK_ID", "0")]).unwrap_err().contains("expected 1 to 8"));
        assert!(parse("auto/8", &[("SLURM_ARRAY_TASK_ID", "a")]).unwrap_err().contains("number of a task"));
    }

    #[test]
    fn threads_are_what_the_scheduler_gives() {
        let give = |name: &'static str, value: &'static str| move |n: &str| (n == name).then(|| value.to_string());
        assert_eq!(threads(give("NSLOTS", "6")), Some(6));
        assert_eq!(threads(give("NCPUS", "0")), None);
        assert_eq!(threads(give("OTHER", "6")), None);
    }
}
