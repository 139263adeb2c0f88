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
    /// The beginning of a list that [`Words`] keeps: see [`Words::shared`].
    Prefix {
        /// Which list.
        list: u32,
        /// How many of its elements.
        len: u32,
    },
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
    /// Lists that are read again and again while they grow, as long as they have become.
    lists: Vec<Vec<Value>>,
}

impl Default for Words {
    fn default() -> Words {
        Words::new()
    }
}

impl Words {
    /// None yet.
    pub fn new() -> Words {
        Words { letters: String::new(), ends: Vec::new(), slots: vec![0; 64], lists: Vec::new() }
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

    /// Keeps a list that was read only as far as it is new, if it is a beginning of `grown` or goes
    /// on from it. A list that is only appended to is read whole each time, and would take the
    /// square of its length.
    ///
    /// Beginnings are equal only to each other, and no [`Value::as_list`]: [`Words::whole`] makes
    /// lists of them. What may be a pair stays a list.
    pub fn shared(&mut self, value: Value, grown: &mut Option<u32>) -> Value {
        let Value::List(values) = value else { return value };
        let Ok(len @ 3..) = u32::try_from(values.len()) else { return Value::List(values) };
        let list = *grown.get_or_insert_with(|| {
            self.lists.push(Vec::new());
            self.lists.len() as u32 - 1
        });
        let known = &mut self.lists[list as usize];
        let same = known.len().min(values.len());
        if known[..same] != values[..same] {
            return Value::List(values);
        }
        known.extend(values.into_iter().skip(same));
        Value::Prefix { list, len }
    }

    /// The value with lists instead of beginnings of lists.
    pub fn whole(&self, value: Value) -> Value {
        match value {
            Value::Prefix { list, len } => Value::list(self.prefix(list, len).to_vec()),
            other => other,
        }
    }

    /// The elements of a [`Value::Prefix`].
    pub fn prefix(&self, list: u32, len: u32) -> &[Value] {
        &self.lists[list as usize][..len as usize]
    }

    /// All that is known of a list that grew.
    pub fn grown(&self, list: u32) -> &[Value] {
        &self.lists[list as usize]
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
            Value::Prefix { list, len } => {
                self.put_all("[", self.prefix(*list, *len), "]", out);
            }
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

    #[test]
    fn a_list_that_grows_is_kept_once_and_any_other_whole() {
        let (mut words, mut grown) = (Words::new(), None);
        let list = |all: &[i64]| Value::list(all.iter().map(|n| Value::Int(*n)).collect());
        let cases: [(&[i64], bool); 8] = [
            (&[1, 2], false),
            (&[1, 2, 3, 4], true),
            (&[1, 2, 3], true),
            (&[1, 2, 4], false),
            (&[1, 2, 3, 4, 5], true),
            (&[1, 2, 3, 4, 6], false),
            (&[1, 2, 3, 4, 5, 7], true),
            (&[], false),
        ];
        for (all, is_shared) in cases {
            let kept = words.shared(list(all), &mut grown);
            assert_eq!(matches!(kept, Value::Prefix { .. }), is_shared, "{all:?}");
            assert_eq!(words.show(&kept), words.show(&list(all)));
            assert_eq!(words.whole(kept), list(all));
        }
        assert_eq!(words.grown(0).len(), 6);
        assert_eq!(words.shared(Value::Nil, &mut grown), Value::Nil);
    }
}
