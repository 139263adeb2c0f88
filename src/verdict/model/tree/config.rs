//! `/zookeeper/config` and reconfig (spec 2.2, 6.9, 6.12).
//!
//! Each server writes the node for itself, at its own time: a read's mtime is not judged. Which
//! servers are connected and synced, and whether another reconfig is under way, is the protocol's
//! business: those refusals are not judged here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::Zxid;
use crate::znode::op::ErrorCode;

use super::{Asked, CONFIG, Effect, Model, Node, Table, event, perm};

/// What a config says: members by id, other lines, and the version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Members {
    servers: BTreeMap<i64, String>,
    /// Groups and weights.
    others: Vec<String>,
    version: i64,
}

impl Members {
    fn parse(text: &str) -> Option<Members> {
        let mut members = Members { servers: BTreeMap::new(), others: Vec::new(), version: 0 };
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(version) = line.strip_prefix("version=") {
                members.version = i64::from_str_radix(version, 16).ok()?;
            } else if line.starts_with("server.") {
                members.join(line)?;
            } else {
                members.others.push(line.to_owned());
            }
        }
        Some(members)
    }

    /// Adds or replaces `server.N=host:port:port[:role];[host:]port`.
    fn join(&mut self, item: &str) -> Option<()> {
        let (id, spec) = item.trim().strip_prefix("server.")?.split_once('=')?;
        let (peer, client) = spec.split_once(';')?;
        let peer: Vec<&str> = peer.split(':').collect();
        let (host, quorum, election, role) = match peer[..] {
            [host, quorum, election] => (host, quorum, election, "participant"),
            [host, quorum, election, role @ ("participant" | "observer")] => {
                (host, quorum, election, role)
            }
            _ => return None,
        };
        let (address, port) = client.rsplit_once(':').unwrap_or(("0.0.0.0", client));
        for port in [quorum, election, port] {
            port.parse::<u16>().ok()?;
        }
        let text = format!("{host}:{quorum}:{election}:{role};{address}:{port}");
        self.servers.insert(id.parse().ok()?, text);
        Some(())
    }

    fn voters(&self) -> usize {
        self.servers.values().filter(|spec| spec.contains(":participant")).count()
    }

    fn text(&self) -> String {
        let servers = self.servers.iter().map(|(id, spec)| format!("server.{id}={spec}\n"));
        let others = self.others.iter().map(|line| format!("{line}\n"));
        let lines: String = servers.chain(others).collect();
        format!("{lines}version={:x}", self.version)
    }
}

impl Model {
    /// What the servers begin with, and the version of it.
    pub(crate) fn begin_with(&mut self, text: &str, version: Zxid) {
        let Some(node) = self.node(CONFIG).cloned() else { return };
        let data = Some(Arc::from(text.as_bytes()));
        self.put(CONFIG, Zxid::ZERO, Some(Node { data, version: -1, mzxid: version, ..node }));
        self.knows_config = true;
    }

    /// The order of these checks is spec 2.5's. Without the initial config nothing is known of what
    /// comes of it.
    pub(super) fn reconfig(
        &mut self,
        asked: Asked,
        (joining, leaving, all): (Option<&str>, Option<&str>, Option<&str>),
        version: i64,
    ) -> Result<Effect, ErrorCode> {
        let bad = ErrorCode::BadArguments;
        let node = self.node(CONFIG).cloned().ok_or(ErrorCode::NoNode)?;
        let text = String::from_utf8_lossy(node.data.as_deref().unwrap_or_default()).into_owned();
        let mut members = Members::parse(&text).ok_or(bad)?;
        if version != -1 && version != members.version {
            return Err(ErrorCode::BadVersion);
        }
        let items = |list: &str| -> Vec<String> {
            let items = list.split([',', '\n']).map(str::trim);
            items.filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        if let Some(all) = all {
            members.servers.clear();
            items(all).iter().try_for_each(|item| members.join(item)).ok_or(bad)?;
        } else {
            for id in items(leaving.unwrap_or_default()) {
                members.servers.remove(&id.parse().map_err(|_| bad)?);
            }
            let joining = items(joining.unwrap_or_default());
            joining.iter().try_for_each(|item| members.join(item)).ok_or(bad)?;
        }
        if members.voters() == 0 {
            return Err(bad);
        }
        self.allowed(&node, perm::WRITE, asked.who)?;
        members.version = asked.zxid.wire();
        let data: Arc<[u8]> = Arc::from(members.text().into_bytes());
        let acl = node.acl.clone();
        let (mzxid, mtime) = (asked.zxid, asked.time);
        let node = Node { data: Some(data), mzxid, mtime, version: -1, ..node };
        let effect = Effect::Configured { data: node.bytes(), stat: node.stat() };
        self.put(CONFIG, asked.zxid, Some(node));
        self.fire(Table::Data, CONFIG, event::CHANGED, acl);
        Ok(effect)
    }
}
