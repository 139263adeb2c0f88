//! Paths of znodes (spec 2.1): which are valid, and how they are taken apart.
//!
//! The root is `/`. Where clients may also call it the empty string (spec 9, case 37), the empty
//! string means the root; nothing here ever produces it.

/// The node that holds the ensemble's configuration (spec 2.2).
pub const CONFIG: &str = "/zookeeper/config";

/// Nodes that every tree has and no client may delete (spec 2.2).
const BUILT_IN: [&str; 4] = ["/", "/zookeeper", "/zookeeper/quota", CONFIG];

/// Whether a node may have this path: absolute, no empty, `.` or `..` component, no character that
/// ZooKeeper refuses (spec 2.1).
pub fn is_valid(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    if rest.is_empty() {
        return true;
    }
    path.chars().all(is_allowed) && rest.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

/// Java judges UTF-16 units: characters beyond the first plane fail by their surrogates.
fn is_allowed(c: char) -> bool {
    !matches!(c as u32, 0..=0x1F | 0x7F..=0x9F | 0xD800..=0xF8FF | 0xFFF0..)
}

/// The path up to its last slash, and what follows it; `None` without a slash. The parent of `/a`
/// is `/`, and so is that of `/` itself. Does not validate: a name may be empty (spec 2.1: the
/// parent is looked up before the path is judged).
pub fn split(path: &str) -> Option<(&str, &str)> {
    let slash = path.rfind('/')?;
    let parent = if slash == 0 { "/" } else { &path[..slash] };
    Some((parent, &path[slash + 1..]))
}

/// Whether clients may not delete this node (spec 2.2).
pub fn is_built_in(path: &str) -> bool {
    BUILT_IN.contains(&path)
}

/// Whether the tree digest counts this node: all but those below `/zookeeper` (spec 7.5).
pub fn is_counted(path: &str) -> bool {
    !path.starts_with("/zookeeper/")
}

/// The names on the way from the root to a node; `None` if the path is not absolute. Names may be
/// empty: no node has such a name, so that `/a/` simply is not found (spec 1.14).
pub fn names(path: &str) -> Option<impl Iterator<Item = &str>> {
    let rest = if path.is_empty() { "" } else { path.strip_prefix('/')? };
    let count = if rest.is_empty() { 0 } else { usize::MAX };
    Some(rest.split('/').take(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_paths_are_those_of_the_specification() {
        for good in ["/", "/a", "/a/b", "/...", "/.x", "/x..", "/ a", "/\u{a0}", "/\u{f900}"] {
            assert!(is_valid(good), "{good:?}");
        }
        let bad = ["", "a", "a/b", "//", "/a/", "//a", "/a//b", "/.", "/..", "/a/./b", "/a/.."];
        let characters = ["/\0", "/\u{1f}", "/\u{7f}", "/\u{9f}", "/\u{e000}", "/\u{f8ff}"];
        let more = ["/\u{fff0}", "/\u{fffd}", "/\u{1f600}"];
        for bad in bad.iter().chain(&characters).chain(&more) {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_parent_is_the_text_before_the_last_slash() {
        assert_eq!(split("/a/b"), Some(("/a", "b")));
        assert_eq!(split("/a"), Some(("/", "a")));
        assert_eq!(split("/"), Some(("/", "")));
        assert_eq!(split("//a"), Some(("/", "a")));
        assert_eq!(split("/a/"), Some(("/a", "")));
        assert_eq!(split("a"), None);
    }

    #[test]
    fn names_lead_from_the_root() {
        let names = |path| names(path).map(|names| names.collect::<Vec<_>>());
        assert_eq!(names("/"), Some(vec![]));
        assert_eq!(names(""), Some(vec![]));
        assert_eq!(names("/a/b"), Some(vec!["a", "b"]));
        assert_eq!(names("/a/"), Some(vec!["a", ""]));
        assert_eq!(names("a"), None);
    }
}
