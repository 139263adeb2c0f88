//! Values out of bytes: EDN, and JSON, which differs in its colons and in having no comments.
//!
//! Tags and metadata are read over, `#_` discards the next value, commas are blanks. Nesting is
//! limited, so that no input can exhaust the stack.

use super::source::{Place, Refusal, Source};
use super::value::{Value, Word, Words};

/// Deeper than any history nests its values.
const DEPTH_MAX: usize = 64;

/// How values are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Clojure's.
    Edn,
    /// JavaScript's.
    Json,
}

/// Reads values.
pub struct Reader<'a> {
    /// Where from.
    pub source: Source<'a>,
    /// The words seen.
    pub words: Words,
    /// How values are spelt.
    pub dialect: Dialect,
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// At the first byte.
    pub fn new(source: Source<'a>, words: Words, dialect: Dialect) -> Reader<'a> {
        Reader { source, words, dialect, scratch: Vec::new() }
    }

    /// Takes blanks, commas, comments and discarded values; tells what comes next.
    ///
    /// # Errors
    /// A discarded value that cannot be read.
    pub fn blank(&mut self) -> Result<Option<u8>, Refusal> {
        self.blank_at(0)
    }

    fn blank_at(&mut self, depth: usize) -> Result<Option<u8>, Refusal> {
        loop {
            match self.source.peek() {
                Some(b' ' | b'\n' | b'\t' | b'\r' | b',' | 0x0C | 0x0B) => {
                    self.source.take();
                }
                Some(b';') if self.dialect == Dialect::Edn => {
                    while !matches!(self.source.take(), None | Some(b'\n')) {}
                }
                Some(b'#')
                    if self.dialect == Dialect::Edn && self.source.peek_second() == Some(b'_') =>
                {
                    self.source.take();
                    self.source.take();
                    self.value_at(depth + 1)?;
                }
                other => return Ok(other),
            }
        }
    }

    /// Takes a tag, which comes next: what it stands before is read as if it had none.
    ///
    /// # Errors
    /// A `#` that begins no tag.
    pub fn tag(&mut self) -> Result<(), Refusal> {
        self.source.take();
        self.token(false)
    }

    /// The next value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn value(&mut self) -> Result<Value, Refusal> {
        self.value_at(0)
    }

    fn value_at(&mut self, depth: usize) -> Result<Value, Refusal> {
        if depth > DEPTH_MAX {
            let hint = format!("values may nest {DEPTH_MAX} deep");
            return Err(Refusal::at(self.source.place(), "this nests too deeply", hint));
        }
        let next = self.blank_at(depth)?;
        let place = self.source.place();
        match next {
            None => Err(self.ended("a value")),
            Some(b'[') => Ok(Value::list(self.sequence(b']', depth)?)),
            Some(b'(') if self.dialect == Dialect::Edn => {
                Ok(Value::list(self.sequence(b')', depth)?))
            }
            Some(b'{') => self.map(depth),
            Some(b'"') => self.text(),
            Some(b'#') if self.dialect == Dialect::Edn => self.dispatch(depth),
            Some(b'^') if self.dialect == Dialect::Edn => {
                self.source.take();
                self.value_at(depth + 1)?;
                self.value_at(depth + 1)
            }
            Some(b'\'') if self.dialect == Dialect::Edn => {
                self.source.take();
                self.value_at(depth + 1)
            }
            Some(b'\\') if self.dialect == Dialect::Edn => {
                self.source.take();
                self.token(true)?;
                Ok(Value::Text(self.word()))
            }
            Some(b']' | b')' | b'}') => {
                let close = char::from(self.source.take().unwrap_or_default());
                let hint = "look for a bracket too many, or a value too few, before here";
                Err(Refusal::at(place, format!("`{close}` closes nothing"), hint))
            }
            Some(_) => {
                self.token(false)?;
                self.atom(place)
            }
        }
    }

    /// What stands behind `#`: a set, a tagged value, a symbolic number.
    fn dispatch(&mut self, depth: usize) -> Result<Value, Refusal> {
        self.source.take();
        match self.source.peek() {
            Some(b'{') => {
                let mut values = self.sequence(b'}', depth)?;
                values.sort();
                Ok(Value::Set(Box::new(values)))
            }
            Some(b'#') => {
                self.source.take();
                self.token(false)?;
                Ok(Value::Number(self.word()))
            }
            Some(b'\'') => {
                self.source.take();
                self.value_at(depth + 1)
            }
            Some(b'"') => self.text(),
            Some(_) => {
                self.token(false)?;
                self.value_at(depth + 1)
            }
            None => Err(self.ended("a tag")),
        }
    }

    /// The values up to a closing bracket; the opening one comes next.
    fn sequence(&mut self, close: u8, depth: usize) -> Result<Vec<Value>, Refusal> {
        let open = self.source.place();
        self.source.take();
        let mut values = Vec::new();
        loop {
            match self.blank_at(depth)? {
                Some(byte) if byte == close => {
                    self.source.take();
                    return Ok(values);
                }
                None => return Err(self.unclosed(open)),
                Some(_) => values.push(self.value_at(depth + 1)?),
            }
        }
    }

    /// A map; its brace comes next.
    fn map(&mut self, depth: usize) -> Result<Value, Refusal> {
        let open = self.source.place();
        self.source.take();
        let mut pairs = Vec::new();
        loop {
            match self.blank_at(depth)? {
                Some(b'}') => {
                    self.source.take();
                    pairs.sort();
                    return Ok(Value::Map(Box::new(pairs)));
                }
                None => return Err(self.unclosed(open)),
                Some(_) => {
                    let key = self.value_at(depth + 1)?;
                    self.colon()?;
                    pairs.push((key, self.value_at(depth + 1)?));
                }
            }
        }
    }

    /// What stands between a key and its value: nothing in EDN, a colon in JSON.
    ///
    /// # Errors
    /// Its absence.
    pub fn colon(&mut self) -> Result<(), Refusal> {
        if self.dialect == Dialect::Edn {
            return Ok(());
        }
        let next = self.blank()?;
        if next == Some(b':') {
            self.source.take();
            return Ok(());
        }
        let place = self.source.place();
        Err(Refusal::at(place, "a key lacks its colon", "JSON is written `\"key\": value`"))
    }

    /// Takes a token into the scratch; `literal` takes its first byte whatever it is.
    fn token(&mut self, literal: bool) -> Result<(), Refusal> {
        let place = self.source.place();
        self.scratch.clear();
        while let Some(byte) = self.source.peek() {
            let ends = match byte {
                b' ' | b'\n' | b'\t' | b'\r' | b',' | 0x0C | 0x0B => true,
                b'[' | b']' | b'(' | b')' | b'{' | b'}' | b'"' | b';' => true,
                b':' => self.dialect == Dialect::Json,
                _ => false,
            };
            let first = literal && self.scratch.is_empty();
            if ends && !first {
                break;
            }
            self.scratch.push(byte);
            self.source.take();
        }
        if self.scratch.is_empty() {
            let byte = self.source.take().map_or(String::new(), |byte| char::from(byte).into());
            let what = format!("`{byte}` is no value");
            return Err(Refusal::at(place, what, self.what_is_read()));
        }
        if std::str::from_utf8(&self.scratch).is_err() {
            return Err(not_utf8(place));
        }
        Ok(())
    }

    /// The token in the scratch as text.
    fn letters(&self) -> &str {
        std::str::from_utf8(&self.scratch).expect("tokens are checked when they are taken")
    }

    fn word(&mut self) -> Word {
        let text = std::str::from_utf8(&self.scratch).expect("tokens are checked when taken");
        self.words.of(text)
    }

    /// The value that the token in the scratch spells.
    fn atom(&mut self, place: Place) -> Result<Value, Refusal> {
        let json = self.dialect == Dialect::Json;
        match self.scratch.as_slice() {
            b"nil" if !json => return Ok(Value::Nil),
            b"null" if json => return Ok(Value::Nil),
            b"true" => return Ok(Value::Bool(true)),
            b"false" => return Ok(Value::Bool(false)),
            [b':', name @ ..] if !json && !name.is_empty() => {
                let text = std::str::from_utf8(name).expect("tokens are checked when taken");
                return Ok(Value::Keyword(self.words.of(text)));
            }
            _ => {}
        }
        let (first, second) = (self.scratch[0], self.scratch.get(1).copied());
        let digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_digit());
        if digit(Some(first)) || (matches!(first, b'-' | b'+') && digit(second)) {
            return self.number(place);
        }
        if json || first == b':' {
            let what = format!("`{}` is no value", self.letters());
            return Err(Refusal::at(place, what, self.what_is_read()));
        }
        Ok(Value::Symbol(self.word()))
    }

    fn number(&mut self, place: Place) -> Result<Value, Refusal> {
        let text = self.letters();
        if let Ok(value) = text.strip_suffix('N').unwrap_or(text).parse::<i64>() {
            return Ok(Value::Int(value));
        }
        let fits = |c: char| c.is_ascii_digit() || "+-.eEMN/".contains(c);
        if !text.chars().all(fits) {
            let what = format!("`{text}` is no number");
            return Err(Refusal::at(place, what, "a number has digits only, or a string quotes"));
        }
        Ok(Value::Number(self.word()))
    }

    /// A string; its quote comes next.
    fn text(&mut self) -> Result<Value, Refusal> {
        let open = self.source.place();
        self.source.take();
        self.scratch.clear();
        loop {
            match self.source.take() {
                None => return Err(self.unclosed(open)),
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(byte) => self.scratch.push(byte),
            }
        }
        if std::str::from_utf8(&self.scratch).is_err() {
            return Err(not_utf8(open));
        }
        Ok(Value::Text(self.word()))
    }

    fn escape(&mut self) -> Result<(), Refusal> {
        let place = self.source.place();
        let letter = match self.source.take() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => self.code_point(place)?,
            _ => {
                let hint = "known are `\\n`, `\\t`, `\\r`, `\\b`, `\\f`, `\\\"`, `\\\\`, `\\u`";
                return Err(Refusal::at(place, "unknown escape in a string", hint));
            }
        };
        self.scratch.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn code_point(&mut self, place: Place) -> Result<char, Refusal> {
        let bad = || {
            let hint = "`\\u` is followed by four hexadecimal digits; two such for rare letters";
            Refusal::at(place, "this is no character", hint)
        };
        let mut unit = || {
            let mut unit = 0;
            for _ in 0..4 {
                let digit = self.source.take().and_then(|byte| char::from(byte).to_digit(16));
                unit = unit * 16 + digit.ok_or_else(bad)?;
            }
            Ok(unit)
        };
        let high = unit()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or_else(bad);
        }
        if self.source.take() != Some(b'\\') || self.source.take() != Some(b'u') {
            return Err(bad());
        }
        let mut low = 0;
        for _ in 0..4 {
            let digit = self.source.take().and_then(|byte| char::from(byte).to_digit(16));
            low = low * 16 + digit.ok_or_else(bad)?;
        }
        if !(0xDC00..0xE000).contains(&low) {
            return Err(bad());
        }
        char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)).ok_or_else(bad)
    }

    fn ended(&self, wanted: &str) -> Refusal {
        let what = format!("the text ends where {wanted} should be");
        Refusal::at(self.source.place(), what, "is the file whole?")
    }

    /// The text ended within what began at `open`.
    pub fn unclosed(&self, open: Place) -> Refusal {
        let Place { line, column } = open;
        let what = format!("the text ends within what begins at {line}:{column}");
        Refusal::at(self.source.place(), what, "is the file whole?")
    }

    fn what_is_read(&self) -> &'static str {
        match self.dialect {
            Dialect::Edn => "this is read as EDN",
            Dialect::Json => "this is read as JSON",
        }
    }
}

