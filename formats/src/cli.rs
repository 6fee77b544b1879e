//! What is typed.
use crate::commands::export::Target;
use crate::commands::missing::Format;
use crate::commands::pack;
use crate::commands::sheet::cell::Draw;
use clap::{Parser, Subcommand};
use formats::exit::EXIT_HELP;
use formats::flags::OutputFlags;
use std::path::PathBuf;

/// Inspect, check, repair and merge datasets: folders of Parquet shards, single shards, versioned datasets.
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
    /// Use only rows that match this condition, for example "age > 60 and split = 'test' and expression.jawOpen > 0.5"
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List shards: rows, bytes, tool that wrote them
    Ls {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
    },
    /// Count rows per split and print the range of every column
    Stat {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
    },
    /// Describe the columns of a dataset: type, unit, meaning
    Schema {
        /// Dataset folder or shard
        path: PathBuf,
    },
    /// Show one row: labels as JSON, images as files; for a versioned dataset, describe a version and how to query it
    Show {
        /// Dataset folder, shard (frames or identities) or versioned dataset
        path: PathBuf,
        /// Version of a versioned dataset: a number, a tag or `latest`
        #[arg(long)]
        version: Option<String>,
        /// Row index from 0, counted among the rows that match --where
        #[arg(long)]
        row: Option<usize>,
        #[command(flatten)]
        rows: Rows,
        /// Folder to write the images to
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Draw a contact sheet of randomly sampled frames
    Sheet {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// PNG file to write
        #[arg(long, value_name = "PNG")]
        out: PathBuf,
        /// Number of frames
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
        n: u32,
        /// Random seed of the sample
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Side of each image in pixels
        #[arg(long, default_value_t = 160, value_parser = clap::value_parser!(u32).range(16..=2048))]
        cell: u32,
        /// Layers to draw over the image (landmarks, segmentation, gaze) or next to it (the others)
        #[arg(long, value_enum, value_delimiter = ',', value_name = "LAYER,…")]
        draw: Vec<Draw>,
        /// Write the ids under each frame: identity, expression, camera, light
        #[arg(long)]
        captions: bool,
    },
    /// Write an HTML report on a dataset: counts, coverage, contact sheets, duplicates, provenance
    Report {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// Self-contained HTML file to write
        #[arg(long, value_name = "HTML")]
        out: PathBuf,
        /// Random seed of the frames shown
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// Export frames to WebDataset, COCO or nerfstudio
    Export {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        /// Output format
        #[arg(long, value_enum, value_name = "FORMAT")]
        to: Target,
        /// Folder to create; it must not exist
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Print what would be written, without writing
        #[arg(long)]
        dry_run: bool,
    },
    /// Create a dataset from a folder of images: subfolders are people, transforms.json gives cameras
    Import {
        /// Folder with images: PNG, JPEG, WebP, TIFF, BMP, GIF; HEIC and AVIF if heif-convert or ffmpeg is installed
        folder: PathBuf,
        /// Dataset folder to write
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Split to assign to all images
        #[arg(long, default_value = "train", value_parser = ["train", "val", "test"])]
        split: String,
        /// Print what would be written, without writing
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a dataset reduced to a given size, as many people as possible in it, to be carried to another machine
    Pack {
        /// Dataset folder or shard
        path: PathBuf,
        #[command(flatten)]
        rows: Rows,
        #[command(flatten)]
        request: pack::Request,
        /// Dataset folder to make; it must not be there yet
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Only tell about what would be written
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the dataset card, or write it as README.md
    Card {
        /// Dataset folder
        path: PathBuf,
        /// License identifier as on the Hugging Face Hub; default: derived from the tool and inputs that made the dataset
        #[arg(long, value_name = "ID")]
        license: Option<String>,
        /// Write DIR/README.md instead of printing
        #[arg(long)]
        write: bool,
    },
    /// Check file names, footers, versions, plan and ids; exit code 1 if there are findings
    Verify {
        /// Dataset folder, shard or versioned dataset
        path: PathBuf,
        /// Read every byte and decode every image
        #[arg(long)]
        deep: bool,
    },
    /// Show which shards of the plan are done, open, broken or missing; exit code 1 until the dataset is complete
    Status {
        /// Dataset folder with a plan.toml
        path: PathBuf,
    },
    /// Print the shards of the plan, or the tasks of an array job, that remain to be done; exit code 1 if there are any
    Missing {
        /// Dataset folder with a plan.toml
        path: PathBuf,
        /// Number of tasks in the array job, the N of `datagen render --shard auto/N`; default: one per shard
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        tasks: Option<u64>,
        /// Output format
        #[arg(long, value_enum, default_value_t = Format::Indices)]
        format: Format,
    },
    /// Move damaged and foreign shards to DIR/damaged and list the ones to render again
    Repair {
        /// Dataset folder
        path: PathBuf,
        /// Print what would be done, without changing anything
        #[arg(long)]
        dry_run: bool,
    },
    /// Check the dataset, then write manifest.parquet and README.md
    Merge {
        /// Dataset folder
        path: PathBuf,
    },
    /// List the versions of a versioned dataset: rows added and removed, and the commit message
    Log {
        /// Versioned dataset
        set: PathBuf,
        /// Print only the newest N versions
        #[arg(long, value_name = "N")]
        last: Option<u64>,
    },
    /// List the groups that differ between two versions; exit code 1 if there are any
    Diff {
        /// Versioned dataset
        set: PathBuf,
        /// Old version: a number, a tag or `latest`
        from: String,
        /// New version: a number, a tag or `latest`
        #[arg(default_value = "latest")]
        to: String,
    },
    /// Write the rows of a version to one plain Parquet file
    Checkout {
        /// Versioned dataset
        set: PathBuf,
        /// Version: a number, a tag or `latest`
        #[arg(long, default_value = "latest")]
        version: String,
        /// File to write
        #[arg(long, value_name = "PARQUET")]
        out: PathBuf,
    },
    /// Tag a version, which protects it from gc; without a name, list the tags
    Tag {
        /// Versioned dataset
        set: PathBuf,
        /// Tag name: letters, digits, `.`, `_` and `-`
        name: Option<String>,
        /// Version: a number, another tag or `latest`
        #[arg(long, default_value = "latest", requires = "name")]
        version: String,
        /// Delete the tag
        #[arg(long, requires = "name", conflicts_with = "version")]
        delete: bool,
    },
    /// Commit a new version with the same rows in fewer files
    Compact {
        /// Versioned dataset
        set: PathBuf,
        /// Merge files smaller than this many megabytes (10^6 bytes)
        #[arg(long, value_name = "MB", default_value_t = 4)]
        below: u64,
    },
    /// Delete versions that are neither tagged nor among the newest, and leftovers of killed writers
    Gc {
        /// Versioned dataset
        set: PathBuf,
        /// Number of newest versions to keep
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        keep: u64,
        /// Print what would be deleted, without deleting
        #[arg(long)]
        dry_run: bool,
    },
}
