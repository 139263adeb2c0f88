//! Watches in zxid order (P6): armed at the view of the read that left them, fired by the first
//! change after it. What fired is matched with the notifications of each connection afterwards.

use crate::verdict::names::NONE;

use super::tape::Tape;
use super::tree::{DELETED, Trigger};

/// A notification that a connection must get before any answer that shows `zxid`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) zxid: u64,
    pub(super) conn: u32,
    pub(super) path: u32,
    pub(super) kind: i32,
    /// The rank of the answer that registered the watch: it cannot come before.
    pub(super) rank: u32,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    conn: u32,
    rank: u32,
    next: u32,
}

/// Which watches wait, and what fired.
#[derive(Clone, Debug)]
pub(super) struct Watches {
    /// By table and path: the first of the list of those that wait.
    heads: [Vec<u32>; 2],
    pool: Vec<Armed>,
    free: u32,
    /// The largest zxid that each connection was shown: nothing later is owed to it.
    until: Vec<u64>,
    pub(super) dues: Vec<Due>,
    /// Per connection: the last firing that reached it, and where its due stands.
    last: Vec<(u32, u32)>,
    firing: u32,
    before: Option<(u64, u32, i32)>,
}

impl Watches {
    pub(super) fn new(tape: &Tape) -> Watches {
        let any = tape.watching > 0 || !tape.rewatches.is_empty();
        let paths = if any { tape.paths.len() } else { 0 };
        Watches {
            heads: [vec![NONE; paths], vec![NONE; paths]],
            pool: Vec::new(),
            free: NONE,
            last: vec![(0, 0); tape.conns.len()],
            until: tape.until.clone(),
            dues: Vec::new(),
            firing: 0,
            before: None,
        }
    }

    /// A watch is left. Twice is once, which only firing needs to know.
    pub(super) fn arm(&mut self, table: u8, path: u32, conn: u32, rank: u32) {
        let Some(head) = self.heads[usize::from(table)].get_mut(path as usize) else { return };
        let armed = Armed { conn, rank, next: *head };
        if self.free == NONE {
            *head = self.pool.len() as u32;
            self.pool.push(armed);
        } else {
            *head = self.free;
            let slot = &mut self.pool[self.free as usize];
            self.free = slot.next;
            *slot = armed;
        }
    }

    /// A transaction fires: each connection hears of it once, also where both tables of a deleted
    /// node are concerned (spec 4.2).
    pub(super) fn fire(&mut self, zxid: u64, (table, path, kind): Trigger) {
        let Some(head) = self.heads[usize::from(table)].get_mut(path as usize) else { return };
        let mut at = std::mem::replace(head, NONE);
        let both = table == 1 && kind == DELETED && self.before == Some((zxid, path, kind));
        if !both {
            self.firing += 1;
            self.before = Some((zxid, path, kind));
        }
        while at != NONE {
            let Armed { conn, rank, next } = self.pool[at as usize];
            self.pool[at as usize].next = self.free;
            self.free = at;
            at = next;
            if zxid > self.until[conn as usize] {
                continue;
            }
            let (firing, due) = self.last[conn as usize];
            if firing == self.firing {
                let due = &mut self.dues[due as usize];
                due.rank = due.rank.min(rank);
            } else {
                self.last[conn as usize] = (self.firing, self.dues.len() as u32);
                self.dues.push(Due { zxid, conn, path, kind, rank });
            }
        }
    }
}
