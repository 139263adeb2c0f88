//! `zoosim check`: histories from files, judged.

use std::fs::File;
use std::io::{self, Read, Write};

use serde_json::{Value, json};

use crate::history::foreign::{self, Foreign, Format, Refusal, Source};
use crate::history::{History, binary, jsonl};
use crate::plan::input::suggest;
use crate::verdict::judge::{
    self, Answer, Candidate, Fail, Judgement, Level, Object, Question, Why,
};

use super::args::{CheckArgs, FailArg};
use super::{Done, Exit, say, talk};

/// `zoosim check`.
pub fn check(args: &CheckArgs) -> Done {
    let question = question(args)?;
    let format = format(&args.format)?;
    let mut worst = Exit::Held;
    for file in &args.files {
        let ended = match one(args, file, format, &question) {
            Ok(ended) => ended,
            Err(refusal) => {
                let told = placed(file, &refusal);
                talk(&told);
                if args.json {
                    say(&format!(
                        "{}\n",
                        json!({ "zoosim": "check/1", "file": file, "error": told })
                    ));
                }
                Exit::CouldNot
            }
        };
        worst = worse(worst, ended);
    }
    Ok(worst)
}

/// What could not be read outweighs what is false, and that what is not known.
fn worse(one: Exit, other: Exit) -> Exit {
    let weight = |exit: Exit| match exit {
        Exit::Held => 0,
        Exit::Undecided => 1,
        Exit::Violated => 2,
        Exit::CouldNot | Exit::Nondeterminism | Exit::Incomplete => 3,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// A refusal with its file's name in front.
pub fn placed(file: &str, refusal: &Refusal) -> String {
    let Refusal { line, column, what, hint } = refusal;
    match line {
        0 => format!("{file}: {what}\nhint: {hint}"),
        _ => format!("{file}:{line}:{column}: {what}\nhint: {hint}"),
    }
}

fn question(args: &CheckArgs) -> Result<Question, String> {
    let unknown = |option: &str, name: &str, known: &[&str]| {
        format!("`--{option}` `{name}` is not known\nhint: {}", suggest(name, known, None))
    };
    let mut question = Question::default();
    if let Some(name) = &args.model {
        let known = Object::ALL.map(Object::name);
        let object = Object::from_name(name).ok_or_else(|| unknown("model", name, &known))?;
        question.object = Some(object);
    }
    if let Some(name) = &args.level {
        let known = Level::ALL.map(Level::name);
        let level = Level::from_name(name).ok_or_else(|| unknown("level", name, &known))?;
        question.level = Some(level);
    }
    question.sync =
        judge::sync_flavour(&args.sync).ok_or_else(|| unknown("sync", &args.sync, &["strict"]))?;
    question.fail = match args.fail {
        FailArg::Drop => Fail::Drop,
        FailArg::Assert => Fail::Assert,
    };
    question.search.exact = args.exact;
    if let Some(budget) = args.budget {
        question.search.nodes = budget;
    }
    Ok(question)
}

/// The format of that name.
///
/// # Errors
/// The names that there are.
pub fn format(name: &str) -> Result<Format, String> {
    let known = Format::ALL.map(Format::name);
    let found = Format::ALL.into_iter().find(|format| format.name() == name);
    found.ok_or_else(|| {
        format!("`format` `{name}` is not known\nhint: {}", suggest(name, &known, None))
    })
}

/// A history as it was read.
pub enum Told {
    /// One of ours.
    Znodes(History),
    /// One of another tool.
    Foreign(Foreign),
}

/// How far the beginning of a file is looked at.
const HEAD: u64 = 1 << 16;

/// Reads a file, or standard input.
///
/// # Errors
/// What cannot be understood.
pub fn read(file: &str, format: Format) -> Result<Told, Refusal> {
    let mut bytes: Box<dyn Read> = match file {
        "-" => Box::new(io::stdin().lock()),
        file => Box::new(File::open(file).map_err(|error| unreadable(&error))?),
    };
    let mut head = Vec::new();
    bytes.by_ref().take(HEAD).read_to_end(&mut head).map_err(|error| unreadable(&error))?;
    let format = match format {
        Format::Auto => foreign::detect(&mut Source::new(&mut head.as_slice()))?,
        format => format,
    };
    let mut bytes = head.as_slice().chain(bytes);
    match format {
        Format::Znodes => jsonl::import(&mut bytes).map(Told::Znodes),
        Format::Binary => binary::import(&mut bytes).map(Told::Znodes),
        format => foreign::read(&mut bytes, format).map(Told::Foreign),
    }
}

fn unreadable(error: &io::Error) -> Refusal {
    let (what, hint) = match error.kind() {
        io::ErrorKind::NotFound => {
            ("there is no such file".to_string(), "a file is named from where you are")
        }
        _ => (error.to_string(), "is it a file, and may you read it?"),
    };
    Refusal::on_line(0, format!("cannot be read: {what}"), hint)
}

fn one(args: &CheckArgs, file: &str, format: Format, question: &Question) -> Result<Exit, Refusal> {
    let foreign = match read(file, format)? {
        Told::Znodes(history) => {
            let judgement = judge::judge_znodes(&history, question)?;
            return Ok(tell(args, file, None, &judgement));
        }
        Told::Foreign(foreign) => foreign,
    };
    if !args.keys || foreign.keys.is_empty() {
        let judgement = judge::judge(foreign, question)?;
        return Ok(tell(args, file, None, &judgement));
    }
    // Which model it is shows over all keys, not in each.
    let object = match question.object {
        Some(object) => object,
        None => judge::detect(&foreign)?,
    };
    let question = Question { object: Some(object), ..question.clone() };
    let mut worst = Exit::Held;
    for (key, foreign) in foreign.by_key() {
        let judgement = judge::judge(foreign, &question)?;
        worst = worse(worst, tell(args, file, Some(&key), &judgement));
    }
    Ok(worst)
}

/// Prints a judgement; what it comes to.
fn tell(args: &CheckArgs, file: &str, key: Option<&str>, judgement: &Judgement) -> Exit {
    if args.json {
        say(&format!("{}\n", as_json(file, key, judgement)));
    } else {
        say(&as_text(file, key, judgement, args.explain));
    }
    match judgement.answer {
        Answer::True => Exit::Held,
        Answer::False(_) => Exit::Violated,
        Answer::Unknown(_) => Exit::Undecided,
    }
}

fn as_text(file: &str, key: Option<&str>, judgement: &Judgement, explain: bool) -> String {
    let key = key.map_or(String::new(), |key| format!("\t{key}"));
    let mut text = format!("{file}{key}\t{}", judgement.answer.word());
    match &judgement.answer {
        Answer::True => text.push('\n'),
        Answer::False(why) => text.push_str(&format!("\t{}\n", why.property)),
        Answer::Unknown(why) => text.push_str(&format!("\t{why}\n")),
    }
    if !explain {
        return text;
    }
    let Judgement { object, level, calls, judged, keys, .. } = judgement;
    let (object, level) = (object.name(), level.name());
    text.push_str(&format!("  {judged} of {calls} calls judged as `{object}`, `{level}`"));
    text.push_str(&match keys {
        0 => "\n".to_string(),
        1 => ", 1 key\n".to_string(),
        keys => format!(", {keys} keys\n"),
    });
    for (name, value) in &judgement.notes {
        text.push_str(&format!("  {name}: {value}\n"));
    }
    if let Answer::False(why) = &judgement.answer {
        text.push_str(&explained(why));
    }
    text
}

fn explained(why: &Why) -> String {
    let mut text = format!("  {}: {}\n", why.property, why.detail);
    if !why.prefix.is_empty() {
        let (placed, of) = (why.placed, why.of);
        text.push_str(&format!(
            "  the longest order found holds {placed} of {of}, and ends with\n"
        ));
        why.prefix.iter().for_each(|one| text.push_str(&format!("    {}\n", line(one))));
    }
    if !why.next.is_empty() {
        text.push_str("  of what real time lets come next, nothing can\n");
        for one in &why.next {
            text.push_str(&format!("    {}: {}\n", line(one), one.reason));
        }
    }
    text
}

fn line(one: &Candidate) -> String {
    let lines = match (one.line, one.end_line) {
        (0, _) => String::new(),
        (line, 0) => format!("line {line}: "),
        (line, end) => format!("lines {line} to {end}: "),
    };
    format!("{lines}process {} {}", one.process, one.text)
}

fn as_json(file: &str, key: Option<&str>, judgement: &Judgement) -> Value {
    let Judgement { object, level, calls, judged, keys, answer, notes } = judgement;
    let mut value = json!({
        "zoosim": "check/1", "file": file, "valid": answer.word(), "model": object.name(),
        "level": level.name(), "calls": calls, "judged": judged, "keys": keys,
    });
    let notes: serde_json::Map<String, Value> =
        notes.iter().map(|(name, value)| ((*name).to_string(), json!(value))).collect();
    value["notes"] = Value::Object(notes);
    if let Some(key) = key {
        value["key"] = json!(key);
    }
    let candidate = |one: &Candidate| {
        json!({
            "line": one.line, "end_line": one.end_line, "process": one.process,
            "operation": one.text, "reason": one.reason,
        })
    };
    match answer {
        Answer::True => {}
        Answer::Unknown(why) => value["why"] = json!(why),
        Answer::False(why) => {
            value["property"] = json!(why.property);
            value["why"] = json!(why.detail);
            value["placed"] = json!(why.placed);
            value["of"] = json!(why.of);
            value["prefix"] = why.prefix.iter().map(candidate).collect();
            value["next"] = why.next.iter().map(candidate).collect();
        }
    }
    value
}

/// Standard output, buffered, for histories that are written.
pub fn write_out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), String> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        // A reader that has gone away wants no more of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(format!("standard output cannot be written: {error}")),
        Ok(()) => Ok(()),
    }
}
