//! Calls as files tell them, laid down in columns as they come: a line tells a call and its answer,
//! and what else happened until then comes later. So answers wait until it is their time, and
//! beside the columns only what is open is there.

use std::collections::BTreeMap;

use crate::base::Zxid;
use crate::history::{CallId, Entry, Event, Happening, Moment, Operation, Outcome};
use crate::verdict::sweep::Tape;

/// A tape that is being written. See the file.
#[derive(Default)]
pub struct Stream {
    tape: Tape,
    /// Answers to come.
    waiting: BTreeMap<(Moment, CallId), Operation>,
    /// The moment of the latest line.
    last: Option<Moment>,
}

impl Stream {
    /// Takes the next line; false if it stands behind what came later, and cannot be taken.
    pub fn take(&mut self, entry: Entry) -> bool {
        let Some(moment) = entry.moment() else {
            if let Entry::Committed(txn) = &entry {
                self.tape.logged(txn);
            }
            return true;
        };
        if self.last.is_some_and(|last| moment.0 < last.0) {
            return false;
        }
        self.last = Some(moment);
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 < moment) {
            let answered = first.remove();
            self.end(&answered);
        }
        match entry {
            Entry::Event(event) => self.happened(&event),
            Entry::Call(operation) => {
                let Operation { id, session, conn, xid, op, invoked, .. } = &operation;
                self.tape.call(*invoked, *id, *session, *conn, *xid, op);
                if let Some(ended) = operation.ended() {
                    self.waiting.insert((ended, *id), operation);
                }
            }
            Entry::Committed(_) => {}
        }
        true
    }

    /// All of it.
    pub fn finish(mut self) -> Tape {
        for answered in std::mem::take(&mut self.waiting).into_values() {
            self.end(&answered);
        }
        self.tape
    }

    fn end(&mut self, operation: &Operation) {
        let Operation { id, op, returned: Some(at), .. } = operation else { return };
        let zxid = operation.zxid.unwrap_or(Zxid::ZERO);
        match &operation.outcome {
            Outcome::Ok(reply) => self.tape.end(*at, *id, zxid, op, Ok(reply)),
            Outcome::Failed(code) => self.tape.end(*at, *id, zxid, op, Err(*code)),
            Outcome::Lost | Outcome::Open => self.tape.lost(*at, *id),
        }
    }

    fn happened(&mut self, event: &Event) {
        let (tape, at) = (&mut self.tape, event.at);
        match &event.what {
            Happening::Connected { conn, fresh, .. } => {
                tape.connected(at, *conn, event.session, *fresh);
            }
            Happening::Disconnected { conn } => tape.gone(at, *conn),
            Happening::Expired => tape.expired(at, event.session),
            Happening::Watch { conn, kind, path, zxid } => {
                tape.event(at, *conn, *kind, path, *zxid);
            }
        }
    }
}
