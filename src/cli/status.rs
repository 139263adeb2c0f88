//! How a campaign is going, on stderr: a line that moves on a terminal, a plain line every ten
//! seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::explore::Tally;

use super::talk;

/// How often a plain line is printed.
const PLAIN: Duration = Duration::from_secs(10);

/// The status line of one campaign.
pub struct Status {
    bar: Option<ProgressBar>,
    started: Instant,
    printed: Instant,
    /// How many signatures there were, and when the last of them was new.
    signatures: usize,
    found: Option<Instant>,
}

impl Status {
    /// A campaign begins; of so many items, if that is known.
    pub fn begin(total: Option<u64>) -> Status {
        let now = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let form = if total.is_some() { "{pos}/{len} {msg}" } else { "{spinner} {msg}" };
            bar.set_style(ProgressStyle::with_template(form).expect("the template is a constant"));
            bar
        });
        Status { bar, started: now, printed: now, signatures: 0, found: None }
    }

    /// Shows how it is going.
    pub fn show(&mut self, tally: &Tally) {
        if tally.groups.len() != self.signatures {
            self.signatures = tally.groups.len();
            self.found = Some(Instant::now());
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(tally.tried());
                bar.set_message(self.line(tally));
            }
            None if self.printed.elapsed() >= PLAIN => {
                self.printed = Instant::now();
                talk(&self.line(tally));
            }
            None => {}
        }
    }

    /// Prints above the status line.
    pub fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// The campaign is over: the last rates, for people.
    pub fn end(self, tally: &Tally) {
        let line = self.line(tally);
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        talk(&line);
    }

    fn line(&self, tally: &Tally) -> String {
        let micros = self.started.elapsed().as_micros() as u64;
        line(tally, micros, self.found.map(|at| at.elapsed().as_secs()))
    }
}

/// After so many microseconds, and so many seconds behind the last finding with a new signature.
fn line(tally: &Tally, micros: u64, found: Option<u64>) -> String {
    let micros = micros.max(1);
    let per_second = |count: u64| {
        u64::try_from(u128::from(count) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX)
    };
    let seeds = tally.of_seeds.tried;
    let tenths = per_second(seeds * 10);
    let ratio = u128::from(tally.simulated.0) / 1000 / u128::from(micros);
    let findings = match found {
        None => "no finding".to_string(),
        Some(secs) => format!(
            "{} findings of {} signatures, the last new one {secs}s ago",
            tally.findings(),
            tally.groups.len(),
        ),
    };
    format!(
        "{} seeds in {}s, {}.{} seeds/s, {} events/s, simulated:real {ratio}:1, {findings}, new \
         behaviour {} seeds ago",
        seeds,
        micros / 1_000_000,
        tenths / 10,
        tenths % 10,
        per_second(tally.steps),
        tally.quiet(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Duration as Simulated;
    use crate::explore::{Branch, Group};
    use crate::verdict::Weight;

    #[test]
    fn the_line_tells_rates_and_the_time_since_the_last_new_finding() {
        let mut tally = Tally { steps: 9_000, new_at: 40, ..Tally::default() };
        tally.of_seeds.tried = 50;
        tally.simulated = Simulated::from_ms(60_000);
        let rates = "50 seeds in 2s, 20.0 seeds/s, 3600 events/s, simulated:real 24:1";
        let wanted = format!("{rates}, no finding, new behaviour 10 seeds ago");
        assert_eq!(line(&tally, 2_500_000, None), wanted);
        let example = crate::explore::Item { source: 0, seed: 7, branch: Branch::ROOT };
        let weight = Weight::Violation;
        let group = Group { count: 3, examples: vec![example], weight, property: "Durability" };
        tally.groups.insert((0, "Durability/acked".to_string()), group);
        tally.of_seeds.violated = 3;
        let found = "3 findings of 1 signatures, the last new one 5s ago";
        let wanted = format!("{rates}, {found}, new behaviour 10 seeds ago");
        assert_eq!(line(&tally, 2_500_000, Some(5)), wanted);
    }
}
