//! Which format a history is in: its first bytes tell.

use super::source::{Place, Refusal, Source};
use crate::history::binary;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Whatever its first bytes say.
    Auto,
    /// Our own lines of JSON.
    Znodes,
    /// Our own compact form.
    Binary,
    /// Maps of EDN, as Jepsen's `history.edn`, or key-value lines.
    Edn,
    /// The same maps as JSON.
    Json,
    /// Columns: Jepsen's console, its `jepsen.log` and `history.txt`, etcd's logs.
    Lines,
    /// Porcupine's operations or events, as JSON.
    Porcupine,
}

impl Format {
    /// All, for tables and options.
    pub const ALL: [Format; 7] = [
        Format::Auto,
        Format::Znodes,
        Format::Binary,
        Format::Edn,
        Format::Json,
        Format::Lines,
        Format::Porcupine,
    ];

    /// As options and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Auto => "auto",
            Format::Znodes => "jsonl",
            Format::Binary => "binary",
            Format::Edn => "edn",
            Format::Json => "json",
            Format::Lines => "log",
            Format::Porcupine => "porcupine",
        }
    }
}

/// How far detection looks.
const WINDOW: usize = 1 << 16;

/// The format of what follows; nothing is taken from it.
///
/// # Errors
/// Emptiness, and beginnings that no format has.
pub fn detect(source: &mut Source<'_>) -> Result<Format, Refusal> {
    let ahead = source.ahead(WINDOW);
    // Of whatever version.
    if ahead.starts_with(&binary::MAGIC[..binary::MAGIC.len() - 1]) {
        return Ok(Format::Binary);
    }
    let (skipped, rest) = skip_comments(ahead);
    let place = place_of(&ahead[..skipped]);
    let Some(first) = rest.first() else {
        if let Some(failure) = source.failure() {
            return Err(failure);
        }
        let hint = "an empty history proves nothing: was the file written?";
        return Err(Refusal::at(place, "there is no history here", hint));
    };
    let text = String::from_utf8_lossy(rest);
    match first {
        b'{' | b'[' | b'(' | b'#' => Ok(of_brackets(&text)),
        _ if is_columns(&text) => Ok(Format::Lines),
        _ if ahead.starts_with(b"JEPSEN") => {
            let hint = "give the `history.edn` or `history.txt` beside it";
            Err(Refusal::at(place, "this is Jepsen's binary `test.jepsen`", hint))
        }
        _ => {
            let hint = "`--format` names the format: see `zoosim check --help`";
            Err(Refusal::at(place, "this begins like no history that is known", hint))
        }
    }
}

/// The bytes behind blanks, commas and `;` comments, and how many stood before.
fn skip_comments(bytes: &[u8]) -> (usize, &[u8]) {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' => at += 1,
            b';' => {
                let end = bytes[at..].iter().position(|byte| *byte == b'\n');
                at = end.map_or(bytes.len(), |end| at + end + 1);
            }
            _ => break,
        }
    }
    (at, &bytes[at..])
}

fn place_of(before: &[u8]) -> Place {
    let text = String::from_utf8_lossy(before);
    let line = text.matches('\n').count() as u64 + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() as u64 + 1;
    Place { line, column }
}

/// JSON has a quote where EDN has a colon: behind the first brace.
fn of_brackets(text: &str) -> Format {
    let Some((before, map)) = text.split_once('{') else {
        return if text.starts_with("[]") { Format::Json } else { Format::Edn };
    };
    let json = map.trim_start().starts_with('"') && !before.contains('#');
    if !json {
        return Format::Edn;
    }
    let map = map.trim_start().to_lowercase();
    let key = map.trim_start_matches('"').split('"').next().unwrap_or_default();
    let porcupine = ["clientid", "client_id", "input", "call", "output", "return", "kind", "id"];
    match key {
        "zoosim" => Format::Znodes,
        key if porcupine.contains(&key) => Format::Porcupine,
        _ => Format::Json,
    }
}

/// A process and a type in the first columns of some line, or a logger's prefix.
fn is_columns(text: &str) -> bool {
    text.lines().take(200).any(|line| {
        let mut columns = line.split_whitespace();
        let process = columns.next().unwrap_or_default();
        let kind = columns.next().unwrap_or_default();
        let is_process = process.starts_with(':') || process.parse::<u32>().is_ok();
        let is_kind = [":invoke", ":ok", ":fail", ":info"].contains(&kind);
        line.contains("jepsen.util") || (is_process && is_kind)
    })
}
