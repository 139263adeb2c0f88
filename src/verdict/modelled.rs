//! An oracle out of a model of one's own: calls are collected as they are seen, and searched for an
//! order when the run is over.
//!
//! What a run needs to know is which calls are of the model, and what their answers mean: two
//! functions. `Kit::invariant` gives the oracle its name; `tests/it/own_model.rs` does it from end
//! to end.

use std::collections::BTreeMap;

use crate::history::{At, CallId, Seen};
use crate::znode::op::{ErrorCode, Op, Reply};

use super::model::{Model, Timed};
use super::search::{Found, Options, check};
use super::{Finding, Oracle, Weight};

/// What an answer says of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<A> {
    /// It happened, and this was the answer.
    Answer(A),
    /// It did not happen: the call is no part of the history.
    Nothing,
    /// It may have happened.
    Perhaps,
}

/// How a model sees a run.
#[derive(Clone, Copy, Debug)]
pub struct View<O, A> {
    /// The property's name and what it says.
    pub property: &'static [(&'static str, &'static str); 1],
    /// What a call asks of the model; `None` if it is none of its calls.
    pub asked: fn(&Op) -> Option<O>,
    /// What an answer to such a call says.
    pub answered: fn(&Op, &Result<Reply, ErrorCode>) -> Told<A>,
    /// Steps that the search may take.
    pub budget: u64,
}

/// The oracle.
#[derive(Clone)]
pub struct Modelled<M: Model> {
    model: M,
    view: View<M::Op, M::Answer>,
    ops: Vec<Timed<M::Op, M::Answer>>,
    /// Open calls: what was asked, and where it stands in `ops`.
    open: BTreeMap<CallId, (Op, usize)>,
    /// Which of `ops` turned out to be no part of the history.
    gone: Vec<usize>,
    evaluated: u64,
}

impl<M: Model> Modelled<M> {
    /// Nothing seen yet.
    pub fn new(model: M, view: View<M::Op, M::Answer>) -> Modelled<M> {
        let (ops, open, gone) = (Vec::new(), BTreeMap::new(), Vec::new());
        Modelled { model, view, ops, open, gone, evaluated: 0 }
    }

    /// The history so far: operations by their calls.
    pub fn history(&self) -> Vec<Timed<M::Op, M::Answer>> {
        let all = self.ops.iter().enumerate();
        all.filter(|(index, _)| !self.gone.contains(index)).map(|(_, op)| op.clone()).collect()
    }
}

impl<M> Oracle for Modelled<M>
where
    M: Model + Clone + Send + 'static,
    M::Op: Send,
    M::Answer: Send,
{
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        self.view.property
    }

    fn observe(&mut self, at: At, seen: &Seen, _: &mut Vec<Finding>) {
        match seen {
            Seen::Called(call) => {
                if let Some(op) = (self.view.asked)(&call.op) {
                    self.open.insert(call.id, (call.op.clone(), self.ops.len()));
                    self.ops.push(Timed::lost(call.client.0.into(), at.step, op));
                }
            }
            Seen::Returned { id, result, .. } => {
                let Some((op, index)) = self.open.remove(id) else { return };
                let timed = &mut self.ops[index];
                match (self.view.answered)(&op, result) {
                    Told::Answer(answer) => (timed.answer, timed.ret) = (Some(answer), at.step),
                    Told::Nothing => self.gone.push(index),
                    Told::Perhaps => {}
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, at: At, findings: &mut Vec<Finding>) {
        let ops = self.history();
        self.evaluated = ops.len() as u64;
        let options = Options { nodes: self.view.budget, ..Options::default() };
        let property = self.view.property[0].0;
        let (weight, kind, detail) = match check(&self.model, &ops, &options) {
            Found::Legal(_) => return,
            Found::Illegal(stuck) => {
                let show = |index: &usize| {
                    let timed = &ops[*index];
                    let shown = self.model.show(&timed.op, timed.answer.as_ref());
                    format!("c{} `{shown}` called in step {}", timed.process, timed.call)
                };
                let next: Vec<String> = stuck.next.iter().map(show).collect();
                let (placed, of) = (stuck.placed.len(), stuck.part.len());
                let next = next.join(", ");
                let detail = format!("after {placed} of {of} none of these can come next: {next}");
                (Weight::Violation, "no_order", detail)
            }
            // Never a pass: a budget that is too small must be seen.
            Found::Unknown(reached) => {
                let detail = format!("the search gave up after {} steps", reached.nodes);
                (Weight::Assertion, "undecided", detail)
            }
        };
        findings.push(Finding { property, weight, at, peers: Vec::new(), kind, detail });
    }

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        vec![(self.view.property[0].0, self.evaluated)]
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}
