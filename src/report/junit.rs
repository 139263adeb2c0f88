//! JUnit's XML, for build servers: a suite per scenario, a case per property. A million seeds do
//! not make a million cases.

use std::fmt::Write;

/// A scenario's results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suite {
    /// The scenario's name.
    pub name: String,
    /// One per property.
    pub cases: Vec<Case>,
}

/// A property's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The property's name.
    pub name: String,
    /// How it went.
    pub result: Result,
}

/// How a property went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Result {
    /// It held.
    Held,
    /// It was never evaluated.
    Skipped,
    /// It did not hold: in a line, and at length.
    Failed(String, String),
}

/// The file's text.
pub fn render(suites: &[Suite]) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_string();
    for suite in suites {
        let failed = |case: &&Case| matches!(case.result, Result::Failed(..));
        let skipped = |case: &&Case| matches!(case.result, Result::Skipped);
        let (tests, failures) = (suite.cases.len(), suite.cases.iter().filter(failed).count());
        let skips = suite.cases.iter().filter(skipped).count();
        let name = escape(&suite.name);
        put(
            &mut text,
            format!(
                "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" \
             skipped=\"{skips}\">"
            ),
        );
        for case in &suite.cases {
            let head =
                format!("    <testcase classname=\"{name}\" name=\"{}\"", escape(&case.name));
            match &case.result {
                Result::Held => put(&mut text, format!("{head}/>")),
                Result::Skipped => {
                    put(
                        &mut text,
                        format!("{head}><skipped message=\"never evaluated\"/></testcase>"),
                    );
                }
                Result::Failed(short, long) => {
                    let (short, long) = (escape(short), escape(long));
                    put(&mut text, format!("{head}>"));
                    put(&mut text, format!("      <failure message=\"{short}\">{long}</failure>"));
                    put(&mut text, "    </testcase>".to_string());
                }
            }
        }
        put(&mut text, "  </testsuite>".to_string());
    }
    text.push_str("</testsuites>\n");
    text
}

fn put(text: &mut String, line: String) {
    writeln!(text, "{line}").expect("a string takes everything");
}

/// Text as XML: five characters are spelled out, those that XML forbids become spaces.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\n' | '\t' => safe.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                safe.push(' ');
            }
            letter => safe.push(letter),
        }
    }
    safe
}
