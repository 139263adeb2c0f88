//! What was typed about measurements.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use crate::explore::Policy;

use super::{
    at_least_one, parse_cap, parse_label, parse_policy, parse_roots, parse_seconds, threads,
};

/// `bench`.
#[derive(ClapArgs, Debug)]
pub struct BenchArgs {
    /// What to measure; the simulation if absent
    #[command(subcommand)]
    pub verb: Option<BenchVerb>,
    /// As JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The verbs of `bench`.
#[derive(Subcommand, Debug)]
pub enum BenchVerb {
    /// How many seeds, events and seconds of the processor it takes to find each planted bug
    #[command(
        after_help = "example: zoosim bench bugs --roots 3 --cap 60 --out bugs.jsonl\n         \
        zoosim bench bugs --table bugs.jsonl --markdown"
    )]
    Bugs(BugsArgs),
    /// Each property left out in turn: which seeds with planted bugs then pass
    #[command(after_help = "example: zoosim bench mutations --seeds 20 --bug vote_order_not_total")]
    Mutations(MutationsArgs),
    /// The checker of histories: what it costs, or whether it agrees with the definition
    #[command(after_help = "example: zoosim bench check --sweep 100000\n         \
        zoosim bench check --differential 1000 --model queue")]
    Check(BenchCheckArgs),
}

/// `bench mutations`.
#[derive(ClapArgs, Debug)]
pub struct MutationsArgs {
    /// So many seeds of each bug's own scenario, and of the swarm
    #[arg(long, value_name = "N", default_value = "100", value_parser = at_least_one)]
    pub seeds: u64,
    /// Only this bug; may be given again
    #[arg(long, value_name = "NAME")]
    pub bug: Vec<String>,
    /// Print only this property; may be given again
    #[arg(long, value_name = "NAME")]
    pub property: Vec<String>,
    /// Threads; as many as processors if absent. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Print the table for documents
    #[arg(long)]
    pub markdown: bool,
}

/// `bench check`.
#[derive(ClapArgs, Debug)]
pub struct BenchCheckArgs {
    /// Instead compare the checker with trying every order, on so many small histories per model
    #[arg(long, value_name = "N")]
    pub differential: Option<u64>,
    /// Only this model: register, mutex, set, queue, fifo-queue, kv, list-append, multi-register or
    /// znodes; or sweep, views: the checks by zxids
    #[arg(long, value_name = "NAME", requires = "differential")]
    pub model: Option<String>,
    /// Where the small histories are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Calls of the znode histories that are judged by their zxids; 0 for none
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    pub sweep: u64,
    /// Only the cases whose names begin so
    #[arg(long, value_name = "NAME", conflicts_with = "differential")]
    pub only: Option<String>,
    /// What build this is, for an account of comparisons: the commit
    #[arg(long, value_name = "TEXT", default_value = "", requires = "differential")]
    pub label: String,
}

/// `bench bugs`.
#[derive(ClapArgs, Debug)]
pub struct BugsArgs {
    /// How many independent roots: root N tries the seeds N * 1,000,000 and on
    #[arg(long, value_name = "N", default_value = "30", value_parser = parse_roots)]
    pub roots: u64,
    /// Seconds of the processor after which a bug is given up for a root: `600` or `600s`
    #[arg(long, value_name = "N", default_value = "600", value_parser = parse_cap)]
    pub cap: u64,
    /// How many more to go on behind a finding for the first loss of committed data
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_seconds)]
    pub beyond: u64,
    /// Make the plans small that the first N roots find, and replay them
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub shrink: u64,
    /// After so many simulated events a plan is small enough
    #[arg(long, value_name = "N", default_value_t = 30_000_000)]
    pub shrink_steps: u64,
    /// Only this bug; may be given again
    #[arg(long, value_name = "NAME")]
    pub bug: Vec<String>,
    /// How seeds are searched: `zoosim list policies`
    #[arg(long, value_name = "NAME", default_value = "swarm", value_parser = parse_policy)]
    pub policy: Policy,
    /// The scenario in which bugs are planted
    #[arg(long, value_name = "SCENARIO", default_value = "default")]
    pub scenario: String,
    /// Threads, for a bug and a root each; as many as processors if absent
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Append a line of JSON for each bug and root to this file; what it has is not measured again
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What to call this build in each line: a commit, for instance. What the file has of other
    /// builds is measured again
    #[arg(long, value_name = "TEXT", default_value = "", value_parser = parse_label)]
    #[arg(conflicts_with = "table")]
    pub label: String,
    /// Only print the table of this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "json"])]
    pub table: Option<PathBuf>,
    /// Print the lines of JSON, and no table
    #[arg(long)]
    pub json: bool,
    /// Print the table for documents
    #[arg(long)]
    pub markdown: bool,
}
