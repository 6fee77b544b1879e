//! The flags that every tool takes, spelt once.
use crate::exit::Failure;
use crate::progress::Talk;
use std::path::PathBuf;

/// Flattened into each tool's command line.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Common")]
pub struct CommonFlags {
    /// Configuration file (TOML); unknown keys are errors.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Overrides one key of the configuration, as `--set train.batch=8`; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Seed; overrides the configuration's.
    #[arg(long, global = true)]
    pub seed: Option<u64>,
    /// Threads; default: what the machine or the scheduler gives.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// Events as JSON lines on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Print shell completions and exit.
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<clap_complete::Shell>,
}

impl CommonFlags {
    /// How a tool begins: gives the command to run, or prints the completions that were asked for and gives `None`.
    /// `Cli` is the whole command line.
    ///
    /// # Errors
    /// No command; the message lists those there are.
    pub fn begin<Cli: clap::CommandFactory, C>(&self, command: Option<C>) -> anyhow::Result<Option<C>> {
        let mut cli = Cli::command();
        if let Some(shell) = self.completions {
            let name = cli.get_name().to_owned();
            clap_complete::generate(shell, &mut cli, name, &mut std::io::stdout());
            return Ok(None);
        }
        if command.is_none() {
            let known: Vec<&str> = cli.get_subcommands().map(clap::Command::get_name).collect();
            return Err(Failure::usage(format!("no command, expected one of {} (see --help)", known.join(", "))).into());
        }
        Ok(command)
    }

    /// How the tool talks.
    pub fn talk(&self) -> Talk {
        Talk::from_flags(self.json, self.quiet)
    }

    /// Threads to use: the flag, else what the scheduler gives (`SLURM_CPUS_PER_TASK`), else what the machine has.
    /// Sets rayon's pool accordingly.
    ///
    /// # Errors
    /// Zero threads.
    pub fn start_threads(&self) -> anyhow::Result<usize> {
        let scheduler = std::env::var("SLURM_CPUS_PER_TASK").ok().and_then(|v| v.parse().ok());
        let machine = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.threads.or(scheduler).unwrap_or_else(machine);
        if threads == 0 {
            return Err(Failure::usage("--threads 0: expected at least 1").into());
        }
        // A second call (tests run several tools in one process) keeps the first pool.
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().ok();
        Ok(threads)
    }
}
