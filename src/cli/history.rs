//! `zoosim history`: histories made from seeds, and written in other formats.

use crate::history::foreign::{Format, write};
use crate::history::{History, binary, jsonl};
use crate::plan::input::suggest;
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
    let corrupt = match args.corrupt.as_deref() {
        None => None,
        Some("answer") => Some(Corrupt::Answer),
        Some("lost-write") => Some(Corrupt::LostWrite),
        Some(other) => {
            let hint = suggest(other, &["answer", "lost-write"], None);
            return Err(format!("`--corrupt` `{other}` is not known\nhint: {hint}"));
        }
    };
    if args.crashed > 100 || args.stale > 100 {
        return Err("a share is above 100 per cent\nhint: write 0 to 100".to_string());
    }
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
    };
    let told = match generate::generate(&shape)? {
        generate::Made::Foreign(foreign) => Told::Foreign(foreign),
        generate::Made::Znodes(history) => Told::Znodes(history),
    };
    let default = match told {
        Told::Foreign(_) => Format::Edn,
        Told::Znodes(_) => Format::Znodes,
    };
    let format = args.format.as_deref().map_or(Ok(default), check::format)?;
    put(&told, format)
}

fn convert(args: &ConvertArgs) -> Done {
    let (from, to) = (check::format(&args.format)?, check::format(&args.to)?);
    let told = check::read(&args.file, from).map_err(|why| check::placed(&args.file, &why))?;
    put(&told, to)
}

fn put(told: &Told, format: Format) -> Done {
    let ours = matches!(format, Format::Znodes | Format::Binary);
    match told {
        Told::Znodes(history) if ours => write_out(|out| match format {
            Format::Binary => binary::export(history, out),
            _ => out.write_all(lines(history).as_bytes()),
        })?,
        Told::Foreign(foreign) if !ours => write_out(|out| write::write(foreign, format, out))?,
        Told::Znodes(_) | Told::Foreign(_) => {
            let name = format.name();
            let hint = "`jsonl` and `binary` hold znode histories, `edn`, `json`, `log` and \
                        `porcupine` all others";
            return Err(format!("`{name}` cannot hold this history\nhint: {hint}"));
        }
    }
    Ok(Exit::Held)
}

fn lines(history: &History) -> String {
    let mut text = String::new();
    jsonl::export(history, &mut text).expect("a string takes everything");
    text
}
