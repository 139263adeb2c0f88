//! How much consistency is asked for.

use crate::verdict::witness::tally::PROPERTIES;

use super::court::FRESH;

/// A consistency level: which properties must hold. Each implies those after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All operations, reads too, take effect between call and return.
    Linearizable,
    /// Writes are linearizable, and so are reads behind a sync: what ZooKeeper means to promise.
    SyncLinearizable,
    /// Ordered sequential consistency: writes are linearizable, reads follow their session.
    Osc,
    /// One legal order that keeps every session's, whatever the clock said.
    Sequential,
    /// What one session is shown never goes back, and holds its own writes: for each session there
    /// is an order of all sessions' writes, in which these have their answers and every session
    /// keeps its own order, into which its reads fit. Real time does not matter, nor watches.
    ///
    /// By zxids one order is claimed for all, so that only watches and what the servers' log says
    /// of others tell this level from [`Level::Sequential`]; without them each session may have
    /// its own. What an answer says of a write, its zxid and its sequential name too, must hold.
    Session,
}

/// What sync promises (checker notes, P4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SyncFlavour {
    /// After it, nothing that had returned before it was called is missing.
    #[default]
    Strict,
    /// As ZooKeeper documents it: two leaders that both believe in themselves may break that
    /// (ZOOKEEPER-1675), so that only the session's own order is sure.
    ZooKeeper,
}

impl Level {
    /// All of them, the strongest first.
    pub const ALL: [Level; 5] = [
        Level::Linearizable,
        Level::SyncLinearizable,
        Level::Osc,
        Level::Sequential,
        Level::Session,
    ];

    /// As `--level` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Linearizable => "linearizable",
            Level::SyncLinearizable => "sync-linearizable",
            Level::Osc => "osc",
            Level::Sequential => "sequential",
            Level::Session => "session",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Whether a property must hold at this level.
    pub fn demands(self, property: &str, sync: SyncFlavour) -> bool {
        let synced = |level: bool| level && sync == SyncFlavour::Strict;
        match property {
            name if name == FRESH.0 => self == Level::Linearizable,
            "SyncedRead" => synced(self <= Level::SyncLinearizable),
            "Linearizability" => self <= Level::Osc,
            // What answers alone contradict.
            "SessionOrder" | "SessionExpiry" | "ReadValue" | "WriteOutcome" | "SequentialNames"
            | "DoubleApply" => true,
            _ => self <= Level::Sequential,
        }
    }

    /// The properties that must hold, with one line each.
    pub fn properties(self, sync: SyncFlavour) -> Vec<(&'static str, &'static str)> {
        let all = PROPERTIES.iter().chain([&FRESH]);
        all.filter(|(name, _)| self.demands(name, sync)).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_demands_what_the_next_one_does() {
        for pair in Level::ALL.windows(2) {
            let weaker = pair[1].properties(SyncFlavour::Strict);
            let stronger = pair[0].properties(SyncFlavour::Strict);
            assert!(weaker.iter().all(|property| stronger.contains(property)), "{pair:?}");
            assert!(weaker.len() < stronger.len(), "{pair:?}");
        }
        let named = Level::ALL.map(|level| Level::from_name(level.name()));
        assert_eq!(named, Level::ALL.map(Some));
        let documented = SyncFlavour::ZooKeeper;
        assert!(!Level::SyncLinearizable.demands("SyncedRead", documented));
    }
}
