//! Errors in what a person wrote: where it is, what is wrong, and what to do about it.
//!
//! ```text
//! scenarios/x.json:14:9: unknown fault `partiton`
//! hint: did you mean `partition`? `zoosim list faults` shows all
//! ```

use std::fmt;

use serde::de::DeserializeOwned;

/// Something wrong in a text that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputError {
    /// The file's name, or whatever else the text came from.
    pub place: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InputError { place, line, column, what, hint } = self;
        write!(f, "{place}:{line}:{column}: {what}\nhint: {hint}")
    }
}

impl std::error::Error for InputError {}

/// Something wrong with a value, at a path of fields (`faults[2].fault.wipe.peer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which field.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.headline(), self.hint)
    }
}

impl std::error::Error for Problem {}

impl Problem {
    /// A problem with the value at `path`.
    pub fn new(path: &str, what: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { path: path.to_string(), what: what.into(), hint: hint.into() }
    }

    fn headline(&self) -> String {
        format!("`{}` {}", self.path, self.what)
    }

    /// The problem, placed in the text that the value was read from.
    pub fn within(self, place: &str, text: &str) -> InputError {
        let (line, column) = position(text, locate(text, &self.path));
        let what = self.headline();
        InputError { place: place.to_string(), line, column, what, hint: self.hint }
    }
}

/// Reads JSON whose first field says what it is (`scenario/1`, `plan/1`).
///
/// # Errors
/// The first thing wrong with it.
pub fn read<T: DeserializeOwned>(place: &str, text: &str, format: &str) -> Result<T, InputError> {
    let found = serde_json::from_str::<serde_json::Value>(text)
        .map_err(|error| of_serde(place, text, &error, false))?;
    match found.get("zoosim").and_then(serde_json::Value::as_str) {
        Some(said) if said == format => {}
        Some(said) => {
            let what = format!("is `{said}`, not `{format}`");
            let hint = match (said, format) {
                ("plan/1", "scenario/1") => "`zoosim replay` runs a plan".to_string(),
                ("scenario/1", "plan/1") => {
                    "`zoosim run` runs a scenario, and `zoosim plan` draws a plan from it"
                        .to_string()
                }
                _ => format!("this build reads `\"zoosim\": \"{format}\"` here"),
            };
            return Err(Problem::new("zoosim", what, hint).within(place, text));
        }
        None => {
            let hint = format!("the first field must be `\"zoosim\": \"{format}\"`");
            return Err(Problem::new("zoosim", "is missing", hint).within(place, text));
        }
    }
    serde_json::from_str(text).map_err(|error| of_serde(place, text, &error, true))
}

/// The word nearest to `word` among `known`, if one is near enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let allowed = 1 + word.chars().count() / 4;
    let near = known.iter().map(|name| (distance(word, name), *name));
    near.filter(|(edits, _)| *edits <= allowed).min_by_key(|(edits, _)| *edits).map(|(_, n)| n)
}

/// A hint that names what may have been meant, or everything that is known.
pub fn suggest(word: &str, known: &[&str], list: Option<&str>) -> String {
    let verb = list.map(|noun| format!("`zoosim list {noun}` shows all"));
    match (did_you_mean(word, known), verb) {
        (Some(name), Some(verb)) => format!("did you mean `{name}`? {verb}"),
        (Some(name), None) => format!("did you mean `{name}`?"),
        (None, _) => format!("known are {}", quoted(known)),
    }
}

