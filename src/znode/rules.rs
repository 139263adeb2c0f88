//! The decisions of the service that are easy to get wrong and hard to see, as a table of pure
//! functions. Preparation and the tree ask it, and count where what was put in answers differently:
//! they have no effects to tell it with, so whoever runs them asks for the count.

/// The table. See each entry; [`Rules::RIGHT`] has the right ones.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The name of what was put in.
    pub planted: Option<&'static str>,
    /// Whether preparation refuses a session whose closeSession is prepared, applied or not
    /// (ZOOKEEPER-1208, 1496).
    pub refuses_closing: fn() -> bool,
    /// A parent's counter of creates after a create that is applied: from its own, the
    /// transaction's, and whether the node was there already (ZOOKEEPER-1046, 3249).
    pub parent_cversion: fn(own: i32, new: i32, exists: bool) -> i32,
    /// The number of the next sequential child, from its parent's counter of creates and from how
    /// many children there are: no number is given twice, deleted children or not (spec 2.3).
    pub sequence: fn(creates: i32, children: u32) -> i32,
    /// Whether an ephemeral whose create is prepared and not applied goes with its session, too
    /// (spec 3.4; spec 9, case 13).
    pub closes_pending: fn() -> bool,
}

impl Rules {
    /// The right answers.
    pub const RIGHT: Rules = Rules {
        planted: None,
        refuses_closing: || true,
        // Also when the node exists: a fuzzy snapshot may have the child and an older parent.
        parent_cversion: |own, new, _exists| later(own, new),
        sequence: |creates, _children| creates,
        closes_pending: || true,
    };
}

/// The counter wraps (spec 2.3), so "larger" is judged on the circle.
fn later(own: i32, new: i32) -> i32 {
    if new.wrapping_sub(own) > 0 { new } else { own }
}

/// Asks the table, and counts if what was put in answers differently.
macro_rules! decide {
    ($rules:expr, $hits:expr, $rule:ident($($argument:expr),*)) => {{
        let answer = ($rules.$rule)($($argument),*);
        if $rules.planted.is_some()
            && answer != ($crate::znode::rules::Rules::RIGHT.$rule)($($argument),*)
        {
            $hits += 1;
        }
        answer
    }};
}
pub(super) use decide;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parents_counter_never_goes_back_and_may_wrap() {
        let cversion = Rules::RIGHT.parent_cversion;
        for exists in [false, true] {
            assert_eq!(cversion(3, 4, exists), 4);
            assert_eq!(cversion(7, 4, exists), 7);
            assert_eq!(cversion(i32::MAX, i32::MIN, exists), i32::MIN);
            assert_eq!(cversion(i32::MIN, i32::MAX, exists), i32::MIN);
        }
    }
}
