//! The bytes of a history, with the line and column at which one stands, and what is said about
//! those that cannot be read.

use std::fmt;
use std::io::{self, Read};

/// Why a history is refused: where, what is wrong, what to do about it. Whoever knows the file's
/// name prints it in front: `file:line:column: what`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// From 1; 0 if it is not about a place.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl Refusal {
    /// About this place.
    pub fn at(place: Place, what: impl Into<String>, hint: impl Into<String>) -> Refusal {
        let Place { line, column } = place;
        Refusal { line, column, what: what.into(), hint: hint.into() }
    }

    /// About a line.
    pub fn on_line(line: u64, what: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::at(Place { line, column: 1 }, what, hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "{}:{}: ", self.line, self.column)?;
        }
        write!(f, "{}\nhint: {}", self.what, self.hint)
    }
}

impl std::error::Error for Refusal {}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// From 1, in characters.
    pub column: u64,
}

/// How much is read at a time, and how far [`Source::ahead`] can see.
const PAGE: usize = 1 << 16;

/// What some editors write before a text in UTF-8; it says nothing.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes, one after the other.
pub struct Source<'a> {
    inner: &'a mut dyn Read,
    page: Vec<u8>,
    /// Nothing was read yet.
    fresh: bool,
    at: usize,
    end: usize,
    place: Place,
    ended: bool,
    failure: Option<io::Error>,
}

impl<'a> Source<'a> {
    /// At the first byte.
    pub fn new(inner: &'a mut dyn Read) -> Source<'a> {
        Source::within(inner, Place { line: 1, column: 1 }, PAGE)
    }

    /// At a place of a text that began before; `page` bytes are read at a time.
    pub fn within(inner: &'a mut dyn Read, place: Place, page: usize) -> Source<'a> {
        let page = vec![0; page.max(16)];
        let fresh = place == Place { line: 1, column: 1 };
        Source { inner, page, fresh, at: 0, end: 0, place, ended: false, failure: None }
    }

    /// The place of the next byte.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next byte.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        if self.at == self.end && !self.fill(1) {
            return None;
        }
        Some(self.page[self.at])
    }

    /// The byte behind the next one.
    pub fn peek_second(&mut self) -> Option<u8> {
        self.ahead(2).get(1).copied()
    }

    /// Takes the next byte.
    #[inline]
    pub fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' {
            self.place = Place { line: self.place.line + 1, column: 1 };
        } else if byte & 0xC0 != 0x80 {
            // Only a character's first byte counts.
            self.place.column += 1;
        }
        Some(byte)
    }

    /// Up to so many of the next bytes (at most a page), without taking them.
    pub fn ahead(&mut self, wanted: usize) -> &[u8] {
        let wanted = wanted.min(self.page.len());
        if self.end - self.at < wanted {
            self.fill(wanted);
        }
        &self.page[self.at..self.end.min(self.at + wanted)]
    }

    /// Takes the rest of the line, its end included, into `line`; false if there is none.
    pub fn line(&mut self, line: &mut Vec<u8>) -> bool {
        line.clear();
        loop {
            if self.at == self.end && !self.fill(1) {
                return !line.is_empty();
            }
            let rest = &self.page[self.at..self.end];
            let end = rest.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(rest.len(), |end| end + 1);
            line.extend_from_slice(&rest[..taken]);
            self.at += taken;
            if end.is_some() {
                self.place = Place { line: self.place.line + 1, column: 1 };
                return true;
            }
            self.place.column += 1;
        }
    }

    /// Why reading ended early, if it did: whatever else was said of the end is of no interest.
    pub fn failure(&mut self) -> Option<Refusal> {
        let error = self.failure.take()?;
        let hint = "is it a file, and is all of it readable?";
        Some(Refusal::at(self.place, format!("cannot be read: {error}"), hint))
    }

    /// Makes at least `wanted` bytes available, if there are as many.
    #[cold]
    fn fill(&mut self, wanted: usize) -> bool {
        if std::mem::take(&mut self.fresh) && self.fill(MARK.len()) {
            let page = &self.page[self.at..self.end];
            self.at += if page.starts_with(MARK) { MARK.len() } else { 0 };
        }
        self.page.copy_within(self.at..self.end, 0);
        self.end -= self.at;
        self.at = 0;
        while self.end < wanted && !self.ended {
            match self.inner.read(&mut self.page[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failure = Some(error);
                    self.ended = true;
                }
            }
        }
        self.end >= wanted
    }
}
