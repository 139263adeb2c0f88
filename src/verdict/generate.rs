//! Histories made from a seed: legal ones by construction, and ones that are wrong in one thing.
//!
//! Each call takes effect on a simulated object at one moment between its invocation and its end,
//! so the moments are a legal order. A crashed call takes effect or not, and its process is never
//! heard of again. What makes a history wrong is done to a legal one, and is certain: an answer
//! that nothing can explain, or an answered write without effect.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::base::Ratio;
use crate::base::random::{Dice, Draw};
use crate::history::foreign::{
    Act, Call, Calls, End, Foreign, Format, Keys, Value, Word, Words, txn,
};

use super::judge::Object;

pub mod tree;

/// What is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corrupt {
    /// One answer shows what was never there.
    Answer,
    /// One write is answered and has no effect: wrong only if someone looks.
    LostWrite,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Of which object.
    pub object: Object,
    /// How many calls.
    pub ops: u64,
    /// How many clients are busy at once.
    pub clients: u32,
    /// The seed.
    pub seed: u64,
    /// Calls without a known end, in per cent.
    pub crashed: u64,
    /// Reads that show what was there before the latest change, in per cent.
    pub stale: u64,
    /// What is wrong on purpose.
    pub corrupt: Option<Corrupt>,
    /// How many different values are written; `None`: each once.
    pub values: Option<u64>,
    /// How many keys; 0: one object without a key.
    pub keys: u64,
    /// How many operations a transaction of registers or lists has at most; 1: none is of several.
    pub txn: u64,
}

/// Makes a history: the same from the same shape, always.
///
/// # Errors
/// A shape that is no history's, and znodes, which [`tree::generate`] makes.
pub fn generate(shape: &Shape) -> Result<Foreign, String> {
    if shape.ops == 0 || shape.clients == 0 {
        return Err("a history has calls and clients\nhint: say at least 1 of each".to_string());
    }
    if shape.ops > 1 << 30 || shape.keys > 1 << 20 {
        return Err("so many fit into no history\nhint: say at most 2^30 calls, 2^20 keys".into());
    }
    if shape.object == Object::Znodes {
        let hint = "znode histories are no calls of another tool";
        return Err(format!("znode histories are not made here\nhint: {hint}"));
    }
    let mut maker = Maker::new(shape);
    maker.run();
    if shape.corrupt == Some(Corrupt::Answer) && !maker.corrupt_answer() {
        return Err("no answer can be made wrong\nhint: say more `--ops`".to_string());
    }
    let Maker { calls, words, keys, .. } = maker;
    let (words, format) = (Arc::new(words), Format::Edn);
    Ok(Foreign { format, calls, words, keys, notes: 0 })
}

/// One simulated object.
#[derive(Clone, Debug, Default)]
struct State {
    register: Value,
    /// What a register held, or a text was, before its latest change.
    before: Value,
    held: bool,
    elements: BTreeSet<Value>,
    queue: VecDeque<Value>,
    text: String,
    list: Vec<Value>,
}

impl State {
    /// An operation that could be one of a transaction takes effect, unless it is lost; what it
    /// has read.
    fn step(
        &mut self,
        object: Object,
        act: Act,
        value: Value,
        stale: bool,
        lost: bool,
    ) -> Option<Value> {
        match act {
            Act::Write | Act::Append if lost => None,
            Act::Write => {
                self.before = std::mem::replace(&mut self.register, value);
                None
            }
            Act::Append => {
                self.list.push(value);
                None
            }
            Act::Read if object == Object::List => {
                let seen = self.list.len() - usize::from(stale && !self.list.is_empty());
                Some(Value::list(self.list[..seen].to_vec()))
            }
            Act::Read => Some(if stale { &self.before } else { &self.register }.clone()),
        }
    }
}

/// A client.
#[derive(Clone, Debug)]
struct Client {
    process: u32,
    /// Its open call, and whether it has taken effect.
    open: Option<(usize, bool)>,
}

struct Maker<'a> {
    shape: &'a Shape,
    dice: Dice,
    words: Words,
    keys: Keys,
    names: BTreeMap<&'static str, Word>,
    states: Vec<State>,
    clients: Vec<Client>,
    calls: Calls,
    at: u32,
    written: u64,
    /// The call whose effect is lost, if one is to be.
    lost: Option<u64>,
}

