//! Two runs of one plan, side by side: where do they part?

use std::sync::Arc;

use crate::base::Digest;
use crate::history::{At, Seen};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::run::{CannotRun, Run};

/// The first step at which two runs of one plan are not the same.
#[derive(Clone, Debug)]
pub struct Difference {
    /// When, in the first run.
    pub at: At,
    /// What was seen in that step of the first run, and its digest behind it.
    pub left: (Vec<Seen>, Digest),
    /// What was seen in that step of the second run, and its digest behind it.
    pub right: (Vec<Seen>, Digest),
}

/// Runs a plan twice in lockstep; `None` if both runs are the same to the end.
///
/// # Errors
/// If the plan cannot run.
pub fn first_difference(plan: &Arc<Plan>, kit: &Kit) -> Result<Option<Difference>, CannotRun> {
    let mut left = Run::new(plan.clone(), kit)?;
    let mut right = Run::new(plan.clone(), kit)?;
    loop {
        let (mut seen_left, mut seen_right) = (Vec::new(), Vec::new());
        let mut when = At::default();
        let go_left = left.step_seen(|at, seen| {
            when = at;
            seen_left.extend_from_slice(seen);
        });
        let go_right = right.step_seen(|_, seen| seen_right.extend_from_slice(seen));
        let digests = (left.ran().digest, right.ran().digest);
        if digests.0 != digests.1 || seen_left != seen_right || go_left != go_right {
            let difference = Difference {
                at: when,
                left: (seen_left, digests.0),
                right: (seen_right, digests.1),
            };
            return Ok(Some(difference));
        }
        if !go_left {
            return Ok(None);
        }
    }
}
