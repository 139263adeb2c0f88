//! Multis: all or nothing, part by part (P10).

use crate::znode::op::ErrorCode;

use super::replay::Replay;
use super::tape::{EARLY, OK, Part, flag};
use super::tree::{SUFFIX, Who};

impl Replay<'_> {
    /// How the answer differs from what the state allows; `None` if it does not, and then all of
    /// it has been carried out.
    pub(super) fn multi_outcome(
        &mut self,
        key: u32,
        part: &Part,
        who: Who,
    ) -> Option<&'static str> {
        self.tree.fired.clear();
        if part.code != OK {
            return Some("error_code");
        }
        if part.has(flag::ODD) {
            return Some("answer");
        }
        let (mark, was) = (self.tree.mark(), self.tree.keeping);
        self.tree.keeping = true;
        let all = part.extra..part.extra + part.version as u32;
        let failing = all.clone().find(|n| self.tape.parts[*n as usize].code != OK);
        let wrong = match failing {
            None => all.clone().find_map(|n| {
                let part = self.tape.parts[n as usize];
                match self.tree.judge(&self.tape.paths, &part) {
                    OK => {
                        self.act(&part, who);
                        self.stat_differs(&part)
                    }
                    SUFFIX => Some("suffix"),
                    _ => Some("multi_should_fail"),
                }
            }),
            Some(_) => self.failed_multi(all.clone(), who),
        };
        if wrong.is_some() || failing.is_some() {
            self.tree.back(mark);
            self.tree.fired.clear();
        }
        if wrong.is_none() {
            let rest = ErrorCode::RuntimeInconsistency.wire() as i16;
            for n in all {
                // What stands behind the failing part was never looked at.
                let part = self.tape.parts[n as usize];
                if part.code != rest {
                    self.stamp(key, &part, if failing.is_some() { EARLY } else { OK });
                }
            }
        }
        if !was {
            self.tree.settle();
        }
        wrong
    }

    fn failed_multi(&mut self, all: std::ops::Range<u32>, who: Who) -> Option<&'static str> {
        let rest = ErrorCode::RuntimeInconsistency.wire() as i16;
        let mut failed = false;
        for n in all {
            let asked = self.tape.parts[n as usize];
            if failed {
                if asked.code != rest {
                    return Some("multi_rest");
                }
                continue;
            }
            let part = self.named(asked);
            let code = self.tree.judge(&self.tape.paths, &part);
            if code == OK {
                self.act(&part, who);
                if asked.code != EARLY {
                    return Some("multi_code");
                }
            } else {
                failed = true;
                if asked.code != code {
                    return Some("multi_code");
                }
            }
        }
        if failed { None } else { Some("multi_should_succeed") }
    }
}
