//! Histories of the znode service, at a level: which oracle answers which question.
//!
//! ```text
//!   every answer has its zxid            witness  the order is claimed, and found true or not
//!   writes have, some reads have not     views    a state is looked for that each read fits
//!   some write has not                   search   an order is looked for that the answers fit
//! ```
//!
//! What takes permissions, identities, containers or times to live (`is_beyond`) only the search
//! knows: it is asked then, whatever the zxids say.
//!
//! A witness and views take calls as they come, and keep columns only. A search needs the calls
//! themselves, so these are kept until it is clear that nobody will ask for them.

mod core;
mod searched;
mod stream;
#[cfg(test)]
mod tests;
mod witness;

use crate::history::foreign::Refusal;
use crate::history::{Entry, History, Operation, Outcome, words};
use crate::verdict::model::tree::is_beyond;
use crate::verdict::sweep::{Breach, Judged, Tape};
use crate::verdict::views;

use super::{Answer, Candidate, Judgement, Level, Mode, Object, Question, Why};
use stream::Stream;

/// How many answered calls have to have their zxids before calls are no longer kept: writes, where
/// reads have none.
const TRUSTED: u64 = 1_000;

/// What is held of a history.
enum Held {
    /// The calls themselves.
    Calls(History),
    /// Columns alone.
    Columns(Box<Stream>),
}

/// A history that is being read, to be judged in the end.
pub struct Gathering<'q> {
    question: &'q Question,
    level: Level,
    held: Held,
    /// A line that stands behind what came later, when calls were no longer kept.
    disordered: Option<u64>,
    /// By call: its number and its line.
    lines: Vec<(u32, u32)>,
    answered: u64,
    /// Of these, writes.
    written: u64,
    /// The first answered write, and the first answered read, without a zxid: its line.
    bare_write: Option<u32>,
    bare_read: Option<u32>,
    /// Whether some call is beyond all but the search.
    beyond: bool,
}

