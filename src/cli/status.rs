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
    new_at: u64,
    new_seen: Instant,
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
        Status { bar, started: now, printed: now, new_at: 0, new_seen: now }
    }

    /// Shows how it is going.
    pub fn show(&mut self, tally: &Tally) {
        if tally.new_at != self.new_at {
            self.new_at = tally.new_at;
            self.new_seen = Instant::now();
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(tally.tried);
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
        let micros = (self.started.elapsed().as_micros() as u64).max(1);
        let per_second = |count: u64| {
            u64::try_from(u128::from(count) * 1_000_000 / u128::from(micros)).unwrap_or(u64::MAX)
        };
        let tenths = per_second(tally.tried * 10);
        let ratio = u128::from(tally.simulated.0) / 1000 / u128::from(micros);
        let quiet = self.new_seen.elapsed().as_secs();
        format!(
            "{} seeds in {}s, {}.{} seeds/s, {} events/s, simulated:real {ratio}:1, \
             {} findings of {} signatures, nothing new for {quiet}s",
            tally.tried,
            micros / 1_000_000,
            tenths / 10,
            tenths % 10,
            per_second(tally.steps),
            tally.findings(),
            tally.groups.len(),
        )
    }
}