/// Names in backticks, with commas.
pub fn quoted(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Levenshtein's distance, swaps of neighbours counting as one edit.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// What serde_json says, in our words and with a remedy. What is known to be JSON it may still call
/// an error of syntax: where an object must stand, for instance, and a number does.
fn of_serde(place: &str, text: &str, error: &serde_json::Error, is_json: bool) -> InputError {
    let full = error.to_string();
    let message = full.split(" at line ").next().unwrap_or(&full);
    let mut offset = offset_of(text, error.line(), error.column());
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (what, hint) = match words.split_first() {
        Some((word, known)) if message.starts_with("unknown ") => {
            // The reader stands behind the word: point at the word itself.
            let before = text.get(..=offset).unwrap_or(text);
            offset = before.rfind(&format!("\"{word}\"")).unwrap_or(offset);
            let (noun, list) = noun(message.starts_with("unknown field"), known);
            (format!("unknown {noun} `{word}`"), suggest(word, known, list))
        }
        Some((word, _)) if message.starts_with("missing field") => {
            (message.to_string(), remedy_of_missing(word))
        }
        _ if message.starts_with("invalid ") => {
            (message.to_string(), "the value has another type or length than asked for".to_string())
        }
        _ if is_json => (message.to_string(), remedy_of_data(message).to_string()),
        _ => {
            let hint = "this is not JSON: look for a missing comma, quote or bracket before here";
            (message.to_string(), hint.to_string())
        }
    };
    let (line, column) = position(text, offset);
    InputError { place: place.to_string(), line, column, what, hint }
}

/// What a list of expected names is a list of, and the word by which `zoosim list` shows it.
fn noun(field: bool, known: &[&str]) -> (&'static str, Option<&'static str>) {
    let has = |name: &str| known.contains(&name);
    match () {
        () if field => ("field", None),
        () if has("crash_all") => ("fault", Some("faults")),
        () if has("isolate") => ("split", None),
        () if has("shortest") => ("target", None),
        () if has("moment") => ("time", None),
        () if has("receive") => ("pattern", None),
        () if has("log_uniform") => ("delay", None),
        () if has("multi_read") => ("call", None),
        () if has("ephemeral_sequential") => ("create mode", None),
        () if has("program") => ("driver", None),
        () if has("violation") => ("expectation", None),
        () => ("word", None),
    }
}

/// Of JSON that is not what was asked for, in ways that name no word.
fn remedy_of_data(message: &str) -> &'static str {
    match message.starts_with("duplicate field") {
        true => "a field stands in an object once: remove one of them",
        false => "the value is JSON of another form than asked for: see what `zoosim plan` prints",
    }
}

fn remedy_of_missing(field: &str) -> String {
    match field {
        "title" => "say in a line what the scenario is".to_string(),
        "why" => "say why anyone should care: the report prints it".to_string(),
        "expect" => {
            "add `\"expect\": \"pass\"`, or `{\"violation\": [..properties..]}`".to_string()
        }
        _ => format!("add `\"{field}\"`"),
    }
}

/// The byte at which a line and column (both from 1, the column in bytes) stand.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut offset = (before + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line and column (both from 1) of a byte.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// The byte at which the value at a path of fields begins, or the innermost one on the way to it.
/// The text is known to be JSON.
fn locate(text: &str, path: &str) -> usize {
    let mut at = skip_space(text, 0);
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let found = match step.strip_suffix(']') {
            Some(index) => index.parse().ok().and_then(|index| member(text, at, Want::Nth(index))),
            None => member(text, at, Want::Key(step)),
        };
        match found {
            Some(inner) => at = inner,
            None => return at,
        }
    }
    at
}

/// Which member of an array or object is looked for.
enum Want<'a> {
    Nth(usize),
    Key(&'a str),
}

/// Where a member of the array or object at `at` begins.
fn member(text: &str, at: usize, want: Want<'_>) -> Option<usize> {
    let bytes = text.as_bytes();
    let object = match (bytes.get(at)?, &want) {
        (b'{', Want::Key(_)) => true,
        (b'[', Want::Nth(_)) => false,
        _ => return None,
    };
    let mut at = skip_space(text, at + 1);
    for nth in 0.. {
        if matches!(bytes.get(at)?, b'}' | b']') {
            return None;
        }
        let mut hit = matches!(want, Want::Nth(wanted) if wanted == nth);
        if object {
            let end = skip_value(text, at);
            let name = text.get(at..end)?.trim_matches('"');
            hit = matches!(want, Want::Key(wanted) if wanted == name);
            at = skip_space(text, skip_space(text, end) + 1);
        }
        if hit {
            return Some(at);
        }
        at = skip_space(text, skip_value(text, at));
        if bytes.get(at)? == &b',' {
            at = skip_space(text, at + 1);
        }
    }
    None
}

fn skip_space(text: &str, mut at: usize) -> usize {
    while text.as_bytes().get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The byte behind the JSON value that begins at `at`.
fn skip_value(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut quoted) = (at, 0, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b':' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && !quoted && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    at.min(text.len())
}
