//! Seeds as people write them: `42`, `0x5eed`, `0..1000`, or a commit's name.

use std::ops::RangeInclusive;

use super::input::Problem;

/// Reads one seed: decimal, hexadecimal after `0x`, or 40 hexadecimal digits (a git commit), of
/// which the first 16 count.
///
/// # Errors
/// What is wrong with it.
pub fn parse_seed(text: &str) -> Result<u64, Problem> {
    let text = text.trim();
    if text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return u64::from_str_radix(&text[..16], 16).map_err(|_| bad(text));
    }
    // `from_str` would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(bad(text));
    }
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map_err(|_| bad(text)),
        None => text.parse().map_err(|_| bad(text)),
    }
}

/// Reads a seed, or a range of seeds: `0..1000` is the thousand seeds from 0 to 999.
///
/// # Errors
/// What is wrong with it.
pub fn parse_seeds(text: &str) -> Result<RangeInclusive<u64>, Problem> {
    let Some((start, end)) = text.split_once("..") else {
        let seed = parse_seed(text)?;
        return Ok(seed..=seed);
    };
    let (start, end) = (parse_seed(start)?, parse_seed(end)?);
    if start >= end {
        let what = format!("`{text}` holds no seed");
        let hint = "the end is not part of a range: `0..1` is seed 0";
        return Err(Problem::new("seeds", what, hint));
    }
    Ok(start..=end - 1)
}

/// Prints seeds the one way that they are printed: decimal, `N` or `FROM..TO`.
pub fn print_seeds(seeds: &RangeInclusive<u64>) -> String {
    let (start, last) = (seeds.start(), seeds.end());
    if start == last { start.to_string() } else { format!("{start}..{}", u128::from(*last) + 1) }
}

fn bad(text: &str) -> Problem {
    let hint = match text.contains("..") {
        true => "name one seed here, not a range: `42`",
        false => "write `42`, `0x5eed`, or a commit's 40 hexadecimal digits; a range is `0..1000`",
    };
    Problem::new("seed", format!("`{text}` is not a seed below 2^64"), hint)
}
