//! Which texts are paths (spec 2.1). Not the service's own validator.

/// The text before the last slash, `/` if that is all there is before it. `None` without a slash.
pub(super) fn parent(path: &str) -> Option<&str> {
    match path.rfind('/')? {
        0 => Some("/"),
        slash => Some(&path[..slash]),
    }
}

/// Spec 2.1: absolute, no empty or dotted component, no trailing slash, no odd characters.
pub(super) fn is_valid(path: &str) -> bool {
    if path == "/" {
        return true;
    }
    let Some(rest) = path.strip_prefix('/') else { return false };
    rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.chars().any(is_odd)
}

/// Characters that no path may hold. Beyond the basic plane ZooKeeper sees surrogates, which lie
/// in the forbidden range D800 to F8FF.
fn is_odd(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x1F | 0x7F..=0x9F | 0xD800..=0xF8FF | 0xFFF0..=0xFFFF | 0x1_0000..)
}

/// Whether a path is this one or below it.
pub(super) fn is_within(path: &str, top: &str) -> bool {
    let rest = path.strip_prefix(if top == "/" { "" } else { top });
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Nodes that cannot be deleted (spec 2.2).
pub(super) fn is_special(path: &str) -> bool {
    matches!(path, "/" | "/zookeeper" | "/zookeeper/quota" | "/zookeeper/config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        for good in ["/", "/a", "/...", "/.x", "/x..", "/a b/c", "/\u{a0}", "/\u{f900}"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/\0", "/\u{7f}", "/\u{1f600}"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
