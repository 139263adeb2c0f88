//! (being written)
#![allow(missing_docs, unused_variables)]
pub mod rules;
use crate::base::*;
use crate::broadcast::*;
use crate::process::*;
#[derive(Clone)]
pub struct Zab;
impl Zab {
    pub fn boot(_b: &Boot, _r: rules::Rules) -> Result<Zab, Refused> {
        todo!()
    }
}
impl Broadcast for Zab {
    fn start(&mut self, now: Now, app: &mut dyn StateMachine, fx: &mut Effects) {}
    fn step(&mut self, now: Now, event: Event, app: &mut dyn StateMachine, fx: &mut Effects) {}
    fn propose(&mut self, now: Now, zxid: Zxid, record: Vec<u8>, fx: &mut Effects) {}
    fn tell_leader(&mut self, packet: QuorumPacket, fx: &mut Effects) {}
    fn tell_learner(&mut self, learner: PeerId, packet: QuorumPacket, fx: &mut Effects) {}
    fn barrier(&mut self, now: Now, token: u64, app: &mut dyn StateMachine, fx: &mut Effects) {}
    fn abdicate(
        &mut self,
        now: Now,
        why: &'static str,
        app: &mut dyn StateMachine,
        fx: &mut Effects,
    ) {
    }
    fn probe(&self) -> Probe {
        todo!()
    }
    fn fork(&self) -> Box<dyn Broadcast> {
        todo!()
    }
    fn describe(&self) -> Vec<(String, String)> {
        todo!()
    }
}
