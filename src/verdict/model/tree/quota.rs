//! Quotas (spec 2.6): limits and usage are nodes below `/zookeeper/quota`.
//!
//! Usage follows every create, delete and setData below the deepest path with limits, as a side
//! effect: no version, no zxid, no event. What refuses is judged by what the leader had applied
//! when it prepared the request, not by what was still on its way.

use std::sync::Arc;

use crate::base::Zxid;
use crate::znode::op::ErrorCode;

use super::{Asked, Model, Node, QUOTA, path};

const HOME: &str = "/zookeeper/quota";
const LIMITS: &str = "/zookeeper_limits";
const STATS: &str = "/zookeeper_stats";

/// What a limits node or a stats node says; -1 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Track {
    count: i64,
    bytes: i64,
    count_hard: i64,
    bytes_hard: i64,
}

impl Track {
    fn of(node: &Node) -> Track {
        let text = node.bytes().unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut track = Track { count: -1, bytes: -1, count_hard: -1, bytes_hard: -1 };
        for pair in text.split([',', ';']) {
            let mut words = pair.split('=');
            let (key, value) = (words.next(), words.next());
            let value = value.and_then(|value| value.parse().ok()).unwrap_or(-1);
            match key {
                Some("count") => track.count = value,
                Some("bytes") => track.bytes = value,
                Some("countHardLimit") => track.count_hard = value,
                Some("byteHardLimit") => track.bytes_hard = value,
                Some(_) | None => {}
            }
        }
        track
    }

    fn text(self) -> String {
        let Track { count, bytes, count_hard, bytes_hard } = self;
        if (count_hard, bytes_hard) == (-1, -1) {
            return format!("count={count},bytes={bytes}");
        }
        format!(
            "count={count},bytes={bytes}=;byteHardLimit={bytes_hard};countHardLimit={count_hard}"
        )
    }
}

/// A node's share of the bytes that are counted.
pub(super) fn weight(data: Option<&[u8]>) -> i64 {
    data.map_or(0, |data| data.len() as i64)
}

impl Model {
    /// A hard limit that the change would break, as far as the leader has applied what was before.
    /// Soft ones only warn.
    pub(super) fn check_quota(
        &self,
        asked: Asked,
        path: &str,
        bytes: i64,
        count: i64,
    ) -> Result<(), ErrorCode> {
        if !self.settings.enforce_quota {
            return Ok(());
        }
        let view = asked.applied;
        let Some(prefix) = self.limited(path, view) else { return Ok(()) };
        let track = |name| self.seen(&format!("{HOME}{prefix}{name}"), view).map(Track::of);
        let (Some(limits), Some(usage)) = (track(LIMITS), track(STATS)) else { return Ok(()) };
        let breaks = |delta: i64, used: i64, hard: i64| {
            delta != 0 && hard != -1 && used.saturating_add(delta) > hard
        };
        let over = breaks(count, usage.count, limits.count_hard)
            || breaks(bytes, usage.bytes, limits.bytes_hard);
        if over { Err(ErrorCode::QuotaExceeded) } else { Ok(()) }
    }

    /// A node came (`count` 1), went (-1) or changed (0).
    pub(super) fn account(&mut self, zxid: Zxid, path: &str, bytes: i64, count: i64) {
        if count == 1
            && let Some(prefix) = path.strip_prefix(HOME).and_then(|rest| rest.strip_suffix(STATS))
        {
            self.recount(zxid, prefix);
        }
        if (bytes, count) == (0, 0) {
            return;
        }
        let Some(prefix) = self.limited(path, None).map(str::to_owned) else { return };
        self.track(zxid, &prefix, |usage| Track {
            count: usage.count.saturating_add(count),
            bytes: usage.bytes.saturating_add(bytes),
            ..usage
        });
    }

    /// The stats node is new: it begins with what there is, itself included.
    fn recount(&mut self, zxid: Zxid, prefix: &str) {
        if prefix.is_empty() {
            return;
        }
        let within = self.entries.iter().filter(|entry| path::is_within(&entry.path, prefix));
        let nodes: Vec<i64> = within
            .filter_map(|entry| entry.now())
            .map(|node| weight(node.data.as_deref()))
            .collect();
        let (count, bytes) = (nodes.len() as i64, nodes.iter().sum());
        self.track(zxid, prefix, |_| Track { count, bytes, count_hard: -1, bytes_hard: -1 });
    }

    fn track(&mut self, zxid: Zxid, prefix: &str, change: impl FnOnce(Track) -> Track) {
        let stats = format!("{HOME}{prefix}{STATS}");
        let Some(place) = self.place(&stats) else { return };
        let Some(node) = self.node(place).cloned() else { return };
        let text = change(Track::of(&node)).text();
        self.put(place, zxid, Some(Node { data: Some(Arc::from(text.into_bytes())), ..node }));
    }

    /// The deepest path with limits that this one is or is below; the root cannot have any.
    fn limited<'a>(&self, path: &'a str, view: Option<Zxid>) -> Option<&'a str> {
        let home = &self.entries[QUOTA as usize];
        let home = view.map_or(home.now(), |view| home.at(view))?;
        // Without any quota, which is nearly always.
        if home.children == 0 {
            return None;
        }
        let mut prefix = path;
        while prefix.len() > 1 {
            if self.seen(&format!("{HOME}{prefix}{LIMITS}"), view).is_some() {
                return Some(prefix);
            }
            prefix = path::parent(prefix)?;
        }
        None
    }

    /// A node at a view, or now.
    fn seen(&self, path: &str, view: Option<Zxid>) -> Option<&Node> {
        let entry = self.look(path)?;
        view.map_or(entry.now(), |view| entry.at(view))
    }
}
