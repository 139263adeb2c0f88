//! Transaction records as logs keep them and PROPOSAL carries them (spec 7.2).

use super::proto::Acl;
use super::{Error, Reader, Record, record};

record! {
    /// Starts every transaction.
    TxnHeader {
        /// The session that asked.
        client: i64,
        /// The xid of its request.
        cxid: i32,
        /// Its place in the order.
        zxid: i64,
        /// The leader's wall clock when it was prepared, ms since the epoch.
        time: i64,
        /// Operation code of the transaction.
        kind: i32,
    }
    /// create and create2.
    CreateTxn {
        /// The final path.
        path: String,
        /// Data.
        data: Option<Vec<u8>>,
        /// ACL.
        acl: Vec<Acl>,
        /// Owned by the session of the header.
        ephemeral: bool,
        /// The parent's counter of creates after this one.
        parent_cversion: i32,
    }
    /// delete.
    DeleteTxn {
        /// Which node.
        path: String,
    }
    /// setData.
    SetDataTxn {
        /// Which node.
        path: String,
        /// New data.
        data: Option<Vec<u8>>,
        /// The version it becomes.
        version: i32,
    }
    /// check, only within a multi.
    CheckTxn {
        /// Which node.
        path: String,
        /// The version it had.
        version: i32,
    }
    /// createContainer.
    CreateContainerTxn {
        /// The final path.
        path: String,
        /// Data.
        data: Option<Vec<u8>>,
        /// ACL.
        acl: Vec<Acl>,
        /// The parent's counter of creates after this one.
        parent_cversion: i32,
    }
    /// createTTL.
    CreateTtlTxn {
        /// The final path.
        path: String,
        /// Data.
        data: Option<Vec<u8>>,
        /// ACL.
        acl: Vec<Acl>,
        /// The parent's counter of creates after this one.
        parent_cversion: i32,
        /// Milliseconds.
        ttl: i64,
    }
    /// setACL.
    SetAclTxn {
        /// Which node.
        path: String,
        /// New ACL.
        acl: Vec<Acl>,
        /// The version of the ACL that it becomes.
        version: i32,
    }
    /// createSession.
    CreateSessionTxn {
        /// Milliseconds.
        timeout: i32,
    }
    /// closeSession: the ephemerals it deletes, fixed when it was prepared (spec 3.4).
    CloseSessionTxn {
        /// Their paths.
        paths: Vec<String>,
    }
    /// A write that failed.
    ErrorTxn {
        /// Error code.
        err: i32,
    }
    /// One part of a multi.
    SubTxn {
        /// Operation code of the part; -1 if it is an error.
        kind: i32,
        /// Its record.
        data: Option<Vec<u8>>,
    }
    /// multi.
    MultiTxn {
        /// Its parts, in order.
        parts: Vec<SubTxn>,
    }
    /// The digest of the tree after the transaction (spec 7.5), at the end of a record.
    TxnDigest {
        /// 2.
        version: i32,
        /// The sum.
        digest: i64,
    }
}

/// The body of a transaction. Kinds without support are a decoding error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Txn {
    /// create.
    Create(CreateTxn),
    /// create2: same record, another reply.
    Create2(CreateTxn),
    /// delete.
    Delete(DeleteTxn),
    /// setData.
    SetData(SetDataTxn),
    /// check.
    Check(CheckTxn),
    /// multi.
    Multi(MultiTxn),
    /// createSession.
    CreateSession(CreateSessionTxn),
    /// closeSession.
    CloseSession(CloseSessionTxn),
    /// A failed write.
    Error(ErrorTxn),
    /// createContainer.
    CreateContainer(CreateContainerTxn),
    /// createTTL.
    CreateTtl(CreateTtlTxn),
    /// deleteContainer: how containers and nodes with a time to live go.
    DeleteContainer(DeleteTxn),
    /// setACL.
    SetAcl(SetAclTxn),
    /// reconfig: the new text of `/zookeeper/config`.
    Reconfig(SetDataTxn),
}

