//! What a plan may name, held against what the kit knows: a name that nobody knows would never
//! strike, catch or count, and nobody would notice.

use crate::plan::input::{Problem, suggest};
use crate::plan::{Driver, Expect, Pattern, Plan, TO_CLIENT, When};
use crate::process::Note;
use crate::verdict::liveness;

use super::Kit;

/// The words of a protocol that plans can name. A kit that is not told them takes any.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Kinds of frames between peers.
    pub frames: &'static [&'static str],
    /// Kinds of writes.
    pub writes: &'static [&'static str],
    /// Kinds of deferred work.
    pub work: &'static [&'static str],
    /// Facts that it tells, beside the notes that any protocol may tell.
    pub facts: &'static [&'static str],
}

/// Those of Zab.
pub const ZAB: Words = Words {
    frames: &[
        "NOTIFICATION",
        "FOLLOWERINFO",
        "LEADERINFO",
        "ACKEPOCH",
        "DIFF",
        "TRUNC",
        "SNAP",
        "SNAP_CHUNK",
        "SNAP_END",
        "NEWLEADER",
        "UPTODATE",
        "PROPOSAL",
        "ACK",
        "COMMIT",
        "REQUEST",
        "REVALIDATE",
        "SYNC",
        "PING",
    ],
    writes: &["record", "log_header", "snapshot", "acceptedEpoch", "currentEpoch", "replaced"],
    work: &["zab.log", "zab.apply", "zab.snap"],
    facts: &[],
};

/// The parameters of the programs that come with the house.
pub(super) const PARAMS: [(&str, &[&str]); 2] =
    [("lock_holder", &["hold_ms", "rest_ms"]), ("mirror", &["depth"])];

type Checked = Result<(), Problem>;

impl Kit {
    /// Whether everything that a plan names is known.
    ///
    /// # Errors
    /// The first name that is not, where it stands, and what may have been meant.
    pub fn check(&self, plan: &Plan) -> Checked {
        let keys = |table: &mut dyn Iterator<Item = &String>| table.cloned().collect::<Vec<_>>();
        let protocols = keys(&mut self.protocols.keys());
        one_of("protocol", "a protocol", &plan.protocol, &protocols, None)?;
        let bugs = keys(&mut self.bugs.keys());
        all_of("bugs", "a bug", &plan.bugs, &bugs, Some("bugs"))?;
        let invariants = keys(&mut self.invariants.keys());
        all_of("invariants", "an invariant that a kit adds", &plan.invariants, &invariants, None)?;
        self.programs_of(plan)?;
        if let Expect::Violation(properties) = &plan.expect {
            let known = self.properties_of(plan);
            let list = Some("invariants");
            all_of("expect.violation", "a property", properties, &known, list)?;
        }
        let Some(words) = self.words.get(&plan.protocol) else { return Ok(()) };
        for (nth, (kind, _)) in plan.work.slow.iter().enumerate() {
            let path = format!("work.slow[{nth}][0]");
            one_of(&path, "a kind of work", kind, &owned(words.work), None)?;
        }
        for (nth, planned) in plan.faults.iter().enumerate() {
            if let When::Moment { on, .. } = &planned.when {
                words.pattern(&format!("faults[{nth}].when.moment.on"), on)?;
            }
        }
        Ok(())
    }

    fn programs_of(&self, plan: &Plan) -> Checked {
        let known: Vec<String> = self.programs.keys().cloned().collect();
        for (nth, client) in plan.clients.iter().enumerate() {
            let Driver::Program { name, params } = &client.driver else { continue };
            let path = format!("clients[{nth}].driver.program");
            one_of(&format!("{path}.name"), "a program", name, &known, None)?;
            let Some(known) = self.params.get(name) else { continue };
            for param in params.keys() {
                let path = format!("{path}.params.{param}");
                let what = format!("a parameter of `{name}`");
                one_of(&path, &what, param, &owned(known), None)?;
            }
        }
        Ok(())
    }

    /// Every property that is judged in a run of this plan.
    fn properties_of(&self, plan: &Plan) -> Vec<String> {
        let mut known: Vec<&str> = liveness::PROPERTIES.iter().map(|(name, _)| *name).collect();
        for oracle in self.oracles(plan).unwrap_or_default() {
            known.extend(oracle.properties().iter().map(|(name, _)| *name));
        }
        known.sort();
        known.dedup();
        owned(&known)
    }
}

impl Words {
    fn pattern(&self, path: &str, pattern: &Pattern) -> Checked {
        let list = Some("moments");
        match pattern {
            Pattern::Send(kind) => {
                let mut known = owned(self.frames);
                known.push(TO_CLIENT.to_string());
                one_of(&format!("{path}.send"), "a kind of frame", kind, &known, list)
            }
            Pattern::Receive(kind) => {
                let path = format!("{path}.receive");
                one_of(&path, "a kind of frame", kind, &owned(self.frames), list)
            }
            Pattern::Write(kind) => {
                one_of(&format!("{path}.write"), "a kind of write", kind, &owned(self.writes), list)
            }
            Pattern::Note(kind) => {
                let mut known = owned(&Note::KINDS);
                known.extend(owned(self.facts));
                one_of(&format!("{path}.note"), "a kind of note", kind, &known, list)
            }
            // These are the world's own words.
            Pattern::Sync(_) | Pattern::Effect | Pattern::Behind(_) => Ok(()),
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_string()).collect()
}

fn all_of(
    path: &str,
    what: &str,
    names: &[String],
    known: &[String],
    list: Option<&str>,
) -> Checked {
    let mut names = names.iter().enumerate();
    names.try_for_each(|(nth, name)| one_of(&format!("{path}[{nth}]"), what, name, known, list))
}

fn one_of(path: &str, what: &str, name: &str, known: &[String], list: Option<&str>) -> Checked {
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = if known.is_empty() {
        "this build has none: what it knows itself needs no name".to_string()
    } else {
        suggest(name, &known, list)
    };
    Err(Problem::new(path, format!("is `{name}`, not {what}"), hint))
}
