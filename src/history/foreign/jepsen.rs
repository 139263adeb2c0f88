//! Jepsen's operations as maps, in EDN or JSON: one per line, or one vector or list around all.
//!
//! `:type`, `:process`, `:f`, `:value`, `:index`, `:time`, `:error`, and `:key` of key-value lines
//! are known; whatever else a map has is read over. Records (`#jepsen.history.Op{..}`) are maps.

use super::edn::{Dialect, Reader};
use super::pair::Pairing;
use super::source::{Place, Refusal, Source};
use super::value::{Value, Word, Words};
use super::{Event, Foreign, Format, Kind};

/// Reads all of it.
pub(crate) fn read(source: Source<'_>, format: Format) -> Result<Foreign, Refusal> {
    let dialect = if format == Format::Json { Dialect::Json } else { Dialect::Edn };
    let mut words = Words::new();
    let fields = Fields::new(&mut words);
    let mut reader = Reader::new(source, words, dialect);
    let mut pairing = Pairing::new();
    let read = all(&mut reader, &fields, &mut pairing);
    if let Some(failure) = reader.source.failure() {
        return Err(failure);
    }
    read?;
    let end = reader.source.place();
    pairing.finish(format, reader.words, end)
}

/// The bracket around all operations.
struct Around {
    close: u8,
    open: Place,
}

fn all(reader: &mut Reader<'_>, fields: &Fields, pairing: &mut Pairing) -> Result<(), Refusal> {
    let mut around: Option<Around> = None;
    let (mut closed, mut began) = (false, false);
    let mut index = -1;
    loop {
        let next = reader.blank()?;
        let place = reader.source.place();
        match (next, &around) {
            (None, None) => return Ok(()),
            (None, Some(around)) if !closed => return Err(reader.unclosed(around.open)),
            (None, Some(_)) => return Ok(()),
            (Some(byte), Some(around)) if !closed && byte == around.close => {
                reader.source.take();
                closed = true;
            }
            (Some(_), _) if closed => {
                let hint = "one vector holds all operations, or each stands for itself";
                return Err(Refusal::at(place, "something stands behind the history", hint));
            }
            (Some(byte @ (b'[' | b'(')), None) if !began => {
                reader.source.take();
                let close = if byte == b'[' { b']' } else { b')' };
                around = Some(Around { close, open: place });
            }
            (Some(b'#'), _) if reader.dialect == Dialect::Edn => {
                reader.tag()?;
            }
            (Some(b'{'), _) => {
                began = true;
                let event = operation(reader, fields, &mut index)?;
                pairing.take(event, &mut reader.words)?;
            }
            (Some(_), _) => {
                let hint = "a history is maps such as `{:type :invoke, :process 0, :f :read}`";
                return Err(Refusal::at(place, "this is no operation", hint));
            }
        }
    }
}

/// The names of fields and types.
struct Fields {
    kind: Word,
    process: Word,
    f: Word,
    value: Word,
    index: Word,
    error: Word,
    key: Word,
    kinds: [(Word, Kind); 4],
}

impl Fields {
    fn new(words: &mut Words) -> Fields {
        let kinds = [
            (words.of("invoke"), Kind::Invoke),
            (words.of("ok"), Kind::Ok),
            (words.of("fail"), Kind::Fail),
            (words.of("info"), Kind::Info),
        ];
        Fields {
            kind: words.of("type"),
            process: words.of("process"),
            f: words.of("f"),
            value: words.of("value"),
            index: words.of("index"),
            error: words.of("error"),
            key: words.of("key"),
            kinds,
        }
    }

    fn kind_of(&self, value: &Value) -> Option<Kind> {
        let word = value.as_word()?;
        self.kinds.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }
}

/// One map; its brace comes next. `last` is the largest index so far.
fn operation(reader: &mut Reader<'_>, fields: &Fields, last: &mut i64) -> Result<Event, Refusal> {
    let place = reader.source.place();
    reader.source.take();
    let (mut kind, mut process, mut f) = (None, None, None);
    let (mut value, mut error, mut key) = (Value::Nil, Value::Nil, None);
    loop {
        match reader.blank()? {
            Some(b'}') => break,
            None => return Err(reader.unclosed(place)),
            Some(_) => {}
        }
        let name = reader.value()?.as_word();
        reader.colon()?;
        reader.blank()?;
        let at = reader.source.place();
        let read = reader.value()?;
        let Some(name) = name else { continue };
        if name == fields.kind {
            kind = Some(fields.kind_of(&read).ok_or_else(|| odd_type(reader, &read, at))?);
        } else if name == fields.process {
            process = Some(client(&read, &reader.words, at)?);
        } else if name == fields.f {
            f = Some(read);
        } else if name == fields.value {
            value = read;
        } else if name == fields.error {
            error = read;
        } else if name == fields.key {
            key = Some(read);
        } else if name == fields.index {
            in_order(&read, at, last)?;
        }
    }
    reader.source.take();
    let missing = |name: &str| {
        let what = format!("this operation has no `:{name}`");
        Refusal::at(place, what, "an operation has `:type`, `:process`, `:f` and `:value`")
    };
    let kind = kind.ok_or_else(|| missing("type"))?;
    let process = process.ok_or_else(|| missing("process"))?;
    let f = match (f.as_ref().and_then(Value::as_word), process) {
        (Some(word), _) => word,
        // A nemesis may do things without a name.
        (None, None) => fields.f,
        (None, Some(_)) => return Err(missing("f")),
    };
    Ok(Event { place, kind, process, f, key, value, error })
}

fn odd_type(reader: &Reader<'_>, read: &Value, at: Place) -> Refusal {
    let what = format!("`{}` is no type of operation", reader.words.show(read));
    Refusal::at(at, what, "known are `:invoke`, `:ok`, `:fail`, `:info`")
}

/// A client's number; `None` for what is no client.
fn client(read: &Value, words: &Words, at: Place) -> Result<Option<u32>, Refusal> {
    match read {
        Value::Int(number) => match u32::try_from(*number) {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                let what = format!("process {number} is out of range");
                Err(Refusal::at(at, what, "processes are numbered from 0 to 2^32 - 1"))
            }
        },
        // As some write the number.
        Value::Text(word) if words.text(*word).parse::<u32>().is_ok() => {
            Ok(words.text(*word).parse().ok())
        }
        Value::Keyword(_) | Value::Symbol(_) | Value::Text(_) => Ok(None),
        _ => {
            let hint = "a process is a number, or `:nemesis`";
            Err(Refusal::at(at, "this is no process", hint))
        }
    }
}

/// Indices may be missing or sparse, never out of order: the order of the list is that of time.
fn in_order(read: &Value, at: Place, last: &mut i64) -> Result<(), Refusal> {
    let Value::Int(index @ 0..) = read else { return Ok(()) };
    if *index <= *last {
        let what = format!("index {index} stands behind index {last}");
        return Err(Refusal::at(at, what, "sort the history by `:index`"));
    }
    *last = *index;
    Ok(())
}
