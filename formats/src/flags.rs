//! The flags that every tool takes, spelt once.
use crate::exit::{ExitCode, Failure};
use crate::log::{self, LogFormat};
use crate::progress::{self, Bars, Talk};
use crate::{array_job, config};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a tool talks, and what it tells of itself. Flattened into each tool's command line.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Common")]
pub struct OutputFlags {
    /// Print events as JSON lines on stdout.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only warnings and errors.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Style of the progress display on stderr.
    #[arg(long, global = true, value_enum, value_name = "KIND", default_value_t = Bars::Auto)]
    pub progress: Bars,
    /// Format of log lines on stderr.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Also append log lines to this file.
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
    /// Print shell completions and exit.
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<clap_complete::Shell>,
    /// Write manual pages of the tool and its commands to a folder and exit.
    #[arg(long, value_name = "DIR")]
    pub man_pages: Option<PathBuf>,
}

impl OutputFlags {
    /// How a tool begins: starts the log and gives the command to run, or does what was asked instead of a command and
    /// gives `None`. `Cli` is the whole command line.
    ///
    /// # Errors
    /// No command (the message lists those there are), or a file that cannot be written.
    pub fn begin<Cli: clap::CommandFactory, C>(&self, command: Option<C>) -> anyhow::Result<Option<C>> {
        let mut cli = Cli::command();
        let name = cli.get_name().to_owned();
        log::start(&name, self.log_format, self.log_file.as_deref())?;
        progress::choose_bars(self.progress);
        if let Some(shell) = self.completions {
            clap_complete::generate(shell, &mut cli, name, &mut std::io::stdout());
            return Ok(None);
        }
        if let Some(folder) = &self.man_pages {
            write_man_pages(cli, folder)?;
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
}

/// `TOOL.1`, `TOOL-COMMAND.1`, …
fn write_man_pages(cli: clap::Command, folder: &Path) -> anyhow::Result<()> {
    let create = |source, path: &Path| crate::Error::Create { source, path: path.into() };
    std::fs::create_dir_all(folder).map_err(|e| create(e, folder))?;
    clap_mangen::generate_to(cli, folder).map_err(|e| create(e, folder))?;
    Ok(())
}

/// The flags of a tool with a configuration. Flattened into its command line.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Common")]
pub struct CommonFlags {
    /// Configuration file (TOML); unknown keys are errors.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Override one configuration key, for example `--set train.batch=8`; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Random seed; overrides the configuration.
    #[arg(long, global = true)]
    pub seed: Option<u64>,
    /// Number of threads; default: as many as the scheduler or the machine allows.
    #[arg(long, global = true)]
    pub threads: Option<usize>,
    /// What is told.
    #[command(flatten)]
    pub output: OutputFlags,
}

impl CommonFlags {
    /// As [`OutputFlags::begin`].
    ///
    /// # Errors
    /// As [`OutputFlags::begin`].
    pub fn begin<Cli: clap::CommandFactory, C>(&self, command: Option<C>) -> anyhow::Result<Option<C>> {
        self.output.begin::<Cli, C>(command)
    }

    /// How the tool talks.
    pub fn talk(&self) -> Talk {
        self.output.talk()
    }

    /// Threads to use: the flag, else what the scheduler gives, else what the machine has (affinity and cgroup limits
    /// honored). Sets rayon's pool accordingly.
    ///
    /// # Errors
    /// Zero threads.
    pub fn start_threads(&self) -> anyhow::Result<usize> {
        let scheduler = || array_job::threads(|name| std::env::var(name).ok());
        let machine = || std::thread::available_parallelism().map_or(1, |n| n.get());
        let threads = self.threads.or_else(scheduler).unwrap_or_else(machine);
        if threads == 0 {
            return Err(Failure::usage("--threads 0: expected at least 1").into());
        }
        // A second call (tests run several tools in one process) keeps the first pool.
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().ok();
        Ok(threads)
    }
}

/// What a long command can be asked to tell before it begins. Flattened into each command with a configuration.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RehearsalFlags {
    /// Print the resolved configuration as TOML with the origin of each value, then exit.
    #[arg(long)]
    pub print_config: bool,
    /// Check all inputs, print what would be done, then exit without writing.
    #[arg(long)]
    pub dry_run: bool,
}

impl RehearsalFlags {
    /// Under `--print-config`: prints `config` and gives the code to end with.
    ///
    /// # Errors
    /// The configuration file cannot be read.
    pub fn print<T: Serialize + Default>(&self, config: &T, common: &CommonFlags) -> anyhow::Result<Option<ExitCode>> {
        if !self.print_config {
            return Ok(None);
        }
        print!("{}", config::with_origins(config, common.config.as_deref(), &common.sets)?);
        Ok(Some(ExitCode::Done))
    }

    /// Under `--dry-run`: prints what would be done and gives the code to end with.
    pub fn tell(&self, what: impl FnOnce() -> String) -> Option<ExitCode> {
        self.dry_run.then(|| {
            println!("{}", what());
            ExitCode::Done
        })
    }
}
