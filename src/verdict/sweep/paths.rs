//! Paths as numbers, with all that the check must know of their text: the parent, the name, and
//! whether they are paths at all (spec 2.1). Written apart from the service's validator.

use crate::jute::proto::Acl;
use crate::verdict::names::{NONE, Names, mark};

use super::tape::BAD_ACL;

/// Bits of [`Paths::traits`].
pub(super) mod is {
    /// Spec 2.1.
    pub(in super::super) const VALID: u8 = 1;
    /// It cannot be deleted (spec 2.2).
    pub(in super::super) const SPECIAL: u8 = 2;
    /// It holds a slash and no NUL.
    pub(in super::super) const PLAUSIBLE: u8 = 4;
    /// With a suffix behind it, it is valid.
    pub(in super::super) const STEM: u8 = 8;
    /// It holds a NUL.
    pub(in super::super) const NUL: u8 = 16;
}

/// The root's number.
pub(super) const ROOT: u32 = 0;
/// Each server writes this node for itself (spec 2.2).
pub(super) const CONFIG: u32 = 2;
/// Those of the fresh tree, in the order of their numbers.
pub(super) const BUILT_IN: [&str; 4] = ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"];

/// All paths of a history.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) names: Names,
    pub(super) parent: Vec<u32>,
    pub(super) traits: Vec<u8>,
    pub(super) mark: Vec<u128>,
}

impl Paths {
    pub(super) fn new() -> Paths {
        let mut paths =
            Paths { names: Names::new(), parent: Vec::new(), traits: Vec::new(), mark: Vec::new() };
        BUILT_IN.iter().for_each(|path| {
            paths.intern(path);
        });
        paths
    }

    pub(super) fn len(&self) -> usize {
        self.parent.len()
    }

    /// The number of a path. Its parents have numbers too.
    pub(super) fn intern(&mut self, path: &str) -> u32 {
        if let Some(known) = self.names.find(path.as_bytes()) {
            return known;
        }
        let slash = path.rfind('/');
        let above = match slash {
            None => None,
            Some(0) => Some("/"),
            Some(slash) => Some(&path[..slash]),
        };
        // A parent's number is smaller than its child's, but for the root, its own parent.
        let parent = match above {
            None => NONE,
            Some("/") => ROOT,
            Some(above) => self.intern(above),
        };
        let number = self.names.intern(path.as_bytes());
        self.parent.push(parent);
        self.traits.push(traits(path));
        self.mark.push(mark(slash.map_or(path, |slash| &path[slash + 1..]).as_bytes()));
        number
    }

    /// The number of the name that a sequential create gets: ten digits behind its path. Guesses of
    /// what lost calls did ask for very many, so they are written without the formatter.
    pub(super) fn numbered(&mut self, stem: u32, number: i32) -> u32 {
        let text = self.text(stem);
        if number < 0 {
            let full = format!("{text}{number:010}");
            return self.intern(&full);
        }
        let mut full = String::with_capacity(text.len() + 10);
        full.push_str(text);
        let mut unit = 1_000_000_000;
        while unit > 0 {
            full.push(char::from(b'0' + (number / unit % 10) as u8));
            unit /= 10;
        }
        self.intern(&full)
    }

    pub(super) fn is(&self, path: u32, what: u8) -> bool {
        self.traits[path as usize] & what != 0
    }

    pub(super) fn text(&self, path: u32) -> &str {
        self.names.text(path)
    }
}

fn traits(path: &str) -> u8 {
    let bit = |yes: bool, bit: u8| if yes { bit } else { 0 };
    bit(is_valid(path), is::VALID)
        | bit(BUILT_IN.contains(&path), is::SPECIAL)
        | bit(path.contains('/') && !path.contains('\0'), is::PLAUSIBLE)
        | bit(is_valid(&format!("{path}0000000000")), is::STEM)
        | bit(path.contains('\0'), is::NUL)
}

/// Spec 2.1. Characters beyond the basic plane are pairs of surrogates to ZooKeeper.
fn is_valid(path: &str) -> bool {
    let plain = |c: char| {
        let c = u32::from(c);
        !(c <= 0x1F || (0x7F..=0x9F).contains(&c) || (0xD800..=0xF8FF).contains(&c) || c >= 0xFFF0)
    };
    if path == "/" {
        return true;
    }
    let Some(rest) = path.strip_prefix('/') else { return false };
    let mut parts = rest.split('/');
    parts.all(|part| !part.is_empty() && part != "." && part != "..") && path.chars().all(plain)
}

/// What everybody may do under this list; [`BAD_ACL`] if it is refused. Other schemes are not
/// served yet.
pub(super) fn perms(acl: &[Acl]) -> i32 {
    let world = |entry: &Acl| {
        entry.id.scheme.as_deref() == Some("world") && entry.id.id.as_deref() == Some("anyone")
    };
    if acl.is_empty() || !acl.iter().all(world) {
        return BAD_ACL;
    }
    acl.iter().fold(0, |perms, entry| perms | entry.perms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_know_their_parents_and_their_faults() {
        let mut paths = Paths::new();
        let deep = paths.intern("/a/b/c");
        let above = paths.parent[deep as usize];
        assert_eq!(paths.text(above), "/a/b");
        let (rooted, loose) = (paths.intern("/x"), paths.intern("x"));
        assert_eq!(paths.parent[rooted as usize], ROOT);
        assert_eq!(paths.parent[loose as usize], NONE);
        assert!(paths.is(deep, is::VALID) && paths.is(CONFIG, is::SPECIAL));
        for bad in ["", "a", "/a/", "//a", "/.", "/a/..", "/\0", "/\u{7f}", "/\u{1f600}"] {
            let path = paths.intern(bad);
            assert!(!paths.is(path, is::VALID), "{bad:?}");
        }
        for number in [0, 7, 1_234_567_890, i32::MAX, -1, i32::MIN] {
            let named = paths.numbered(rooted, number);
            assert_eq!(paths.text(named), format!("/x{number:010}"));
        }
        let stem = paths.intern("/a/");
        assert!(paths.is(stem, is::STEM) && paths.is(stem, is::PLAUSIBLE));
        assert_eq!(perms(&[]), BAD_ACL);
        assert_eq!(perms(&crate::znode::op::open_acl()), 31);
    }
}