fn not_utf8(place: Place) -> Refusal {
    Refusal::at(place, "this is not UTF-8", "histories are texts in UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, dialect: Dialect) -> String {
        let mut bytes = text.as_bytes();
        let mut reader = Reader::new(Source::new(&mut bytes), Words::new(), dialect);
        match reader.value() {
            Ok(value) => reader.words.show(&value),
            Err(refusal) => refusal.to_string().lines().next().unwrap_or_default().to_string(),
        }
    }

    #[test]
    fn edn_is_read_with_all_its_ways() {
        let cases = [
            ("[1 -2, +3 4N]", "[1 -2 3 4]"),
            ("(nil true :a/b.c sym 1.5 2/3 ##NaN)", "[nil true :a/b.c sym 1.5 2/3 NaN]"),
            ("; a comment\n #_ [gone] {:b 2, :a #{3 1}}", "{:b 2, :a #{1 3}}"),
            ("#my.Record{:x 1}", "{:x 1}"),
            ("#inst \"2020\"", "\"2020\""),
            ("^{:meta 1} [\\a \\newline \\( ]", "[\"a\" \"newline\" \"(\"]"),
            ("\"q\\\"\\u00e9\\uD83D\\uDE00\\n\"", "\"q\\\"é😀\\n\""),
            ("99999999999999999999", "99999999999999999999"),
            ("[1 2", "1:5: the text ends within what begins at 1:1"),
            ("[1\n é }", "2:4: `}` closes nothing"),
            ("\"ab", "1:4: the text ends within what begins at 1:1"),
            ("12ab", "1:1: `12ab` is no number"),
            (":", "1:1: `:` is no value"),
            ("", "1:1: the text ends where a value should be"),
            ("\"\\ud800x\"", "1:3: this is no character"),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text, Dialect::Edn), wanted, "{text}");
        }
    }

    #[test]
    fn json_is_read_without_edn_s_liberties() {
        let cases = [
            ("{\"a\": [1, null, true], \"b\":{}}", "{\"a\" [1 nil true], \"b\" {}}"),
            ("{\"a\" 1}", "1:6: a key lacks its colon"),
            ("nil", "1:1: `nil` is no value"),
            ("; x", "1:1: `;` is no value"),
        ];
        for (text, wanted) in cases {
            assert_eq!(read(text, Dialect::Json), wanted, "{text}");
        }
    }

    #[test]
    fn no_nesting_exhausts_the_stack() {
        for open in ["[", "{", "#a ", "^", "#_", "#_ #a [", "'"] {
            let text = open.repeat(100_000);
            let said = read(&text, Dialect::Edn);
            assert!(said.contains("nests too deeply"), "{open}: {said}");
        }
    }
}