impl<'a> Maker<'a> {
    fn new(shape: &'a Shape) -> Maker<'a> {
        let mut dice = Dice::new(shape.seed, "history");
        let (mut words, mut keys) = (Words::new(), Keys::default());
        let own_keys = matches!(shape.object, Object::Kv | Object::List | Object::Registers);
        let count = if own_keys { shape.keys.max(3) } else { shape.keys };
        for key in 0..count {
            let key = match shape.object {
                Object::Kv => Value::Text(words.of(&key.to_string())),
                _ => Value::Int(key as i64),
            };
            keys.of(&key);
        }
        let fresh = |process| Client { process, open: None };
        let wrong = shape.corrupt == Some(Corrupt::LostWrite);
        let lost = wrong.then(|| dice.below(shape.ops.div_ceil(2)));
        Maker {
            shape,
            dice,
            words,
            keys,
            names: BTreeMap::new(),
            states: vec![State::default(); count as usize + 1],
            clients: (0..shape.clients).map(fresh).collect(),
            calls: Calls::default(),
            at: 0,
            written: 0,
            lost,
        }
    }

    /// Lets clients call, effects happen and answers arrive, in random turns.
    fn run(&mut self) {
        let mut busy = 0;
        while busy > 0 || (self.calls.len() as u64) < self.shape.ops {
            let more = (self.calls.len() as u64) < self.shape.ops;
            let who = self.dice.below(self.clients.len() as u64) as usize;
            match self.clients[who].open {
                None if more => {
                    let call = self.call(self.clients[who].process);
                    self.clients[who].open = Some((self.calls.len(), false));
                    self.calls.push(call);
                    busy += 1;
                }
                None => {}
                Some((call, happened)) => {
                    if self.dice.chance(Ratio::new(self.shape.crashed, 200)) {
                        // Its outcome stays unknown; half of these have happened.
                        self.clients[who].process += self.shape.clients;
                        self.clients[who].open = None;
                        let end = self.calls.get_mut(call);
                        (end.got, end.end_line) = (Value::Nil, 0);
                        busy -= 1;
                    } else if happened {
                        self.at += 1;
                        let end = self.calls.get_mut(call);
                        end.returned = self.at;
                        // Until now the end was kept where a crash would have found it.
                        end.end = if end.end_line == 1 { End::Refused } else { End::Ok };
                        end.end_line = 0;
                        self.clients[who].open = None;
                        busy -= 1;
                    } else {
                        self.happen(call);
                        self.clients[who].open = Some((call, true));
                    }
                }
            }
        }
    }

    fn name(&mut self, name: &'static str) -> Word {
        let words = &mut self.words;
        *self.names.entry(name).or_insert_with(|| words.of(name))
    }

    /// A value to be written.
    fn value(&mut self) -> Value {
        self.written += 1;
        let number = match self.shape.values {
            Some(values) => self.dice.below(values),
            None => self.written,
        };
        match self.shape.object {
            Object::Kv => Value::Text(self.words.of(&format!("x {number} y"))),
            _ => Value::Int(number as i64),
        }
    }

    /// What a client calls next.
    fn call(&mut self, process: u32) -> Call {
        let together = matches!(self.shape.object, Object::List | Object::Registers);
        let many =
            if together && self.shape.txn > 1 { self.dice.between(1, self.shape.txn) } else { 1 };
        let (mut f, mut key, mut asked) = self.ask();
        let several = many > 1;
        if several {
            let mut flat = Vec::new();
            txn::push(&mut flat, f, key, asked);
            for _ in 1..many {
                let (f, key, asked) = self.ask();
                txn::push(&mut flat, f, key, asked);
            }
            (f, key, asked) = (self.name("txn"), 0, Value::list(flat));
        }
        self.at += 1;
        let (invoked, returned, line, end_line) = (self.at, u32::MAX, 0, 0);
        let (end, got) = (End::Unknown, Value::Nil);
        Call { process, f, key, end, several, invoked, returned, line, end_line, asked, got }
    }

    /// What a client asks next, and of which key.
    fn ask(&mut self) -> (Word, u32, Value) {
        let roll = self.dice.below(10);
        let (f, asked) = match self.shape.object {
            Object::Register | Object::Znodes => match roll {
                0..5 => ("read", Value::Nil),
                // Compare-and-set writes a value again, so there is none where each is to be once.
                8.. if self.shape.values.is_some() => {
                    ("cas", Value::list(vec![self.value(), self.value()]))
                }
                _ => ("write", self.value()),
            },
            Object::Mutex if roll < 5 => ("acquire", Value::Nil),
            Object::Mutex => ("release", Value::Nil),
            Object::Set if roll < 8 => ("add", self.value()),
            Object::Set => ("read", Value::Nil),
            Object::Queue | Object::Fifo if roll < 5 => ("enqueue", self.value()),
            Object::Queue | Object::Fifo => ("dequeue", Value::Nil),
            Object::Kv => match roll {
                0..5 => ("get", Value::Nil),
                5..7 => ("put", self.value()),
                _ => ("append", self.value()),
            },
            Object::Registers if roll < 5 => ("r", Value::Nil),
            Object::Registers => ("w", self.value()),
            Object::List if roll < 5 => ("r", Value::Nil),
            // An element is in a list once, or its place is not known.
            Object::List => {
                self.written += 1;
                ("append", Value::Int(self.written as i64))
            }
        };
        let key = match self.keys.len() as u64 {
            0 => 0,
            keys => self.dice.between(1, keys) as u32,
        };
        (self.name(f), key, asked)
    }

    /// A call takes effect, and gets its answer.
    fn happen(&mut self, index: usize) {
        let lost = self.lost.is_some_and(|lost| lost <= index as u64);
        let stale = self.dice.chance(Ratio::new(self.shape.stale, 100));
        let call = self.calls.get_mut(index);
        if call.several {
            let steps: Vec<(Act, u32, Value)> = call
                .micros(&self.words)
                .map(|micro| (micro.act, micro.key, micro.value.clone()))
                .collect();
            let lost = lost && steps.iter().any(|(act, ..)| *act != Act::Read);
            let object = self.shape.object;
            let each = |(act, key, value): (Act, u32, Value)| {
                self.states[key as usize].step(object, act, value, stale, lost)
            };
            call.got = Value::list(steps.into_iter().filter_map(each).collect());
            self.lost = self.lost.filter(|_| !lost);
            return;
        }
        let state = &mut self.states[call.key as usize];
        let f = self.words.text(call.f).to_string();
        let writes = ["write", "w", "add", "enqueue", "put", "append", "release"];
        if lost && writes.contains(&f.as_str()) {
            self.lost = None;
            call.got = call.asked.clone();
            return;
        }
        let fits;
        (fits, call.got) = match f.as_str() {
            "read" if self.shape.object == Object::Set => {
                (true, Value::Set(Box::new(state.elements.iter().cloned().collect())))
            }
            "cas" => {
                let (old, new) = call.asked.as_pair().expect("it was made of two");
                let fits = state.register == *old;
                if fits {
                    state.before = std::mem::replace(&mut state.register, new.clone());
                }
                (fits, call.asked.clone())
            }
            "acquire" => (!std::mem::replace(&mut state.held, true), Value::Nil),
            "release" => (std::mem::replace(&mut state.held, false), Value::Nil),
            "add" => {
                state.elements.insert(call.asked.clone());
                (true, call.asked.clone())
            }
            "enqueue" => {
                state.queue.push_back(call.asked.clone());
                (true, call.asked.clone())
            }
            "dequeue" => {
                let count = state.queue.len() as u64;
                let any = self.shape.object == Object::Queue;
                let at = if any { self.dice.below(count) as usize } else { 0 };
                match state.queue.remove(at) {
                    Some(element) => (true, element),
                    None => (false, Value::Nil),
                }
            }
            "get" => {
                let text = Value::Text(self.words.of(&state.text));
                let before = state.before.clone();
                (true, if stale && !before.is_nil() { before } else { text })
            }
            "put" | "append" if self.shape.object == Object::Kv => {
                state.before = Value::Text(self.words.of(&state.text));
                let Value::Text(word) = call.asked else { unreachable!("texts are put") };
                if f == "put" {
                    state.text.clear();
                }
                state.text.push_str(self.words.text(word));
                (true, call.asked.clone())
            }
            f => {
                let act = Act::from_name(f).expect("all else is named above");
                let got = state.step(self.shape.object, act, call.asked.clone(), stale, false);
                (true, got.unwrap_or_else(|| call.asked.clone()))
            }
        };
        call.end_line = u32::from(!fits);
    }

    /// Makes one answer show what was never there; false if there is none that could.
    fn corrupt_answer(&mut self) -> bool {
        let reads = ["read", "get", "r", "dequeue"];
        let wrong = match self.shape.object {
            Object::Mutex => "release",
            _ => "",
        };
        let fits = |words: &Words, call: &Call| {
            let f = words.text(call.f);
            let seen = call.several && call.got.as_list().is_some_and(|seen| !seen.is_empty());
            call.end == End::Ok && (reads.contains(&f) || f == wrong || seen)
        };
        let all = self.calls.iter().enumerate().filter(|(_, call)| fits(&self.words, call));
        let all: Vec<usize> = all.map(|(index, _)| index).collect();
        if all.is_empty() {
            return false;
        }
        let acquire = self.name("acquire");
        let never = Value::Int(i64::from(i32::MAX));
        let odd = Value::Text(self.words.of("never written"));
        let call = self.calls.get_mut(*self.dice.pick(&all));
        let seen = match &mut call.got {
            Value::List(seen) if call.several => {
                let at = self.dice.below(seen.len() as u64) as usize;
                &mut seen[at]
            }
            got => got,
        };
        match (self.shape.object, seen) {
            // One release less and one acquire more: nobody can have let go in between.
            (Object::Mutex, _) => call.f = acquire,
            (_, Value::Set(elements)) => elements.push(never),
            (_, Value::List(elements)) => elements.push(never),
            (_, got @ Value::Text(_)) => *got = odd,
            (_, got) => *got = never,
        }
        true
    }
}

#[cfg(test)]
mod tests;
