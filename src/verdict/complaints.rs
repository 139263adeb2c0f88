//! What client programs say themselves: a program complains of what no ensemble may ever show to
//! one client, and its word counts, whatever else is judged.

use crate::base::ClientId;
use crate::history::{At, Seen};
use crate::plan::{ClientPlan, Driver, Plan};

use super::{Finding, Oracle, Weight};

const NAME: &str = "ClientComplaint";

/// The oracle. A finding's kind is the property that the program named.
#[derive(Clone, Debug)]
pub struct Complaints {
    /// The clients that are programs.
    programs: Vec<ClientId>,
    /// How much they asked for: each answer could have been complained of.
    evaluated: u64,
}

impl Complaints {
    /// For a run of this plan.
    pub fn new(plan: &Plan) -> Complaints {
        let is_program = |client: &ClientPlan| matches!(client.driver, Driver::Program { .. });
        let clients = (1..).map(ClientId).zip(&plan.clients);
        let programs = clients.filter(|(_, client)| is_program(client)).map(|(id, _)| id);
        Complaints { programs: programs.collect(), evaluated: 0 }
    }
}

impl Oracle for Complaints {
    fn properties(&self) -> &'static [(&'static str, &'static str)] {
        &[(NAME, "no client program is shown what it knows to be impossible")]
    }

    fn observe(&mut self, at: At, seen: &Seen, findings: &mut Vec<Finding>) {
        match seen {
            Seen::Called(call) => {
                self.evaluated += u64::from(self.programs.contains(&call.client));
            }
            Seen::Complained { client, property, detail } => findings.push(Finding {
                property: NAME,
                weight: Weight::Violation,
                at,
                peers: Vec::new(),
                kind: property,
                detail: format!("{client} complains of {property}: {detail}"),
            }),
            _ => {}
        }
    }

    fn finish(&mut self, _at: At, _findings: &mut Vec<Finding>) {}

    fn evaluated(&self) -> Vec<(&'static str, u64)> {
        vec![(NAME, self.evaluated)]
    }

    fn fork(&self) -> Box<dyn Oracle> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_a_violation() {
        let mut oracle = Complaints { programs: vec![ClientId(2)], evaluated: 0 };
        let mut findings = Vec::new();
        let detail = "it went back".to_string();
        let seen = Seen::Complained { client: ClientId(2), property: "MonotonicReads", detail };
        oracle.observe(At::default(), &seen, &mut findings);
        assert_eq!((findings.len(), findings[0].kind), (1, "MonotonicReads"));
        assert_eq!(findings[0].detail, "c2 complains of MonotonicReads: it went back");
    }
}