impl Txn {
    /// Its operation code.
    pub fn kind(&self) -> i32 {
        use super::proto::opcode as op;
        match self {
            Txn::Create(_) => op::CREATE,
            Txn::Create2(_) => op::CREATE2,
            Txn::Delete(_) => op::DELETE,
            Txn::SetData(_) => op::SET_DATA,
            Txn::Check(_) => op::CHECK,
            Txn::Multi(_) => op::MULTI,
            Txn::CreateSession(_) => op::CREATE_SESSION,
            Txn::CloseSession(_) => op::CLOSE_SESSION,
            Txn::Error(_) => op::ERROR,
            Txn::CreateContainer(_) => op::CREATE_CONTAINER,
            Txn::CreateTtl(_) => op::CREATE_TTL,
            Txn::DeleteContainer(_) => op::DELETE_CONTAINER,
            Txn::SetAcl(_) => op::SET_ACL,
            Txn::Reconfig(_) => op::RECONFIG,
        }
    }

    /// Appends the body's encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Txn::Create(txn) | Txn::Create2(txn) => txn.encode(out),
            Txn::Delete(txn) => txn.encode(out),
            Txn::SetData(txn) => txn.encode(out),
            Txn::Check(txn) => txn.encode(out),
            Txn::Multi(txn) => txn.encode(out),
            Txn::CreateSession(txn) => txn.encode(out),
            Txn::CloseSession(txn) => txn.encode(out),
            Txn::Error(txn) => txn.encode(out),
            Txn::CreateContainer(txn) => txn.encode(out),
            Txn::CreateTtl(txn) => txn.encode(out),
            Txn::DeleteContainer(txn) => txn.encode(out),
            Txn::SetAcl(txn) => txn.encode(out),
            Txn::Reconfig(txn) => txn.encode(out),
        }
    }

    /// Reads the body of a transaction of this kind.
    ///
    /// # Errors
    /// If the bytes are not such a body, or the kind is unknown.
    pub fn decode(kind: i32, input: &mut Reader<'_>) -> Result<Txn, Error> {
        use super::proto::opcode as op;
        Ok(match kind {
            op::CREATE => Txn::Create(Record::decode(input)?),
            op::CREATE2 => Txn::Create2(Record::decode(input)?),
            op::DELETE => Txn::Delete(Record::decode(input)?),
            op::SET_DATA => Txn::SetData(Record::decode(input)?),
            op::CHECK => Txn::Check(Record::decode(input)?),
            op::MULTI => Txn::Multi(Record::decode(input)?),
            op::CREATE_SESSION => Txn::CreateSession(Record::decode(input)?),
            // Old logs may have an empty body (spec 3.4).
            op::CLOSE_SESSION if input.rest().is_empty() => {
                Txn::CloseSession(CloseSessionTxn::default())
            }
            op::CLOSE_SESSION => Txn::CloseSession(Record::decode(input)?),
            op::ERROR => Txn::Error(Record::decode(input)?),
            op::CREATE_CONTAINER => Txn::CreateContainer(Record::decode(input)?),
            op::CREATE_TTL => Txn::CreateTtl(Record::decode(input)?),
            op::DELETE_CONTAINER => Txn::DeleteContainer(Record::decode(input)?),
            op::SET_ACL => Txn::SetAcl(Record::decode(input)?),
            op::RECONFIG => Txn::Reconfig(Record::decode(input)?),
            _ => return Err(input.error("unknown transaction type")),
        })
    }
}

/// A whole log record: header, body, and the digest after it, if it was computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxnRecord {
    /// Who, when, where in the order.
    pub header: TxnHeader,
    /// What.
    pub txn: Txn,
    /// The tree digest after it (spec 7.5).
    pub digest: Option<u64>,
}

impl Record for TxnRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.txn.encode(out);
        if let Some(digest) = self.digest {
            TxnDigest { version: 2, digest: digest as i64 }.encode(out);
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<TxnRecord, Error> {
        let header = TxnHeader::decode(input)?;
        let txn = Txn::decode(header.kind, input)?;
        let digest = match input.rest().len() {
            0 => None,
            _ => Some(TxnDigest::decode(input)?.digest as u64),
        };
        Ok(TxnRecord { header, txn, digest })
    }
}

/// The zxid of an encoded record, without decoding the rest.
///
/// # Errors
/// If the record is shorter than its header.
pub fn zxid_of(record: &[u8]) -> Result<i64, Error> {
    let mut input = Reader::new(record);
    input.take(12)?;
    i64::decode(&mut input)
}
