//! Calls by zxid: sorted by counting, each transaction at its own place, reads at their views.

use std::collections::BTreeMap;

use crate::base::Zxid;
use crate::history::Did;
use crate::verdict::names::NONE;
use crate::verdict::witness::tally::Property;

use super::court::Place;
use super::replay::{GAP, Replay, TAKEN};
use super::tape::{Kind, LOST, Logged, flag};

impl Replay<'_> {
    /// Sorts calls by key, by counting.
    pub(super) fn bucket(&mut self) {
        let mut starts = vec![0u32; self.axis.len() + 1];
        let mut returns = vec![NONE; self.axis.len()];
        let mut views = vec![NONE; self.tape.calls.len()];
        // What a log says of calls without an answer, nobody has to find out.
        let guessing = self.tape.log.is_empty();
        let mut soonest = vec![NONE; if guessing { self.axis.len() } else { 0 }];
        self.known.reached = vec![0; self.tape.sessions.len()];
        self.known.closes = vec![false; self.tape.sessions.len()];
        for index in 0..self.tape.calls.len() as u32 {
            let rec = &self.tape.calls[index as usize];
            if !rec.part.has(flag::PLACED) {
                if rec.part.code == LOST && rec.part.kind.is_txn() {
                    let after = self.known.reached[rec.session as usize];
                    self.known.unanswered.push((index, after));
                    self.known.txn(&self.tape.parts, index, rec);
                }
                continue;
            }
            let Some(key) = self.axis.key(rec.zxid) else { continue };
            let own = rec.part.has(flag::OWN);
            if !own && !self.views {
                continue;
            }
            let reached = &mut self.known.reached[rec.session as usize];
            *reached = key.max(*reached);
            if let Some(soonest) = soonest.get_mut(key as usize) {
                *soonest = rec.ret.min(*soonest);
            }
            if !own {
                starts[key as usize + 1] += 1;
                views[index as usize] = key;
                continue;
            }
            self.known.txn(&self.tape.parts, index, rec);
            self.known.write(index, rec, key);
            returns[key as usize] = rec.ret;
            let other = std::mem::replace(&mut self.writer[key as usize], index);
            if other != GAP {
                self.twice(key, other, index);
            }
        }
        let written = self.writer.iter().filter(|writer| **writer != GAP).count() as u64;
        self.court.add(Property::DoubleApply, written);
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let mut reads = vec![0u32; starts.last().map_or(0, |all| *all as usize)];
        for (index, key) in views.iter().enumerate().filter(|(_, key)| **key != NONE) {
            let next = &mut starts[*key as usize];
            reads[*next as usize] = index as u32;
            *next += 1;
        }
        // Each start has moved to its end, which is the next one's start.
        starts.rotate_right(1);
        starts[0] = 0;
        for all in [&mut returns, &mut soonest] {
            for key in (1..all.len()).rev() {
                all[key - 1] = all[key - 1].min(all[key]);
            }
        }
        (self.starts, self.reads) = (starts, reads);
        (self.returns, self.soonest) = (returns, soonest);
        let keyed = self.tape.events.iter().enumerate();
        let keyed = keyed.filter(|(_, event)| event.zxid > 0);
        self.events = keyed
            .filter_map(|(index, event)| Some((self.axis.key(event.zxid)?, index as u32)))
            .collect();
        self.events.sort_unstable();
    }

    fn twice(&mut self, key: u32, one: u32, two: u32) {
        let (one, two) = (&self.tape.calls[one as usize], &self.tape.calls[two as usize]);
        let place = Place { rank: two.ret, call: Some(two.id) };
        let (one, two, zxid) = (one.id.0, two.id.0, self.axis.zxid(key));
        let detail = format!("calls {one} and {two} were both answered as {zxid}");
        self.court.count(Property::DoubleApply);
        self.court.broken(Property::DoubleApply, "one_zxid_for_two", place, detail);
    }

    /// A log that was shown says what became of calls without an answer.
    pub(super) fn read_log(&mut self) {
        if self.tape.log.is_empty() {
            return;
        }
        let mut open = BTreeMap::new();
        for (index, _) in &self.known.unanswered {
            let rec = &self.tape.calls[*index as usize];
            open.insert((rec.session, rec.xid), *index);
        }
        self.logged = vec![NONE; self.axis.len()];
        let mut strangers = Vec::new();
        for (at, logged) in self.tape.log.iter().enumerate() {
            let Some(key) = self.axis.key(logged.zxid) else { continue };
            self.logged[key as usize] = at as u32;
            let writer = &mut self.writer[key as usize];
            if *writer != GAP {
                continue;
            }
            *writer = TAKEN;
            let call = open.get(&(logged.session, logged.xid)).copied();
            let kind = |call: &u32| self.tape.calls[*call as usize].part.kind;
            let closes = logged.did == Did::Close;
            match call.filter(|call| closes == (kind(call) == Kind::Close)) {
                Some(call) => {
                    open.remove(&(logged.session, logged.xid));
                    *writer = call;
                }
                None if closes => self.closing.push((key, logged.session)),
                // xid 0 is nobody's call: a session begins.
                None if logged.xid > 0 => strangers.push(at),
                None => {}
            }
        }
        self.closing.sort_unstable();
        self.closing.reverse();
        if !strangers.is_empty() {
            self.judge_strangers(&strangers);
        }
    }

    /// Transactions of the log that are no open call's, and that no answer tells of: their calls
    /// took effect elsewhere, or were never made (P1).
    #[cold]
    fn judge_strangers(&mut self, strangers: &[usize]) {
        let calls = self.tape.calls.iter().filter(|rec| rec.part.kind.is_txn());
        let calls: BTreeMap<_, _> = calls.map(|rec| ((rec.session, rec.xid), rec)).collect();
        for at in strangers {
            let Logged { zxid, session, xid, .. } = self.tape.log[*at];
            let session_id = self.tape.sessions[session as usize];
            let (zxid, call) = (Zxid(zxid), calls.get(&(session, xid)));
            let (property, kind, what) = match call {
                Some(_) => (Property::DoubleApply, "twice", "took effect elsewhere already"),
                None => (Property::Phantom, "write", "was never made"),
            };
            let rank = call.map_or(NONE, |rec| rec.ret.min(rec.call));
            let place = Place { rank, call: call.map(|rec| rec.id) };
            let detail = format!(
                "the log has {zxid} for xid {xid} of session {session_id}: that call {what}"
            );
            self.court.count(property);
            self.court.broken(property, kind, place, detail);
        }
    }
}
