//! What the names in a plan stand for: protocols, invariants, client programs, bugs.
//!
//! [`Kit::standard`] knows everything that ships with this crate; a user's own binary adds to it
//! and has every verb: `zoosim::main(Kit::standard().protocol("mine", boot))`.

mod names;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::base::{Epoch, Key, Zxid};
use crate::broadcast::zab;
use crate::bugs::{self, Bug, Rules};
use crate::client::{self, ProgramFn};
use crate::disk;
use crate::peer;
use crate::plan::{Driver, Plan};
use crate::process::{Boot, Image, Process, Refused};
use crate::verdict::{self, Oracle};
use crate::world::{BootPeer, Cast};
use crate::znode::tree::Tree;

pub use names::{Words, ZAB};

/// Makes an oracle for one run.
pub type OracleFn = fn(&Plan) -> Box<dyn Oracle>;

/// Starts a peer.
pub type BootFn = fn(Boot, &Rules) -> Result<Box<dyn Process>, Refused>;

/// A protocol under a name.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Starts a peer of it with the rules as planned.
    pub boot: BootFn,
    /// The files of a peer that starts for the first time.
    pub image: fn(&Plan) -> Image,
    /// Judges runs of this protocol, beside those that judge any.
    pub oracles: fn(&Plan) -> Vec<Box<dyn Oracle>>,
}

/// A name that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownName {
    /// `protocol`, `invariant`, `program` or `bug`.
    pub what: &'static str,
    /// The name.
    pub name: String,
    /// All that are known.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.known.join("`, `");
        write!(f, "unknown {} `{}`\nhint: known are `{known}`", self.what, self.name)
    }
}

/// Names and what they stand for.
#[derive(Clone, Default)]
pub struct Kit {
    protocols: BTreeMap<String, Protocol>,
    invariants: BTreeMap<String, OracleFn>,
    programs: BTreeMap<String, ProgramFn>,
    bugs: BTreeMap<String, Bug>,
    /// By protocol.
    words: BTreeMap<String, Words>,
    /// By program.
    params: BTreeMap<String, &'static [&'static str]>,
    left_out: Vec<String>,
    searches: bool,
}

impl Kit {
    /// Everything that ships with this crate.
    pub fn standard() -> Kit {
        let zab = Protocol { boot: boot_zab, image: first_image, oracles: zab_oracles };
        let mut kit = Kit::default().protocol("zab", zab).words("zab", ZAB);
        for (name, program) in client::programs::PROGRAMS {
            kit = kit.program(name, program);
        }
        for (name, params) in names::PARAMS {
            kit = kit.params(name, params);
        }
        for bug in bugs::ALL {
            kit = kit.bug(*bug);
        }
        kit
    }

    /// Adds a protocol.
    #[must_use]
    pub fn protocol(mut self, name: &str, protocol: Protocol) -> Kit {
        self.protocols.insert(name.to_string(), protocol);
        self.words.remove(name);
        self
    }

    /// Tells the words of a protocol: plans that use others are refused.
    #[must_use]
    pub fn words(mut self, protocol: &str, words: Words) -> Kit {
        self.words.insert(protocol.to_string(), words);
        self
    }

