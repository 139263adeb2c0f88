//! Calls by zxid: sorted by counting, each transaction at its own place, reads at their views.

use std::collections::BTreeMap;

use crate::verdict::witness::tally::Property;

use super::court::Place;
use super::names::NONE;
use super::replay::{GAP, Replay, TAKEN, is_own, is_placed};
use super::tape::LOST;

impl Replay<'_> {
    /// Sorts calls by key, by counting.
    pub(super) fn bucket(&mut self) {
        let mut starts = vec![0u32; self.axis.len() + 1];
        let mut returns = vec![NONE; self.axis.len()];
        let mut soonest = vec![NONE; self.axis.len()];
        for index in 0..self.tape.calls.len() as u32 {
            let rec = &self.tape.calls[index as usize];
            if !is_placed(self.tape, rec) {
                continue;
            }
            let Some(key) = self.axis.key(rec.zxid) else { continue };
            soonest[key as usize] = soonest[key as usize].min(rec.ret);
            if !is_own(rec) {
                starts[key as usize + 1] += 1;
                continue;
            }
            returns[key as usize] = rec.ret;
            let other = std::mem::replace(&mut self.writer[key as usize], index);
            self.court.count(Property::DoubleApply);
            if other != GAP {
                let place = Place { rank: rec.ret, call: Some(rec.id) };
                let (one, two) = (self.tape.calls[other as usize].id.0, rec.id.0);
                let zxid = self.axis.zxid(key);
                let detail = format!("calls {one} and {two} were both answered as {zxid}");
                self.court.broken(Property::DoubleApply, "one_zxid_for_two", place, detail);
            }
        }
        for key in 1..starts.len() {
            starts[key] += starts[key - 1];
        }
        let mut reads = vec![0u32; starts.last().map_or(0, |all| *all as usize)];
        let mut next = starts.clone();
        for (index, rec) in self.tape.calls.iter().enumerate() {
            if is_own(rec) || !is_placed(self.tape, rec) {
                continue;
            }
            let Some(key) = self.axis.key(rec.zxid) else { continue };
            reads[next[key as usize] as usize] = index as u32;
            next[key as usize] += 1;
        }
        for key in (1..returns.len()).rev() {
            returns[key - 1] = returns[key - 1].min(returns[key]);
            soonest[key - 1] = soonest[key - 1].min(soonest[key]);
        }
        self.soonest = soonest;
        (self.starts, self.reads, self.returns) = (starts, reads, returns);
        let keyed = self.tape.events.iter().enumerate();
        let keyed = keyed.filter(|(_, event)| event.zxid > 0);
        self.events = keyed
            .filter_map(|(index, event)| Some((self.axis.key(event.zxid)?, index as u32)))
            .collect();
        self.events.sort_unstable();
    }

    /// A log that was shown says what became of calls without an answer.
    pub(super) fn read_log(&mut self) {
        if self.tape.log.is_empty() {
            return;
        }
        let mut open = BTreeMap::new();
        for (index, xid) in &self.tape.xids {
            let rec = &self.tape.calls[*index as usize];
            if rec.part.code == LOST {
                open.insert((rec.session, *xid), *index);
            }
        }
        let mut logged_at = vec![false; self.axis.len()];
        for logged in &self.tape.log {
            let Some(key) = self.axis.key(logged.zxid) else { continue };
            let writer = &mut self.writer[key as usize];
            if *writer == GAP {
                *writer = TAKEN;
                if logged.closes {
                    self.closing.push((key, logged.session));
                } else if let Some(call) = open.remove(&(logged.session, logged.xid)) {
                    *writer = call;
                }
                logged_at[key as usize] = true;
            } else {
                let xids = &self.tape.xids;
                let xid = xids.binary_search_by_key(writer, |(call, _)| *call);
                let xid = xid.ok().map(|at| xids[at].1);
                let session = self.tape.calls[*writer as usize].session;
                logged_at[key as usize] = (session, xid) == (logged.session, Some(logged.xid));
            }
        }
        for (key, logged) in logged_at.iter().enumerate() {
            let writer = self.writer[key];
            if writer < TAKEN && !logged {
                let rec = self.tape.calls[writer as usize];
                let zxid = self.axis.zxid(key as u32);
                let place = Place { rank: rec.ret, call: Some(rec.id) };
                let detail = format!(
                    "call {} was answered as {zxid}, but the log has another there or none",
                    rec.id.0
                );
                self.court.broken(Property::WriteOutcome, "answer_zxid", place, detail);
            }
        }
        self.closing.sort_unstable();
        self.closing.reverse();
    }
}
