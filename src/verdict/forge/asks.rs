//! What the sessions of a forged history ask.

use super::{Forge, Op};
use crate::base::Draw;
use crate::znode::op::{CreateMode, open_acl};

impl Forge<'_> {
    pub(super) fn op(&mut self, n: usize) -> Op {
        let rare = self.shape.rare;
        if self.chance(rare) {
            return self.rare(n);
        }
        let top = self.dice.below(u64::from(self.shape.tops.max(1)));
        let below = self.dice.below(u64::from(self.shape.below) + 1);
        let path = match below {
            0 => format!("/d{top}"),
            _ => format!("/d{top}/n{below}"),
        };
        if self.dice.below(100) >= u64::from(self.shape.writes) {
            let watch = self.chance(self.shape.watches);
            return match self.dice.below(8) {
                0 | 1 => Op::Exists { path, watch },
                2 => Op::GetChildren { path, watch, stat: self.dice.below(2) == 0 },
                _ => Op::GetData { path, watch },
            };
        }
        let data = Some(format!("{:x}.{:x}", self.clients[n].session.0, self.calls).into_bytes());
        match self.dice.below(12) {
            0..=6 => {
                let version = if self.dice.below(4) == 0 { self.dice.below(3) as i32 } else { -1 };
                Op::SetData { path, data, version }
            }
            7 | 8 => {
                let mode = *self.dice.pick(&[CreateMode::Persistent, CreateMode::Ephemeral]);
                let mode = if below == 0 { CreateMode::Persistent } else { mode };
                Op::Create { path, data, acl: open_acl(), mode, stat: self.dice.below(2) == 0 }
            }
            9 if below > 0 => Op::Delete { path, version: -1 },
            _ => self.sequential(n, top, data),
        }
    }

    /// Sequential nodes come and go.
    fn sequential(&mut self, n: usize, top: u64, data: Option<Vec<u8>>) -> Op {
        if (self.clients[n].made.len() > 2 || self.dice.below(3) == 0)
            && let Some(path) = self.clients[n].made.pop()
        {
            return Op::Delete { path, version: -1 };
        }
        let modes = [CreateMode::PersistentSequential, CreateMode::EphemeralSequential];
        let (mode, stat) = (*self.dice.pick(&modes), self.dice.below(2) == 0);
        Op::Create { path: format!("/d{top}/s-"), data, acl: open_acl(), mode, stat }
    }

    fn rare(&mut self, n: usize) -> Op {
        let top = self.dice.below(u64::from(self.shape.tops.max(1)));
        let path = format!("/d{top}");
        let data = Some(format!("{:x}.m{:x}", self.clients[n].session.0, self.calls).into_bytes());
        match self.dice.below(8) {
            0 => Op::CloseSession,
            1 | 2 => Op::Sync { path },
            3 | 4 => Op::MultiRead(vec![
                Op::GetData { path: path.clone(), watch: false },
                Op::GetChildren { path, watch: false, stat: false },
            ]),
            kind => {
                let mode = CreateMode::EphemeralSequential;
                let inner = format!("/d{top}/m-");
                let mut parts = vec![
                    Op::Check { path: path.clone(), version: -1 },
                    Op::Create {
                        path: inner,
                        data: data.clone(),
                        acl: open_acl(),
                        mode,
                        stat: true,
                    },
                    Op::SetData { path, data, version: -1 },
                ];
                if kind == 7 {
                    let path = format!("/d{top}/n1");
                    parts.push(Op::Delete { path, version: -1 });
                }
                Op::Multi(parts)
            }
        }
    }
}