    /// Tells the parameters of a client program: plans that give it others are refused.
    #[must_use]
    pub fn params(mut self, program: &str, params: &'static [&'static str]) -> Kit {
        self.params.insert(program.to_string(), params);
        self
    }

    /// Adds an invariant, which plans ask for by name.
    #[must_use]
    pub fn invariant(mut self, name: &str, oracle: OracleFn) -> Kit {
        self.invariants.insert(name.to_string(), oracle);
        self
    }

    /// Adds a client program.
    #[must_use]
    pub fn program(mut self, name: &str, program: ProgramFn) -> Kit {
        self.programs.insert(name.to_string(), program);
        // Those of another program of that name are not its own.
        self.params.remove(name);
        self
    }

    /// Adds a bug.
    #[must_use]
    pub fn bug(mut self, bug: Bug) -> Kit {
        self.bugs.insert(bug.name.to_string(), bug);
        self
    }

    /// Leaves out one property: whatever only its oracle sees is not found. This is no way to
    /// judge; it tells what depends on that property.
    #[must_use]
    pub fn without(mut self, property: &str) -> Kit {
        self.left_out.push(property.to_string());
        self
    }

    /// The properties that are left out.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Has a black-box search look at each run that passes, too, if its history is small: see
    /// [`verdict::searched`].
    #[must_use]
    pub fn searching(mut self) -> Kit {
        self.searches = true;
        self
    }

    /// Whether it does.
    pub fn searches(&self) -> bool {
        self.searches
    }

    /// The bugs, by name.
    pub fn bugs(&self) -> impl Iterator<Item = &Bug> {
        self.bugs.values()
    }

    /// The names of protocols, invariants and programs.
    pub fn names(&self) -> [(&'static str, Vec<String>); 3] {
        [
            ("protocol", self.protocols.keys().cloned().collect()),
            ("invariant", self.invariants.keys().cloned().collect()),
            ("program", self.programs.keys().cloned().collect()),
        ]
    }

    /// Resolves the names that the world needs.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn cast(&self, plan: &Plan) -> Result<Cast, UnknownName> {
        let protocol = *find("protocol", &self.protocols, &plan.protocol)?;
        let mut rules = Rules::right();
        for name in &plan.bugs {
            find("bug", &self.bugs, name)?.plant(&mut rules);
        }
        let programs =
            plan.clients.iter().enumerate().map(|(index, client)| match &client.driver {
                Driver::Script(_) => Ok(None),
                Driver::Program { name, params } => {
                    let key = Key(plan.key).named("program").with(index as u64);
                    Ok(Some(find("program", &self.programs, name)?(params, key)))
                }
            });
        let programs = programs.collect::<Result<Vec<_>, UnknownName>>()?;
        let image = (protocol.image)(plan);
        let images = (1..=plan.voters).map(|id| (crate::base::PeerId(id), image.clone())).collect();
        let boot: Arc<BootPeer> = Arc::new(move |boot| (protocol.boot)(boot, &rules));
        Ok(Cast { boot, images, programs })
    }

    /// The oracles that judge a run of this plan.
    ///
    /// # Errors
    /// The first name that is not known.
    pub fn oracles(&self, plan: &Plan) -> Result<Vec<Box<dyn Oracle>>, UnknownName> {
        let protocol = find("protocol", &self.protocols, &plan.protocol)?;
        let mut oracles = (protocol.oracles)(plan);
        oracles.push(Box::new(verdict::complaints::Complaints::new(plan)));
        for name in &plan.invariants {
            oracles.push(find("invariant", &self.invariants, name)?(plan));
        }
        Ok(oracles)
    }
}

fn find<'a, T>(
    what: &'static str,
    table: &'a BTreeMap<String, T>,
    name: &str,
) -> Result<&'a T, UnknownName> {
    table.get(name).ok_or_else(|| UnknownName {
        what,
        name: name.to_string(),
        known: table.keys().cloned().collect(),
    })
}

fn boot_zab(boot: Boot, rules: &Rules) -> Result<Box<dyn Process>, Refused> {
    let broadcast = zab::Zab::boot(&boot, rules.zab.clone())?;
    let peer = peer::Peer::boot(boot, Box::new(broadcast), rules.peer);
    let mut process: Box<dyn Process> = Box::new(peer);
    for (bug, rewrite) in &rules.rewrites {
        process = Box::new(crate::process::Rewritten { inner: process, bug, rewrite: *rewrite });
    }
    Ok(process)
}

/// Fresh files; or those of an ensemble that has lived through 2^32 transactions, nearly.
fn first_image(plan: &Plan) -> Image {
    if plan.initial_counter == 0 {
        return disk::fresh_image();
    }
    let tree = Tree::new();
    let mut body = Vec::new();
    tree.snapshot(&mut crate::base::Cursor::default(), usize::MAX, &mut body);
    disk::aged_image(Zxid::new(Epoch(1), plan.initial_counter), &body, tree.digest())
}

fn zab_oracles(plan: &Plan) -> Vec<Box<dyn Oracle>> {
    verdict::standard(plan)
}
