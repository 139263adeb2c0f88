//! Operations in columns: Jepsen's console, its `jepsen.log` and `history.txt`.
//!
//! ```text
//! INFO  jepsen.util - 3<TAB>:invoke<TAB>:cas<TAB>[2 4]
//! INFO [date] jepsen worker 3 - jepsen.util 3<TAB>:ok<TAB>:read<TAB>7
//! date{GMT}<TAB>INFO<TAB>[jepsen worker 3] jepsen.util: 3<TAB>:info<TAB>:cas<TAB>:timed-out
//! 3<TAB>:fail<TAB>:read<TAB>:timed-out
//! ```
//!
//! Columns end with tabs or blanks, for some of these files have the ones and some the others.
//! Lines of other loggers are passed over; a line that is neither is refused, since a reader that
//! skips what it does not know finds every history legal.

use super::edn::{Dialect, Reader};
use super::pair::Pairing;
use super::source::{Place, Refusal, Source};
use super::value::{Value, Words};
use super::{Event, Foreign, Format, Kind};

/// The logger that tells operations.
const LOGGER: &str = "jepsen.util";

/// Reads all of it.
pub(crate) fn read(mut source: Source<'_>) -> Result<Foreign, Refusal> {
    let (mut words, mut pairing) = (Words::new(), Pairing::new());
    let mut line = Vec::new();
    loop {
        let place = source.place();
        if !source.line(&mut line) {
            break;
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            return Err(Refusal::at(place, "this is not UTF-8", "histories are texts in UTF-8"));
        };
        let text = text.trim_end();
        let Some(start) = columns(text, place)? else { continue };
        let mut cut = Cut { text, at: start, place };
        let event = event(&mut cut, &mut words)?;
        pairing.take(event, &mut words)?;
    }
    if let Some(failure) = source.failure() {
        return Err(failure);
    }
    let end = source.place();
    pairing.finish(Format::Lines, words, end)
}

/// Where a line's columns begin; `None` if it is another logger's, or blank.
fn columns(text: &str, place: Place) -> Result<Option<usize>, Refusal> {
    if let Some(at) = text.find(LOGGER) {
        let behind = at + LOGGER.len();
        let rest = text[behind..].trim_start_matches([':', '-', ' ', '\t']);
        // A nemesis's own colon is one of those just taken.
        let nemesis = rest.starts_with(|letter: char| letter.is_ascii_alphabetic());
        return Ok(Some(text.len() - rest.len() - usize::from(nemesis)));
    }
    let mut first = text.split_whitespace();
    let Some(word) = first.next() else { return Ok(None) };
    if word.starts_with(':') || word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(text.len() - text.trim_start().len()));
    }
    let levels = ["INFO", "WARN", "ERROR", "DEBUG", "TRACE"];
    if text.split_whitespace().take(4).any(|word| levels.contains(&word)) {
        return Ok(None);
    }
    let hint = "an operation is `process :type :f value`; cut away what is no history";
    Err(Refusal::at(place, "this line is no operation, and no logger's", hint))
}

/// What is left of a line.
struct Cut<'a> {
    text: &'a str,
    at: usize,
    place: Place,
}

impl<'a> Cut<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next column, without blanks within, and its place.
    fn word(&mut self) -> (&'a str, Place) {
        self.at = self.text.len() - self.rest().trim_start().len();
        let rest = self.rest();
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let place = self.here();
        self.at += end;
        (&rest[..end], place)
    }

    fn here(&self) -> Place {
        let column = self.text[..self.at].chars().count() as u64 + 1;
        Place { line: self.place.line, column }
    }
}

fn event(cut: &mut Cut<'_>, words: &mut Words) -> Result<Event, Refusal> {
    let hint = "an operation is `process :type :f value`";
    let (process, at) = cut.word();
    let number = match process.strip_prefix(':') {
        Some(_) => None,
        None => Some(process.parse().map_err(|_| {
            let what = format!("`{process}` is no process");
            Refusal::at(at, what, "a process is a number, or `:nemesis`")
        })?),
    };
    let (kind, at) = cut.word();
    let kind = match kind {
        ":invoke" => Kind::Invoke,
        ":ok" => Kind::Ok,
        ":fail" => Kind::Fail,
        ":info" => Kind::Info,
        other => {
            let what = format!("`{other}` is no type of operation");
            return Err(Refusal::at(at, what, "known are `:invoke`, `:ok`, `:fail`, `:info`"));
        }
    };
    let (f, at) = cut.word();
    let Some(f) = f.strip_prefix(':').filter(|f| !f.is_empty()) else {
        return Err(Refusal::at(at, format!("`{f}` is no name of an operation"), hint));
    };
    let f = words.of(f);
    let (mut value, mut error) = (Value::Nil, Value::Nil);
    // What a nemesis says need not be EDN.
    if number.is_some() {
        value = self::value(cut, words)?;
        let (more, at) = cut.word();
        let ended = matches!(kind, Kind::Fail | Kind::Info);
        if !more.is_empty() && !ended {
            let what = format!("`{more}` stands behind the operation");
            return Err(Refusal::at(at, what, hint));
        }
        if !more.is_empty() {
            error = Value::Keyword(words.of(more.trim_start_matches([':', '['])));
        }
    }
    Ok(Event { place: at, kind, process: number, f, key: None, value, error })
}

/// The value column.
fn value(cut: &mut Cut<'_>, words: &mut Words) -> Result<Value, Refusal> {
    cut.at = cut.text.len() - cut.rest().trim_start().len();
    let rest = cut.rest();
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    match &rest[..end] {
        "" => {
            let hint = "an operation without a value says `nil`: is the line whole?";
            return Err(Refusal::at(cut.here(), "the value is missing", hint));
        }
        "nil" => {
            cut.at += end;
            return Ok(Value::Nil);
        }
        word => {
            if let Ok(number) = word.parse() {
                cut.at += end;
                return Ok(Value::Int(number));
            }
        }
    }
    let (place, mut bytes) = (cut.here(), rest.as_bytes());
    let source = Source::within(&mut bytes, place, rest.len());
    let mut reader = Reader::new(source, std::mem::take(words), Dialect::Edn);
    let value = reader.value();
    let taken = reader.source.place().column - place.column;
    *words = reader.words;
    let letters = rest.chars().take(taken as usize).map(char::len_utf8);
    cut.at += letters.sum::<usize>();
    value
}
