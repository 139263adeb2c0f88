//! Texts and payloads as small numbers: equal bytes have equal numbers, and nothing else does.

use crate::base::Digest;

/// No number.
pub(super) const NONE: u32 = u32::MAX;

/// A set of byte strings, numbered in the order of their first appearance.
#[derive(Clone, Debug)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Open addressing; [`NONE`] is an empty slot. A power of two, at least twice the names.
    slots: Vec<u32>,
}

impl Names {
    pub(super) fn new() -> Names {
        Names { bytes: Vec::new(), ends: Vec::new(), slots: vec![NONE; 16] }
    }

    pub(super) fn get(&self, name: u32) -> &[u8] {
        let name = name as usize;
        let start = if name == 0 { 0 } else { self.ends[name - 1] };
        &self.bytes[start..self.ends[name]]
    }

    /// How many bytes it has.
    pub(super) fn length(&self, name: u32) -> usize {
        let name = name as usize;
        self.ends[name] - if name == 0 { 0 } else { self.ends[name - 1] }
    }

    /// As text; what is no text is shown as far as it goes.
    pub(super) fn text(&self, name: u32) -> &str {
        if name == NONE {
            return "";
        }
        std::str::from_utf8(self.get(name)).unwrap_or("<bytes>")
    }

    pub(super) fn find(&self, bytes: &[u8]) -> Option<u32> {
        let name = self.slots[self.slot(bytes)];
        (name != NONE).then_some(name)
    }

    /// Its number, a new one if it has none.
    pub(super) fn intern(&mut self, bytes: &[u8]) -> u32 {
        let slot = self.slot(bytes);
        if self.slots[slot] != NONE {
            return self.slots[slot];
        }
        let name = self.ends.len() as u32;
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.slots[slot] = name;
        if self.ends.len() * 2 > self.slots.len() {
            self.grow();
        }
        name
    }

    /// Where these bytes stand, or would.
    fn slot(&self, bytes: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = Digest::of(bytes).0 as usize & mask;
        while self.slots[slot] != NONE && self.get(self.slots[slot]) != bytes {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![NONE; self.slots.len() * 2];
        for name in 0..self.ends.len() as u32 {
            let slot = self.slot(self.get(name));
            self.slots[slot] = name;
        }
    }
}

/// 128 bits that stand for the name of a child: sets of children are compared by their sums.
pub(super) fn mark(name: &[u8]) -> u128 {
    let mut halves = [Digest(0x51), Digest(!0x51)];
    halves.iter_mut().for_each(|half| half.bytes(name));
    u128::from(halves[0].0) << 64 | u128::from(halves[1].0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_have_equal_numbers() {
        let mut names = Names::new();
        let first: Vec<u32> = (0..1000).map(|n: u32| names.intern(&n.to_le_bytes())).collect();
        let again: Vec<u32> = (0..1000).map(|n: u32| names.intern(&n.to_le_bytes())).collect();
        assert_eq!(first, again);
        assert_eq!(first, (0..1000).collect::<Vec<u32>>());
        assert_eq!(names.find(&7u32.to_le_bytes()), Some(7));
        assert_eq!(names.find(b"other"), None);
        assert_eq!(names.intern(b""), 1000);
        assert_eq!(names.get(1000), b"");
    }
}
