//! `zoosim history`: histories made from seeds, and written in other formats.

use std::io;

use crate::history::foreign::{Format, write};
use crate::history::{History, binary, jsonl};
use crate::plan::input::suggest;
use crate::verdict::forge;
use crate::verdict::generate::tree::Field;
use crate::verdict::generate::{self, Corrupt, Shape};
use crate::verdict::judge::Object;

use super::args::{ConvertArgs, GenArgs, HistoryArgs, HistoryVerb};
use super::check::{self, Told, write_out};
use super::{Done, Exit};

/// `zoosim history`.
pub fn history(args: &HistoryArgs) -> Done {
    match &args.verb {
        HistoryVerb::Gen(args) => gen_(args),
        HistoryVerb::Convert(args) => convert(args),
    }
}

fn gen_(args: &GenArgs) -> Done {
    let known = Object::ALL.map(Object::name);
    let object = Object::from_name(&args.model).ok_or_else(|| {
        let hint = suggest(&args.model, &known, None);
        format!("`--model` `{}` is not known\nhint: {hint}", args.model)
    })?;
    if args.crashed > 100 || args.stale > 100 {
        return Err("a share is above 100 per cent\nhint: write 0 to 100".to_string());
    }
    if args.txn.is_some_and(|most| !(1..=100).contains(&most)) {
        return Err("there is no such transaction\nhint: say 1 to 100 in `--txn`".to_string());
    }
    if object == Object::Znodes {
        return znodes(args);
    }
    let corrupt = match args.corrupt.as_deref() {
        None => None,
        Some("answer") => Some(Corrupt::Answer),
        Some("lost-write") => Some(Corrupt::LostWrite),
        Some(other) => {
            let hint = suggest(other, &["answer", "lost-write"], None);
            return Err(format!("`--corrupt` `{other}` is not known\nhint: {hint}"));
        }
    };
    let shape = Shape {
        object,
        ops: args.ops,
        clients: args.clients,
        seed: args.seed,
        crashed: args.crashed,
        stale: args.stale,
        corrupt,
        values: if args.unique { None } else { Some(args.values.max(1)) },
        keys: args.keys,
        txn: args.txn.unwrap_or(if object == Object::Registers { 4 } else { 1 }),
    };
    let told = Told::Foreign(generate::generate(&shape)?);
    let format = args.format.as_deref().map_or(Ok(Format::Edn), check::format)?;
    put(&told, format, args.out.as_deref())
}

/// A history of the znode service, written as it is made.
fn znodes(args: &GenArgs) -> Done {
    let wrong = match args.corrupt.as_deref() {
        None => None,
        Some(name) => {
            let known = Field::ALL.map(|(name, _)| name);
            let unknown = || {
                let hint = suggest(name, &known, None);
                format!("`--corrupt` `{name}` is no field of znode histories\nhint: {hint}")
            };
            Some(Field::from_name(name).ok_or_else(unknown)?)
        }
    };
    let small = |number: u32, most: u32| (1..=most).contains(&number);
    if args.ops == 0 || args.ops > 1 << 30 || !small(args.clients, 100_000) {
        let hint = "say 1 to 2^30 `--ops` and 1 to 100000 `--clients`";
        return Err(format!("so many fit into no history\nhint: {hint}"));
    }
    if !small(args.paths, 1_000_000) || !small(args.servers, 255) || !small(args.pipeline, 1_000) {
        let hint = "say 1 to 1000000 `--paths`, 1 to 255 `--servers`, 1 to 1000 in `--pipeline`";
        return Err(format!("there is no such service\nhint: {hint}"));
    }
    let tops = args.paths.isqrt();
    let shape = forge::Shape {
        calls: args.ops,
        sessions: args.clients,
        servers: args.servers,
        pipeline: args.pipeline,
        tops,
        below: args.paths / tops - 1,
        writes: 50,
        lost: args.crashed as u32 * 10,
        watches: 50,
        rare: 5,
        epoch: (args.ops / 5).max(100),
        fresh: 100 - args.stale as u32,
    };
    let format = args.format.as_deref().map_or(Ok(Format::Znodes), check::format)?;
    let mut wanted = Ok(());
    write_out(args.out.as_deref(), |out| {
        let mut failed = None;
        let mut keep = |done: io::Result<()>| failed = failed.take().or(done.err());
        match format {
            Format::Binary => {
                let mut writer = binary::Writer::new(out)?;
                wanted = generate::tree::generate(
                    args.seed,
                    shape,
                    wrong,
                    args.committed,
                    &mut |entry| {
                        keep(writer.entry(&entry));
                    },
                );
                keep(writer.finish());
            }
            Format::Znodes => {
                writeln!(out, "{}", jsonl::head())?;
                wanted = generate::tree::generate(
                    args.seed,
                    shape,
                    wrong,
                    args.committed,
                    &mut |entry| {
                        keep(writeln!(out, "{}", jsonl::line(&entry)));
                    },
                );
            }
            Format::Auto | Format::Edn | Format::Json | Format::Lines | Format::Porcupine => {
                wanted = Err(cannot_hold(format));
            }
        }
        failed.map_or(Ok(()), Err)
    })?;
    wanted.map(|()| Exit::Held)
}

fn cannot_hold(format: Format) -> String {
    let name = format.name();
    let hint = "`jsonl` and `binary` hold znode histories, `edn`, `json`, `log` and \
                `porcupine` all others";
    format!("`{name}` cannot hold this history\nhint: {hint}")
}

fn convert(args: &ConvertArgs) -> Done {
    let (from, to) = (check::format(&args.format)?, check::format(&args.to)?);
    let told = check::read(&args.file, from).map_err(|why| check::placed(&args.file, &why))?;
    put(&told, to, args.out.as_deref())
}

fn put(told: &Told, format: Format, to: Option<&str>) -> Done {
    let ours = matches!(format, Format::Znodes | Format::Binary);
    match told {
        Told::Znodes(history) if ours => write_out(to, |out| match format {
            Format::Binary => binary::export(history, out),
            _ => out.write_all(lines(history).as_bytes()),
        })?,
        Told::Foreign(foreign) if !ours => {
            write_out(to, |out| write::write(foreign, format, out))?;
        }
        Told::Znodes(_) | Told::Foreign(_) => return Err(cannot_hold(format)),
    }
    Ok(Exit::Held)
}

fn lines(history: &History) -> String {
    let mut text = String::new();
    jsonl::export(history, &mut text).expect("a string takes everything");
    text
}
