//! Tokens: a whole run in one word that a person can paste.
//!
//! ```text
//!   z1.rolling-restarts.5f3a09c1.4711.-.e2b8d07a
//!      scenario         |        |    | digest of the run
//!                       |        |    recipe: `-`, `clean`, or a planted bug
//!                       |        seed
//!                       digest of the scenario
//! ```

use std::fmt;
use std::str::FromStr;

use crate::base::Digest;
use crate::plan::Problem;
use crate::plan::seeds::parse_seed;

/// A run, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's digest, shortened.
    pub hash: u32,
    /// The seed.
    pub seed: u64,
    /// What was done to the plan: `-` for nothing.
    pub recipe: String,
    /// The run's digest, shortened.
    pub digest: u32,
}

/// Whether a word can stand in a token: one double-click, no shell quotes.
pub fn is_word(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !text.is_empty() && text.bytes().all(good)
}

/// A digest as tokens print it.
pub fn short(digest: Digest) -> String {
    format!("{:08x}", digest.short())
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Token { scenario, hash, seed, recipe, digest } = self;
        write!(f, "z1.{scenario}.{hash:08x}.{seed}.{recipe}.{digest:08x}")
    }
}

impl FromStr for Token {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Token, Problem> {
        let parts: Vec<&str> = text.split('.').collect();
        let [version, scenario, hash, seed, recipe, digest] = parts[..] else {
            return Err(malformed(format!("`{text}` has {} parts, not 6", parts.len())));
        };
        if version != "z1" {
            let hint = "this build reads tokens that begin with `z1.`";
            return Err(Problem::new("token", format!("is of version `{version}`"), hint));
        }
        for word in [scenario, recipe] {
            if !is_word(word) {
                return Err(malformed(format!("has no name in `{word}`")));
            }
        }
        Ok(Token {
            scenario: scenario.to_string(),
            hash: hex(hash)?,
            seed: parse_seed(seed).map_err(|_| malformed(format!("has no seed in `{seed}`")))?,
            recipe: recipe.to_string(),
            digest: hex(digest)?,
        })
    }
}

fn hex(text: &str) -> Result<u32, Problem> {
    let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = digits.then(|| u32::from_str_radix(text, 16).ok()).flatten();
    value.ok_or_else(|| malformed(format!("has no digest of 8 digits in `{text}`")))
}

fn malformed(what: String) -> Problem {
    let hint = "a token is `z1.<scenario>.<hash>.<seed>.<recipe>.<digest>`, as reports end with";
    Problem::new("token", what, hint)
}
