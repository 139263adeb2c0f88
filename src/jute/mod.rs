//! Jute: ZooKeeper's record encoding (spec 1.1), and the records of all its protocols and files.
//!
//! Big-endian, fields in order, no tags, no padding. Decoding never trusts a length: what does not
//! fit is an [`Error`], never a panic and never a large allocation.

pub mod proto;
pub mod quorum;
pub mod txn;

use std::fmt;

/// The longest string or buffer that a record may carry: `jute.maxbuffer` plus its extra.
pub const MAX_BUFFER: usize = 2 * 1_048_575;

/// Bytes that are not the record they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// At which byte of the input.
    pub at: usize,
    /// What was wrong there.
    pub what: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}: {}", self.at, self.what)
    }
}

/// Anything with a jute encoding.
pub trait Record: Sized {
    /// Appends the encoding.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads one from the front of the input.
    ///
    /// # Errors
    /// Where the input is too short or carries an impossible length.
    fn decode(input: &mut Reader<'_>) -> Result<Self, Error>;

    /// The encoding alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        self.encode(&mut out);
        out
    }

    /// Reads one from bytes; trailing bytes are ignored, as ZooKeeper does (spec 1.1).
    ///
    /// # Errors
    /// As [`Record::decode`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::decode(&mut Reader::new(bytes))
    }
}

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From the first byte.
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// An error at this place.
    pub fn error(&self, what: &'static str) -> Error {
        Error { at: self.at, what }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.error("input ends early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// A length prefix: `None` for -1 (null).
    ///
    /// # Errors
    /// If it is below -1, or longer than `MAX_BUFFER`.
    pub fn length(&mut self) -> Result<Option<usize>, Error> {
        let start = self.at;
        match i32::decode(self)? {
            -1 => Ok(None),
            n if n >= 0 && n as usize <= MAX_BUFFER => Ok(Some(n as usize)),
            _ => Err(Error { at: start, what: "impossible length" }),
        }
    }
}

macro_rules! integer {
    ($type:ty) => {
        impl Record for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(input: &mut Reader<'_>) -> Result<$type, Error> {
                let bytes = input.take(size_of::<$type>())?;
                Ok(<$type>::from_be_bytes(bytes.try_into().expect("take gives what it was asked")))
            }
        }
    };
}

integer!(i32);
integer!(i64);

impl Record for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    /// Any non-zero byte reads true.
    fn decode(input: &mut Reader<'_>) -> Result<bool, Error> {
        Ok(input.take(1)?[0] != 0)
    }
}

/// A buffer: `None` is null, which is not the same as empty (spec 9, case 36).
impl Record for Option<Vec<u8>> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => (-1i32).encode(out),
            Some(bytes) => {
                (bytes.len() as i32).encode(out);
                out.extend_from_slice(bytes);
            }
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Error> {
        match input.length()? {
            None => Ok(None),
            Some(n) => Ok(Some(input.take(n)?.to_vec())),
        }
    }
}

/// A string that may be null. Malformed UTF-8 decodes to U+FFFD (spec 2.1).
impl Record for Option<String> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => (-1i32).encode(out),
            Some(text) => text.encode(out),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<Option<String>, Error> {
        match input.length()? {
            None => Ok(None),
            Some(n) => {
                let bytes = input.take(n)?;
                // Nearly all text is well-formed, and to check it is faster than to repair it.
                let lossy = |_| String::from_utf8_lossy(bytes).into_owned();
                Ok(Some(std::str::from_utf8(bytes).map_or_else(lossy, str::to_string)))
            }
        }
    }
}

/// A string that must not be null.
impl Record for String {
    fn encode(&self, out: &mut Vec<u8>) {
        (self.len() as i32).encode(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(input: &mut Reader<'_>) -> Result<String, Error> {
        let start = input.at;
        Option::<String>::decode(input)?.ok_or(Error { at: start, what: "null string" })
    }
}

/// A vector of records; a null vector decodes as an empty one.
pub fn encode_vec<T: Record>(items: &[T], out: &mut Vec<u8>) {
    (items.len() as i32).encode(out);
    for item in items {
        item.encode(out);
    }
}

/// Reads a vector of records; null reads as empty.
///
/// # Errors
/// If an item is malformed or the count impossible.
pub fn decode_vec<T: Record>(input: &mut Reader<'_>) -> Result<Vec<T>, Error> {
    let Some(count) = input.length()? else { return Ok(Vec::new()) };
    // The count is a claim: memory grows only as items really arrive.
    let mut items = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        items.push(T::decode(input)?);
    }
    Ok(items)
}

macro_rules! vectors {
    ($($type:ty),*) => {$(
        impl Record for Vec<$type> {
            fn encode(&self, out: &mut Vec<u8>) {
                encode_vec(self, out);
            }

            fn decode(input: &mut Reader<'_>) -> Result<Vec<$type>, Error> {
                decode_vec(input)
            }
        }
    )*};
}

vectors!(String, proto::Acl, proto::Id, txn::SubTxn);

/// Declares a record: a struct whose encoding is that of its fields, in order.
macro_rules! record {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::jute::Record for $name {
            fn encode(&self, _out: &mut Vec<u8>) {
                $($crate::jute::Record::encode(&self.$field, _out);)*
            }

            fn decode(
                _input: &mut $crate::jute::Reader<'_>,
            ) -> Result<$name, $crate::jute::Error> {
                Ok($name { $($field: $crate::jute::Record::decode(_input)?,)* })
            }
        }
    )*};
}
pub(crate) use record;

/// Prefixes a message with its length, as every client frame is (spec 1.2).
pub fn framed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 4);
    (body.len() as i32).encode(&mut out);
    out.extend_from_slice(body);
    out
}

/// Cuts whole frames out of a byte stream that arrives in any pieces.
#[derive(Clone, Debug, Default)]
pub struct Unframer {
    buffer: Vec<u8>,
}

impl Unframer {
    /// Adds bytes as they arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// What arrived and was not cut yet.
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    /// The next whole frame without its length; `None` until it is complete.
    ///
    /// # Errors
    /// If its length is not positive or above `limit` (spec 1.2: the connection must be closed).
    pub fn next(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Error> {
        let Some(head) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*head);
        if length <= 0 || length as usize > limit {
            return Err(Error { at: 0, what: "impossible frame length" });
        }
        let end = 4 + length as usize;
        if self.buffer.len() < end {
            return Ok(None);
        }
        let frame = self.buffer[4..end].to_vec();
        self.buffer.drain(..end);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests;
