//! The properties this oracle judges, how often each was evaluated, and how it reports.

use crate::base::PeerId;
use crate::history::At;
use crate::verdict::{Finding, Weight};

macro_rules! properties {
    ($($name:ident: $line:literal,)*) => {
        /// One property.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::verdict) enum Property { $($name,)* }

        /// Names and one line each, in the order of [`Property`].
        pub(in crate::verdict) const PROPERTIES: &[(&str, &str)] =
            &[$((stringify!($name), $line),)*];
    };
}

properties! {
    Integrity: "what is delivered was proposed, and is a whole transaction (S3)",
    Agreement: "no two peers deliver different transactions for one zxid (S2)",
    TotalOrder: "transactions become committed in zxid order, dense within an epoch (S2, S3)",
    Phantom: "every committed transaction was asked for by someone (P1)",
    DoubleApply: "a call becomes at most one transaction (P1)",
    WriteOutcome: "a write does and answers what the model says (P1, P9, P10, P13)",
    Linearizability: "writes take effect after their call and after all that had returned (P1)",
    AckBeforeCommit: "an answered write or session is committed (S11)",
    ReadValue: "a read answers from one committed state: the one its zxid names (P3, P13)",
    SessionOrder: "a session's calls, answers and views never go back (P2, P3, C1, C2)",
    SyncedRead: "after sync, nothing that had returned before it is missing (P4)",
    WatchBeforeData: "a watch event comes before any answer that could show the change (P6b, P6c)",
    WatchSpurious: "a watch fires once, for the first change after its registration (P6a)",
    WatchLost: "re-registering watches catches up with what was missed (P6e)",
    Ephemerals: "closing a session deletes exactly what it owns (P7)",
    SessionExpiry: "sessions expire only after their timeout, and are dead from then on (P7)",
    SessionHeard: "a leader expires no session of which it has heard in time (C11)",
    SessionAbandoned: "a session that nobody speaks for ends within timeout and two ticks (S12)",
    SessionEquality: "each peer has the table of sessions that the model has there (S8)",
    Admission: "no server takes a client that has seen more than the server has (C2)",
    TreeEquality: "each transaction and each peer has the tree that the model has there (S8)",
    SequentialNames: "sequential names count the parent's creates (P8)",
}

/// How often each property was evaluated.
#[derive(Clone, Debug)]
pub(super) struct Tally([u64; PROPERTIES.len()]);

impl Tally {
    pub(super) fn new() -> Tally {
        Tally([0; PROPERTIES.len()])
    }

    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        PROPERTIES.iter().zip(self.0).map(|((name, _), count)| (*name, count)).collect()
    }
}

/// Where findings go while one thing seen is judged.
pub(super) struct Court<'a> {
    pub(super) at: At,
    pub(super) tally: &'a mut Tally,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl Court<'_> {
    /// Evaluates a property once; says so if it does not hold. Text is made only then.
    #[inline]
    pub(super) fn hold(
        &mut self,
        property: Property,
        holds: bool,
        kind: &'static str,
        detail: impl FnOnce() -> String,
    ) -> bool {
        self.tally.0[property as usize] += 1;
        if !holds {
            self.report(property, kind, Vec::new(), detail());
        }
        holds
    }

    /// Counts an evaluation that held.
    #[inline]
    pub(super) fn held(&mut self, property: Property) {
        self.tally.0[property as usize] += 1;
    }

    /// A violation.
    #[cold]
    pub(super) fn report(
        &mut self,
        property: Property,
        kind: &'static str,
        peers: Vec<PeerId>,
        detail: String,
    ) {
        self.findings.push(Finding {
            property: PROPERTIES[property as usize].0,
            weight: Weight::Violation,
            at: self.at,
            peers,
            kind,
            detail,
        });
    }
}
