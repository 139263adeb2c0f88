//! `zoosim check`: histories from files, judged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::json;

use crate::history::foreign::{self, Foreign, Format, Refusal, Source};
use crate::history::{Entry, History, binary, jsonl};
use crate::plan::input::suggest;
use crate::verdict::judge::{
    self, Answer, Fail, Gathering, Judgement, Level, Mode, Object, Question,
};
use crate::verdict::search::Hands;

use super::args::{CheckArgs, FailArg};
use super::record::write_whole;
use super::{Done, Exit, jobs};

mod hands;
mod told;

use hands::Said;

/// `zoosim check`.
pub fn check(args: &CheckArgs) -> Done {
    let mut question = question(args)?;
    let format = format(&args.format)?;
    // Threads that files leave over help within each.
    let jobs = jobs(args.jobs);
    let threads = jobs.min(args.files.len()).max(1);
    question.hands = Hands::new(jobs / threads, hands::work);
    let ends = hands::files(threads, args.files.len(), |at, put| {
        let file = &args.files[at];
        let again = file == "-" && args.files[..at].contains(file);
        let ended = if again { Err(read_twice()) } else { one(args, file, format, &question, put) };
        ended.unwrap_or_else(|refusal| {
            let told = placed(file, &refusal);
            put(Said::Err(told.clone()));
            if args.json {
                let line = json!({ "zoosim": "check/1", "file": file, "error": told });
                put(Said::Out(format!("{line}\n")));
            }
            Exit::CouldNot
        })
    });
    Ok(ends.into_iter().fold(Exit::Held, worse))
}

fn read_twice() -> Refusal {
    let hint = "name it once: whoever reads it takes all of it";
    Refusal::on_line(0, "standard input was read before", hint)
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
    if let Some(name) = &args.mode {
        let known = Mode::ALL.map(Mode::name);
        let mode = Mode::from_name(name).ok_or_else(|| unknown("mode", name, &known))?;
        question.mode = Some(mode);
    }
    if let Some(name) = &args.level {
        let known = Level::ALL.map(Level::name);
        let level = Level::from_name(name).ok_or_else(|| unknown("level", name, &known))?;
        question.level = Some(level);
    }
    let flavours = ["strict", "zookeeper"];
    question.sync =
        judge::sync_flavour(&args.sync).ok_or_else(|| unknown("sync", &args.sync, &flavours))?;
    (question.explain, question.order) = (args.explain, args.order);
    question.fail = match args.fail {
        FailArg::Drop => Fail::Drop,
        FailArg::Assert => Fail::Assert,
    };
    question.search.exact = args.exact;
    if let Some(budget) = args.budget {
        (question.search.nodes, question.stand_in) = (budget, budget);
    }
    if let Some(megabytes) = args.memory {
        question.search.bytes = megabytes.saturating_mul(1 << 20);
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

/// Opens a file, or standard input, and finds out how it is written.
fn open(file: &str, format: Format) -> Result<(Box<dyn Read>, Format), Refusal> {
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
    Ok((Box::new(io::Cursor::new(head).chain(bytes)), format))
}

/// Reads a file, or standard input.
///
/// # Errors
/// What cannot be understood.
pub fn read(file: &str, format: Format) -> Result<Told, Refusal> {
    let (mut bytes, format) = open(file, format)?;
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

fn one(
    args: &CheckArgs,
    file: &str,
    format: Format,
    question: &Question,
    put: &mut dyn FnMut(Said),
) -> Result<Exit, Refusal> {
    let (mut bytes, format) = open(file, format)?;
    let ours: Option<Importer> = match format {
        Format::Znodes => Some(jsonl::read),
        Format::Binary => Some(binary::read),
        Format::Auto | Format::Edn | Format::Json | Format::Lines | Format::Porcupine => None,
    };
    if let Some(import) = ours {
        // Call by call, into columns: the history itself is never there.
        let mut gathering = Gathering::new(question)?;
        import(&mut bytes, &mut |line, entry| gathering.take(line, entry))?;
        return Ok(tell(args, file, None, &gathering.judge()?, put));
    }
    let foreign = foreign::read(&mut bytes, format)?;
    if !args.keys || foreign.keys.is_empty() {
        let judgement = judge::judge(foreign, question)?;
        return Ok(tell(args, file, None, &judgement, put));
    }
    if question.level == Some(Level::Sequential) {
        let what = "keys cannot be judged apart at `sequential`";
        let hint = "orders of each key may contradict each other: leave out `--keys`";
        return Err(Refusal::on_line(0, what, hint));
    }
    let mut worst = Exit::Held;
    for (key, judgement) in judge::judge_by_key(foreign, question)? {
        worst = worse(worst, tell(args, file, Some(&key), &judgement, put));
    }
    Ok(worst)
}

/// A reader of histories of our own.
type Importer = fn(&mut dyn Read, &mut dyn FnMut(u64, Entry)) -> Result<(), Refusal>;

/// Tells a judgement; what it comes to.
fn tell(
    args: &CheckArgs,
    file: &str,
    key: Option<&str>,
    judgement: &Judgement,
    put: &mut dyn FnMut(Said),
) -> Exit {
    put(Said::Out(if args.json {
        format!("{}\n", told::as_json(file, key, judgement))
    } else {
        told::as_text(file, key, judgement, args.explain)
    }));
    match judgement.answer {
        Answer::True => Exit::Held,
        Answer::False(_) => Exit::Violated,
        Answer::Unknown(_) => Exit::Undecided,
    }
}

/// Writes a history to a file, or to standard output.
///
/// # Errors
/// What cannot be written.
pub fn write_out(
    to: Option<&str>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), String> {
    let cannot = |name: &str, error: io::Error| {
        format!("{name} cannot be written: {error}\nhint: is there room, and may you write there?")
    };
    let Some(name) = to else {
        let mut out = io::BufWriter::new(io::stdout().lock());
        return match write(&mut out).and_then(|()| out.flush()) {
            // A reader that has gone away wants no more of it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(cannot("standard output", error)),
            Ok(()) => Ok(()),
        };
    };
    write_whole(Path::new(name), write).map_err(|error| cannot(name, error))
}
