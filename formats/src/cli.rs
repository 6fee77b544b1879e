//! What is typed.
use crate::commands::export::Target;
use crate::commands::missing::Format;
use crate::commands::sheet::cell::Draw;
use clap::{Parser, Subcommand};
use formats::exit::EXIT_HELP;
use formats::flags::OutputFlags;
use std::path::PathBuf;

/// Look at, check and finish datasets: folders of Parquet shards, single shards, sets with versions.
#[derive(Parser)]
#[command(name = "shards", version, after_help = EXIT_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Which rows are meant.
#[derive(clap::Args)]
pub struct Rows {
    /// Only rows of which this is true: "age > 60 and split = 'test' and expression.jawOpen > 0.5"
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List the shards: rows, bytes, who made them
    Ls {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
    },
    /// Count rows per split and give the range of every column
    Stat {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
    },
    /// Describe the columns of a shard: type, unit, meaning
    Schema {
        /// Dataset folder or shard
        path: PathBuf,
    },
    /// Show one row: labels as JSON, images as files; of a versioned set what a version is and how other tools read it
    Show {
        /// Dataset folder, shard (frames or identities) or versioned set
        path: PathBuf,
        /// Version of a versioned set: a number, a tag or `latest`
        #[arg(long)]
        version: Option<String>,
        /// Row, from 0; of those that match, under --where
        #[arg(long)]
        row: Option<usize>,
        #[command(flatten)]
        rows: Rows,
        /// Folder to write the images to
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Draw a contact sheet of frames drawn by lot
    Sheet {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// The PNG to write
        #[arg(long, value_name = "PNG")]
        out: PathBuf,
        /// Number of frames
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
        n: u32,
        /// Which ones: another seed draws others
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Side of a picture in pixels
        #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u32).range(16..=2048))]
        cell: u32,
        /// Layers to draw on the image (landmarks, segmentation, gaze) or beside it (the others)
        #[arg(long, value_enum, value_delimiter = ',', value_name = "LAYER,…")]
        draw: Vec<Draw>,
        /// Write the ids under each frame: identity, expression, camera, light
        #[arg(long)]
        captions: bool,
    },
    /// Write a page about a dataset: counts, coverage, sheets, duplicates, how it was made
    Report {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// The page to write; it needs no other file
        #[arg(long, value_name = "HTML")]
        out: PathBuf,
        /// Which frames are shown: another seed draws others
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Write frames for tools that do not read Parquet: WebDataset, COCO, nerfstudio
    Export {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// What to write
        #[arg(long, value_enum, value_name = "FORMAT")]
        to: Target,
        /// The folder to make; it must not be there yet
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only tell what would be written
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a dataset of a folder of images; its subfolders are people, transforms.json gives cameras
    Import {
        /// Folder with PNG, JPEG or WebP images
        folder: PathBuf,
        /// Dataset folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Split of all the images
        #[arg(long, default_value = "train", value_parser = ["train", "val", "test"])]
        split: String,
        /// Only tell what would be written
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the dataset card, or write it as README.md
    Card {
        /// Dataset folder
        path: PathBuf,
        /// Licence, as the Hub spells it; default: what the tool that made the dataset says of its output
        #[arg(long, value_name = "ID")]
        license: Option<String>,
        /// Write DIR/README.md instead of printing
        #[arg(long)]
        write: bool,
    },
    /// Check names, footers, versions, plan and ids; exit code 1 when something is found
    Verify {
        /// Dataset folder, shard or versioned set
        path: PathBuf,
        /// Read every byte and decode every image
        #[arg(long)]
        deep: bool,
    },
    /// Tell how far a dataset is: shards of its plan that are done, open, broken, missing; exit code 1 until it is complete
    Status {
        /// Dataset folder with a plan.toml
        path: PathBuf,
    },
    /// Print which shards of the plan, or which tasks of an array job, are still to be made; exit code 1 when any is
    Missing {
        /// Dataset folder with a plan.toml
        path: PathBuf,
        /// Tasks of the array job, N of `datagen render --shard auto/N`; default: one a shard
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        tasks: Option<u64>,
        /// How to print them
        #[arg(long, value_enum, default_value_t = Format::Indices)]
        format: Format,
    },
    /// Move damaged and foreign shards into DIR/damaged and tell which ones to make again
    Repair {
        /// Dataset folder
        path: PathBuf,
        /// Only tell what would be done
        #[arg(long)]
        dry_run: bool,
    },
    /// Check the dataset, then write manifest.parquet and README.md
    Merge {
        /// Dataset folder
        path: PathBuf,
    },
    /// List the versions of a versioned set: what each commit put, removed and said
    Log {
        /// Versioned set
        set: PathBuf,
        /// Only the newest
        #[arg(long, value_name = "N")]
        last: Option<u64>,
    },
    /// Tell which groups differ between two versions; exit code 1 when any does
    Diff {
        /// Versioned set
        set: PathBuf,
        /// Version: a number, a tag or `latest`
        from: String,
        /// Version
        #[arg(default_value = "latest")]
        to: String,
    },
    /// Write the rows of a version as one plain Parquet file
    Checkout {
        /// Versioned set
        set: PathBuf,
        /// Version: a number, a tag or `latest`
        #[arg(long, default_value = "latest")]
        version: String,
        /// The file to write
        #[arg(long, value_name = "PARQUET")]
        out: PathBuf,
    },
    /// Name a version, which gc keeps from then on; without a name list the tags
    Tag {
        /// Versioned set
        set: PathBuf,
        /// Letters, digits, `.`, `_` and `-`
        name: Option<String>,
        /// Version: a number, another tag or `latest`
        #[arg(long, default_value = "latest", requires = "name")]
        version: String,
        /// Take the name back
        #[arg(long, requires = "name", conflicts_with = "version")]
        delete: bool,
    },
    /// Commit a version with the same rows in few files
    Compact {
        /// Versioned set
        set: PathBuf,
        /// Files below this many megabytes (10^6 bytes) are put together
        #[arg(long, value_name = "MB", default_value_t = 4)]
        below: u64,
    },
    /// Delete the versions that are neither tagged nor among the newest, and what dead writers left
    Gc {
        /// Versioned set
        set: PathBuf,
        /// Newest versions to keep
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        keep: u64,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
    },
}
