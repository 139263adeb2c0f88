//! ZOOKEEPER-975: an election ends once everybody has said something.

use super::Bug;

/// See the file's page.
pub const BUG: Bug = Bug {
    name: "decide_when_all_replied",
    citation: "ZOOKEEPER-975; SAMC, OSDI'14",
    mechanism: "a LOOKING peer settles on its best candidate as soon as every voter has replied, \
        whomever they vote for; right: only once a quorum votes for that candidate",
    published: "SAMC: one crash and one restart",
    shows: &["LeadingHasQuorum"],
    scenario: "decide-when-all-replied",
    plant: |rules| {
        rules.zab.planted = Some(BUG.name);
        rules.zab.elected = |config, agree, heard| {
            config.is_quorum(agree) || config.voters.iter().all(|voter| heard.contains(*voter))
        };
    },
};
