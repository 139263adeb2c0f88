//! Values as histories of other tools hold them: what EDN and JSON have in common, in 16 bytes.
//!
//! Words (texts, keywords, symbols, odd numbers) are kept once and named by a number, so that a
//! million calls cost little more than their integers.

use std::fmt::Write;

use crate::base::Digest;

/// The number of a word that [`Words`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word(pub u32);

/// A value.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `nil` or `null`.
    #[default]
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number, as it is spelt: equal if spelt alike.
    Number(Word),
    /// A string.
    Text(Word),
    /// `:word`, without the colon.
    Keyword(Word),
    /// A bare word.
    Symbol(Word),
    /// A list or vector.
    List(Box<Vec<Value>>),
    /// A set, sorted likewise.
    Set(Box<Vec<Value>>),
    /// A map, sorted by key: equal maps are equal, and in no order that people would know.
    Map(Box<Vec<(Value, Value)>>),
}

impl Value {
    /// A list of these.
    pub fn list(values: Vec<Value>) -> Value {
        Value::List(Box::new(values))
    }

    /// The elements, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    /// The two elements, if it is a list of two.
    pub fn as_pair(&self) -> Option<(&Value, &Value)> {
        match self.as_list() {
            Some([first, second]) => Some((first, second)),
            _ => None,
        }
    }

    /// The word, if it is a keyword, a symbol or a text.
    pub fn as_word(&self) -> Option<Word> {
        match self {
            Value::Keyword(word) | Value::Symbol(word) | Value::Text(word) => Some(*word),
            _ => None,
        }
    }

    /// Whether it is `nil`.
    pub fn is_nil(&self) -> bool {
        *self == Value::Nil
    }
}

/// Every word of a history once.
#[derive(Clone, Debug)]
pub struct Words {
    /// All letters, one word after the other.
    letters: String,
    /// Where each word ends in `letters`.
    ends: Vec<usize>,
    /// A hash table of word numbers plus one; its length is a power of two, half of it empty.
    slots: Vec<u32>,
}

impl Default for Words {
    fn default() -> Words {
        Words::new()
    }
}

impl Words {
    /// None yet.
    pub fn new() -> Words {
        Words { letters: String::new(), ends: Vec::new(), slots: vec![0; 64] }
    }

    /// The number of a word, which it gets now if it is new.
    pub fn of(&mut self, text: &str) -> Word {
        let slot = self.slot(text);
        if let Some(known) = self.slots[slot].checked_sub(1) {
            return Word(known);
        }
        let word = u32::try_from(self.ends.len()).expect("fewer words than bytes fit in memory");
        self.letters.push_str(text);
        self.ends.push(self.letters.len());
        self.slots[slot] = word + 1;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        Word(word)
    }

    /// The number of a word, if it was ever seen.
    pub fn find(&self, text: &str) -> Option<Word> {
        self.slots[self.slot(text)].checked_sub(1).map(Word)
    }

    /// A word's letters.
    pub fn text(&self, word: Word) -> &str {
        let index = word.0 as usize;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.letters[start..self.ends[index]]
    }

    /// Where a word is, or would be.
    fn slot(&self, text: &str) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = Digest::of(text.as_bytes()).0 as usize & mask;
        while let Some(known) = self.slots[slot].checked_sub(1) {
            if self.text(Word(known)) == text {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for index in 0..self.ends.len() as u32 {
            let slot = self.slot(self.text(Word(index)));
            self.slots[slot] = index + 1;
        }
    }

    /// A value as EDN spells it.
    pub fn show(&self, value: &Value) -> String {
        let mut out = String::new();
        self.put(value, &mut out);
        out
    }

    /// Appends a value as EDN spells it.
    pub fn put(&self, value: &Value, out: &mut String) {
        match value {
            Value::Nil => out.push_str("nil"),
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int(value) => write!(out, "{value}").expect("a string takes everything"),
            Value::Number(word) | Value::Symbol(word) => out.push_str(self.text(*word)),
            Value::Text(word) => quote(self.text(*word), out),
            Value::Keyword(word) => {
                out.push(':');
                out.push_str(self.text(*word));
            }
            Value::List(values) => self.put_all("[", values, "]", out),
            Value::Set(values) => self.put_all("#{", values, "}", out),
            Value::Map(pairs) => {
                out.push('{');
                for (index, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    self.put(key, out);
                    out.push(' ');
                    self.put(value, out);
                }
                out.push('}');
            }
        }
    }

    fn put_all(&self, open: &str, values: &[Value], close: &str, out: &mut String) {
        out.push_str(open);
        for (index, value) in values.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { " " });
            self.put(value, out);
        }
        out.push_str(close);
    }
}

/// A string in quotes, as EDN and JSON both read it.
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if letter.is_control() => {
                write!(out, "\\u{:04x}", u32::from(letter)).expect("a string takes everything");
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_sixteen_bytes_and_a_word_is_kept_once() {
        assert_eq!(size_of::<Value>(), 16);
        let mut words = Words::new();
        let numbers: Vec<Word> = (0..1000).map(|n| words.of(&format!("w{n}"))).collect();
        for (n, word) in numbers.iter().enumerate() {
            assert_eq!(words.of(&format!("w{n}")), *word);
            assert_eq!(words.text(*word), format!("w{n}"));
        }
        assert_eq!((words.find("w7"), words.find("x")), (Some(numbers[7]), None));
    }
}
