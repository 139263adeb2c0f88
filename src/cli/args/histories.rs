//! What was typed about histories that come from files, or go there.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{at_least_one, threads};

/// `check`.
#[derive(ClapArgs, Debug)]
pub struct CheckArgs {
    /// Files, or `-` for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<String>,
    /// What the history is of: register, mutex, set, queue, fifo-queue, kv, list-append and
    /// multi-register (both also in transactions), znodes; found out if absent
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// How much consistency is asked for: linearizable, sync-linearizable, osc (ordered sequential
    /// consistency), sequential or session for znodes, which are judged at `sync-linearizable` if
    /// absent; linearizable or sequential for all else (of
    /// transactions linearizable is strictly serializable)
    #[arg(long, value_name = "NAME")]
    pub level: Option<String>,
    /// What a sync promises, for znodes: strict, or zookeeper (no more than its session's order)
    #[arg(long, value_name = "NAME", default_value = "strict")]
    pub sync: String,
    /// How znodes are judged: witness (by all zxids), views (by those of writes), search (by none);
    /// by what is there if absent
    #[arg(long, value_name = "NAME")]
    pub mode: Option<String>,
    /// How the file is written: jsonl, binary, edn, json, log, porcupine
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub format: String,
    /// What a failed operation says: nothing, or that its condition did not hold
    #[arg(long, value_enum, default_value_t = FailArg::Drop)]
    pub fail: FailArg,
    /// Remember what was tried itself, not its hash
    #[arg(long)]
    pub exact: bool,
    /// Steps that a search may take; if absent 100,000,000, or 10,000,000 where zxids were there
    /// and could not be used
    #[arg(long, value_name = "N")]
    pub budget: Option<u64>,
    /// Megabytes that a search may hold, about, beside the history; 256 if absent
    #[arg(long, value_name = "MB", value_parser = at_least_one)]
    pub memory: Option<u64>,
    /// Threads; as many as processors if absent. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = threads)]
    pub jobs: Option<usize>,
    /// Judge each key by itself, and print a line for each
    #[arg(long)]
    pub keys: bool,
    /// As lines of JSON
    #[arg(long)]
    pub json: bool,
    /// Say what was judged, and why a history is not what was asked
    #[arg(long)]
    pub explain: bool,
    /// Print the order that makes a history what was asked
    #[arg(long)]
    pub order: bool,
}

/// `--fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailArg {
    /// Nothing
    Drop,
    /// That its condition did not hold
    Assert,
}

/// `history`.
#[derive(ClapArgs, Debug)]
pub struct HistoryArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: HistoryVerb,
}

/// The verbs of `history`.
#[derive(Subcommand, Debug)]
pub enum HistoryVerb {
    /// Make a history from a seed: the same bytes, always
    #[command(
        after_help = "example: zoosim history gen --model register --ops 100 --corrupt answer"
    )]
    Gen(GenArgs),
    /// Write a history in another format
    #[command(after_help = "example: zoosim history convert history.edn --to porcupine")]
    Convert(ConvertArgs),
}

/// `history gen`.
#[derive(ClapArgs, Debug)]
pub struct GenArgs {
    /// What the history is of: register, mutex, set, queue, fifo-queue, kv, list-append,
    /// multi-register, znodes
    #[arg(long, value_name = "NAME", default_value = "register")]
    pub model: String,
    /// How many operations
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub ops: u64,
    /// How many clients are busy at once
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub clients: u32,
    /// The seed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Operations (of znodes: writes) without a known end, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub crashed: u64,
    /// Reads that may be stale, in per cent: legal for znodes, not for the others
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    pub stale: u64,
    /// Make one thing wrong: answer or lost-write; of znodes a field: result, data, names, suffix,
    /// zxid, event, order, session, or one of a Stat's, such as version
    #[arg(long, value_name = "KIND")]
    pub corrupt: Option<String>,
    /// Different paths, beside those of sequential nodes; for znodes
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub paths: u32,
    /// Servers that clients are spread over; for znodes
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub servers: u32,
    /// Calls that a client may have under way at a time; for znodes
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub pipeline: u32,
    /// Different values to be written
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub values: u64,
    /// Show the committed log, too, so that it is known what lost calls did; for znodes
    #[arg(long)]
    pub committed: bool,
    /// Write each value once
    #[arg(long, conflicts_with = "values")]
    pub unique: bool,
    /// Different keys; 0 for one object without a key
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub keys: u64,
    /// Operations in a transaction at most, for multi-register (4 if absent) and list-append (1)
    #[arg(long, value_name = "N")]
    pub txn: Option<u64>,
    /// How to write it: edn, json, log, porcupine; jsonl or binary for znodes
    #[arg(long, value_name = "NAME")]
    pub format: Option<String>,
    /// A file to write it to; standard output if absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<String>,
}

/// `history convert`.
#[derive(ClapArgs, Debug)]
pub struct ConvertArgs {
    /// A file, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// How to write it: edn, json, log, porcupine; jsonl or binary for zoosim's own
    #[arg(long, value_name = "NAME")]
    pub to: String,
    /// How the file is written; found out if absent
    #[arg(long, value_name = "NAME", default_value = "auto")]
    pub format: String,
    /// A file to write it to; standard output if absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<String>,
}