impl<'q> Gathering<'q> {
    /// Nothing read yet.
    ///
    /// # Errors
    /// A question that is not for such histories.
    pub fn new(question: &'q Question) -> Result<Gathering<'q>, Refusal> {
        if let Some(object) = question.object.filter(|object| *object != Object::Znodes) {
            let name = object.name();
            let what = format!("this is a znode history, which model `{name}` cannot judge");
            return Err(Refusal::on_line(0, what, "leave out `--model`"));
        }
        Ok(Gathering {
            question,
            level: question.level.unwrap_or(Level::SyncLinearizable),
            held: Held::Calls(History::new()),
            disordered: None,
            lines: Vec::new(),
            answered: 0,
            written: 0,
            bare_write: None,
            bare_read: None,
            beyond: false,
        })
    }

    /// Takes what stands on a line; 0 if there are no lines.
    pub fn take(&mut self, line: u64, entry: Entry) {
        if let Entry::Call(operation) = &entry {
            self.look(line as u32, operation);
        }
        match &mut self.held {
            Held::Calls(history) => history.take(entry),
            Held::Columns(stream) => {
                if !stream.take(entry) {
                    self.disordered.get_or_insert(line);
                }
            }
        }
        if self.is_trusted() && !self.wants_calls() {
            self.let_go();
        }
    }

    /// From now on columns are enough.
    fn let_go(&mut self) {
        let Held::Calls(history) = &mut self.held else { return };
        let mut stream = Stream::default();
        let History { operations, events, log, .. } = std::mem::take(history);
        let calls = operations.into_iter().map(Entry::Call);
        let log = log.into_iter().map(Entry::Committed);
        let events = events.into_iter().map(Entry::Event);
        let mut all: Vec<Entry> = log.chain(calls).chain(events).collect();
        all.sort_by_key(Entry::moment);
        for entry in all {
            let taken = stream.take(entry);
            assert!(taken, "they are sorted");
        }
        self.held = Held::Columns(Box::new(stream));
    }

    fn look(&mut self, line: u32, operation: &Operation) {
        self.lines.push((operation.id.0, line));
        self.beyond |= is_beyond(&operation.op);
        if !is_answered(operation) {
            return;
        }
        self.answered += 1;
        self.written += u64::from(operation.op.is_write());
        if operation.zxid.is_none() {
            let which =
                if operation.op.is_write() { &mut self.bare_write } else { &mut self.bare_read };
            which.get_or_insert(line);
        }
    }

    /// Whether so many answers had the zxids that they need that others will have them, too.
    fn is_trusted(&self) -> bool {
        let told = if self.bare_read.is_some() { self.written } else { self.answered };
        // Small histories may be searched, too, where their zxids have decided nothing.
        let many = self.lines.len() > witness::SEARCHED || !may_have_other_views(self.level);
        told >= TRUSTED && many
    }

    fn wants_calls(&self) -> bool {
        let Question { mode, explain, order, .. } = self.question;
        let by_columns = match mode {
            None | Some(Mode::Views) => self.bare_write.is_none(),
            Some(Mode::Witness) => self.bare_write.is_none() && self.bare_read.is_none(),
            Some(Mode::Search) => false,
        };
        self.beyond || *explain || *order || !by_columns
    }

    /// Judges what was read.
    ///
    /// # Errors
    /// A mode for which something is missing.
    pub fn judge(self) -> Result<Judgement, Refusal> {
        let found = match (self.bare_write, self.bare_read) {
            (Some(_), _) => Mode::Search,
            (None, Some(_)) => Mode::Views,
            (None, None) => Mode::Witness,
        };
        let mode = self.question.mode.unwrap_or(found);
        let missing = match mode {
            Mode::Witness => self.bare_write.or(self.bare_read),
            Mode::Views => self.bare_write,
            Mode::Search => None,
        };
        if let Some(line) = missing {
            let what = format!("this answer has no zxid, which mode `{}` needs", mode.name());
            let hint = format!("leave out `--mode`: `{}` can judge this", found.name());
            return Err(Refusal::on_line(line.into(), what, hint));
        }
        let calls = self.lines.len() as u64;
        if self.answered == 0 {
            let what = format!("none of the {calls} calls was answered");
            return Err(Refusal::on_line(0, what, "an empty history proves nothing"));
        }
        let mut judgement = Judgement::of(Object::Znodes, self.level, mode, calls, self.answered);
        let (stream, kept) = match self.held {
            Held::Calls(history) => (None, Some(history)),
            Held::Columns(stream) => (Some(stream), None),
        };
        if let Some(line) = self.disordered {
            let what = "this stands behind what came later";
            let hint = "`zoosim history convert` writes a history in the order of time";
            return Err(Refusal::on_line(line, what, hint));
        }
        let lines = Lines { lines: self.lines, kept: kept.as_ref() };
        let (bare, question) = (self.bare_write.or(self.bare_read), self.question);
        let tape = || {
            let tape = stream.map(|stream| stream.finish());
            tape.or(kept.as_ref().map(Tape::of)).unwrap_or_default()
        };
        match (mode, &kept) {
            (Mode::Witness, _) => {
                witness::judge(&mut tape(), &lines, question, &mut judgement);
            }
            (Mode::Views, _) => {
                let judged = views::check_tape(&mut tape(), self.level, question.sync);
                judgement.answer = answer(judged, &lines);
                if self.beyond {
                    witness::beyond(&lines, question, &mut judgement);
                }
            }
            (Mode::Search, Some(history)) => {
                searched::judge(history, &lines, question, &mut judgement);
            }
            (Mode::Search, None) => {
                // A thousand answers had their zxids, and so the calls were let go.
                let what = "this answer has no zxid, though those before it have";
                let hint = "say `--mode search` to use none";
                return Err(Refusal::on_line(bare.unwrap_or(0).into(), what, hint));
            }
        }
        Ok(judgement)
    }
}

/// Judges a history of the znode service.
///
/// # Errors
/// A question that is not for such histories.
pub fn judge_znodes(history: &History, question: &Question) -> Result<Judgement, Refusal> {
    let mut gathering = Gathering::new(question)?;
    history.operations.iter().for_each(|operation| gathering.look(0, operation));
    gathering.held = Held::Calls(history.clone());
    gathering.judge()
}

fn is_answered(operation: &Operation) -> bool {
    match operation.outcome {
        Outcome::Ok(_) | Outcome::Failed(_) => true,
        Outcome::Lost | Outcome::Open => false,
    }
}

/// What the order of zxids came to, with no more than its first breach to explain it.
fn answer(judged: Judged, lines: &Lines<'_>) -> Answer {
    match judged {
        Judged::Holds => Answer::True,
        Judged::Broken(breach) => Answer::False(first_words(&breach, lines)),
        Judged::Beyond(name) => Answer::Unknown(format!(
            "`{name}`, as it is used here, is judged in runs and by searching only"
        )),
        Judged::Undecided(Breach { property, detail, .. }) => {
            let what = "what lost calls did, and which sessions ended unseen, is not known; as \
                        guessed";
            let hint = "lines of the servers' log (`committed`) would decide it";
            Answer::Unknown(format!("{what}, {property} is broken: {detail}; {hint}"))
        }
    }
}

fn first_words(breach: &Breach, lines: &Lines<'_>) -> Why {
    let next = breach.call.map(|id| lines.candidate(id.0, &breach.detail));
    Why {
        property: breach.property,
        detail: breach.detail.clone(),
        of: lines.lines.len() as u64,
        next: next.into_iter().collect(),
        ..Why::default()
    }
}

/// Whether what contradicts the zxids of reads may still be as the level asks: a read that was
/// answered from an older state may have seen what a newer one holds, too, and what one session is
/// to be shown is no question of zxids.
fn may_have_other_views(level: Level) -> bool {
    matches!(level, Level::Linearizable | Level::Session)
}

/// Where calls stand.
struct Lines<'a> {
    lines: Vec<(u32, u32)>,
    kept: Option<&'a History>,
}

impl Lines<'_> {
    /// A call, for people.
    fn candidate(&self, id: u32, reason: &str) -> Candidate {
        let found = self.lines.binary_search_by_key(&id, |(id, _)| *id).ok();
        let line = found.map_or(0, |at| self.lines[at].1);
        let operation = found.zip(self.kept).map(|(at, kept)| &kept.operations[at]);
        let (process, text) = match operation {
            Some(operation) => (operation.session.0 as u64, spelt(operation)),
            None => (0, format!("call {id}")),
        };
        let (line, reason) = (u64::from(line), reason.to_string());
        Candidate { line, end_line: line, process, text, reason }
    }
}

/// A call with its answer.
fn spelt(operation: &Operation) -> String {
    let asked = words::op(&operation.op);
    let zxid = operation.zxid.map_or(String::new(), |zxid| format!(" at {zxid}"));
    match &operation.outcome {
        Outcome::Ok(reply) => format!("{asked} -> {}{zxid}", words::result(&Ok(reply.clone()))),
        Outcome::Failed(code) => format!("{asked} -> {}{zxid}", words::result(&Err(*code))),
        Outcome::Lost | Outcome::Open => format!("{asked} -> ?"),
    }
}
