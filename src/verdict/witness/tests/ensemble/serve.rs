//! What a server does with a client's calls, in order: writes go to the log, reads are answered.

use super::*;

impl Ensemble {
    /// The server works on the head of a connection's queue.
    pub(super) fn serve(&mut self, n: usize) {
        let client = &mut self.clients[n];
        let (s, conn) = (client.server, client.conn);
        if client.taken {
            return self.apply(s);
        }
        let Some((id, xid, op)) = client.queue.front().cloned() else { return };
        let session = client.session;
        if op.is_write() {
            client.taken = true;
            let ghosts = std::mem::take(&mut client.ghosts);
            for (xid, op) in ghosts {
                self.append(session, xid, Some(&op));
            }
            if self.clients[n].session == session && self.clients[n].conn == conn {
                self.append(session, xid, Some(&op));
            }
            return;
        }
        if let Op::Sync { .. } = op
            && self.servers[s].applied < self.log.len()
        {
            return self.apply(s);
        }
        let client = &mut self.clients[n];
        client.queue.pop_front();
        let (state, zxid) = (&self.states[self.servers[s].applied], self.servers[s].shown);
        let result = state.read(&op);
        let server = &mut self.servers[s];
        match (&op, result.is_ok()) {
            (Op::Exists { path, watch: true }, found) => {
                client.remembered[usize::from(!found)].insert(path.clone());
                server.data.entry(path.clone()).or_default().insert(conn);
            }
            (Op::GetData { path, watch: true }, true) => {
                client.remembered[0].insert(path.clone());
                server.data.entry(path.clone()).or_default().insert(conn);
            }
            (Op::GetChildren { path, watch: true, .. }, true) => {
                client.remembered[2].insert(path.clone());
                server.child.entry(path.clone()).or_default().insert(conn);
            }
            (Op::SetWatches { .. }, _) => self.catch_up(s, conn, &op),
            _ => {}
        }
        let client = &mut self.clients[n];
        client.seen = client.seen.max(zxid);
        self.seen.push(Seen::Returned { id, zxid, result });
    }

    fn catch_up(&mut self, s: usize, conn: ConnId, op: &Op) {
        let Op::SetWatches { relative, data, exist, child } = op else { return };
        let state = self.states[self.servers[s].applied].clone();
        for path in data {
            match state.changed(path) {
                None => self.tell(conn, 2, path, None),
                Some((mzxid, _)) if mzxid > *relative => self.tell(conn, 3, path, None),
                Some(_) => {
                    self.servers[s].data.entry(path.clone()).or_default().insert(conn);
                }
            }
        }
        for path in exist {
            match state.has(path) {
                true => self.tell(conn, 1, path, None),
                false => {
                    self.servers[s].data.entry(path.clone()).or_default().insert(conn);
                }
            }
        }
        for path in child {
            match state.changed(path) {
                None => self.tell(conn, 2, path, None),
                Some((_, pzxid)) if pzxid > *relative => self.tell(conn, 4, path, None),
                Some(_) => {
                    self.servers[s].child.entry(path.clone()).or_default().insert(conn);
                }
            }
        }
    }
}
