//! A failing run, run again with everything written down.
//!
//! `reports/runs/<token>/` holds `plan.json`, `history.jsonl`, `trace.jsonl`, `verdict.json` and
//! `report.txt`. It is prepared under another name and renamed, so that nothing half-written is
//! ever found there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::{Digest, PeerId, Zxid};
use crate::explore::{Small, Source};
use crate::history::{At, History, Proposals, Seen, jsonl, trace};
use crate::kit::Kit;
use crate::plan::Plan;
use crate::process::Probe;
use crate::report::Token;
use crate::report::lanes::{LAST, Story};
use crate::report::text::{Case, report};
use crate::report::token::{is_word, short};
use crate::run::Run;
use crate::verdict::{Finding, Outcome, Signature, Verdict, Weight};

use super::find::Subject;

/// The most lines of a trace: what comes after is only counted.
const TRACE_MAX: u64 = 2_000_000;

/// A run that was written down.
pub struct Recorded {
    /// The report's text.
    pub report: String,
    /// Where its files are, if they were written.
    pub dir: Option<PathBuf>,
    /// The command that replays it.
    pub replay: String,
    /// Whether it ran as it did before.
    pub same: bool,
}

/// What a run is called: its folder's name.
pub fn name_of(subject: &Subject, seed: u64, digest: Digest) -> String {
    match &subject.source {
        Source::Scenario(scenario, recipe) => Token {
            scenario: scenario.name.clone(),
            hash: scenario.digest.short(),
            seed,
            recipe: recipe.word(),
            digest: digest.short(),
        }
        .to_string(),
        Source::Plan(_, plan) => {
            let name = if is_word(&plan.scenario) { plan.scenario.as_str() } else { "plan" };
            format!("plan.{name}.{}.{}", short(plan.digest()), short(digest))
        }
    }
}

/// The command that runs it again.
pub fn replay_line(subject: &Subject, name: &str, out: &Path) -> String {
    match (&subject.source, &subject.file) {
        (Source::Scenario(..), None) => format!("zoosim replay {name}"),
        (Source::Scenario(..), Some(file)) => {
            format!("zoosim replay {name} --scenario {}", shell_word(file))
        }
        (Source::Plan(..), _) => replay_plan(&out.join(name).join("plan.json")),
    }
}

/// The command that runs a plan's file.
pub fn replay_plan(path: &Path) -> String {
    format!("zoosim replay {}", shell_word(&path.display().to_string()))
}

/// Runs a plan again, writes it down under `out` if there is one, and reports on it.
pub fn record(
    kit: &Kit,
    subject: &Subject,
    seed: u64,
    small: &Small,
    out: Option<&Path>,
) -> Result<Recorded, String> {
    let plan = subject.source.plan(seed);
    let name = name_of(subject, seed, small.digest);
    let replay = replay_line(subject, &name, out.unwrap_or(Path::new(super::args::RUNS)));
    let until = match &small.outcome {
        Outcome::Violated(finding) => finding.at.step,
        Outcome::Pass | Outcome::Unknown(_) => small.end.step,
    };
    let mut story = Story::until(until, LAST);
    let folder = out.map(|out| Folder::begin(out, &name, &plan)).transpose();
    let mut folder = folder.map_err(cannot_write)?;
    // What the search alone has found is found once more.
    let kit = kit.clone().searching();
    let mut run = Run::new(plan.clone(), &kit).map_err(|cannot| cannot.to_string())?;
    let mut broken: Option<std::io::Error> = None;
    while run.step_seen(|at, seen| {
        seen.iter().for_each(|one| story.observe(at, one));
        if let Some(Err(error)) = folder.as_mut().map(|folder| folder.write(at, seen)) {
            broken.get_or_insert(error);
        }
    }) {}
    let ran = run.ran();
    let properties = run.verdict.properties();
    let case = Case {
        plan: &plan,
        outcome: &ran.outcome,
        findings: run.verdict.findings(),
        properties: &properties,
        story: &story,
        states: &run.describe(),
        end: ran.end,
        replay: &replay,
    };
    let report = report(&case);
    let verdict = verdict_json(&name, &ran.outcome, &run.verdict, ran.digest, ran.end);
    let dir = match (folder, broken) {
        (Some(folder), None) => {
            Some(folder.end(&report, &verdict, run.verdict.committed()).map_err(cannot_write)?)
        }
        (Some(_), Some(error)) => return Err(cannot_write(error)),
        (None, _) => None,
    };
    Ok(Recorded { report, dir, replay, same: ran.digest == small.digest })
}

/// Writes a file so that whoever looks finds what was there before or all of it. What is no file (a
/// pipe) is written as it is.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let all_to = |path: &Path| {
        let mut out = BufWriter::new(File::create(path)?);
        write(&mut out)?;
        out.flush()
    };
    if path.exists() && !path.is_file() {
        return all_to(path);
    }
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(format!(".{}.tmp", std::process::id()));
    let tmp = PathBuf::from(tmp);
    let written = all_to(&tmp).and_then(|()| std::fs::rename(&tmp, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&tmp);
    }
    written
}

/// The same, of a text.
pub fn write_text(path: &Path, text: &str) -> std::io::Result<()> {
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

/// A word as a shell reads it back.
pub fn shell_word(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_./+,:@%".contains(one);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// Whether a folder can be written in, or made; leaves nothing behind. What takes long asks before
/// it begins.
pub fn can_write(out: &Path) -> Result<(), String> {
    let exists = |folder: &&Path| folder.as_os_str().is_empty() || folder.exists();
    let folder = out.ancestors().find(exists).unwrap_or(out);
    let probe = folder.join(format!(".zoosim.{}.tmp", std::process::id()));
    let tried = File::create(&probe).and_then(|_| std::fs::remove_file(&probe));
    tried.map_err(|error| {
        let out = out.display();
        format!("{out}: cannot be written: {error}\nhint: `--out DIR` names another place")
    })
}

fn cannot_write(error: std::io::Error) -> String {
    format!("the run cannot be written down: {error}\nhint: `--out DIR` names another place")
}

/// Files in the making.
struct Folder {
    tmp: PathBuf,
    dir: PathBuf,
    trace: BufWriter<File>,
    history: History,
    proposals: Proposals,
    lines: u64,
    /// The last probe of each peer: only changes are written.
    probes: Vec<(PeerId, Probe)>,
}

impl Folder {
    fn begin(out: &Path, name: &str, plan: &Plan) -> std::io::Result<Folder> {
        let tmp = out.join(format!(".{name}.{}.tmp", std::process::id()));
        if tmp.exists() {
            std::fs::remove_dir_all(&tmp)?;
        }
        std::fs::create_dir_all(&tmp)?;
        std::fs::write(tmp.join("plan.json"), plan_text(plan))?;
        let mut lines = BufWriter::new(File::create(tmp.join("trace.jsonl"))?);
        writeln!(lines, "{}", trace::header(&plan.scenario, plan.seed))?;
        let (dir, probes) = (out.join(name), Vec::new());
        let (history, proposals) = (History::new(), Proposals::default());
        Ok(Folder { tmp, dir, trace: lines, history, proposals, lines: 0, probes })
    }

    fn write(&mut self, at: At, seen: &[Seen]) -> std::io::Result<()> {
        for one in seen {
            self.history.observe(at, one);
            self.proposals.observe(one);
            if is_repeated(&mut self.probes, one) {
                continue;
            }
            self.lines += 1;
            if self.lines <= TRACE_MAX {
                writeln!(self.trace, "{}", trace::line(at, one))?;
            }
        }
        Ok(())
    }

    /// `log`: what was committed, by the digests of the records.
    fn end(
        mut self,
        report: &str,
        verdict: &str,
        log: &[(Zxid, Digest)],
    ) -> std::io::Result<PathBuf> {
        if self.lines > TRACE_MAX {
            let left = self.lines - TRACE_MAX;
            writeln!(self.trace, "{}", json!({ "seen": "truncated", "lines": left }))?;
        }
        self.trace.flush()?;
        self.history.log = self.proposals.of(log);
        let mut history = String::new();
        jsonl::export(&self.history, &mut history).expect("a string takes everything");
        std::fs::write(self.tmp.join("history.jsonl"), history)?;
        std::fs::write(self.tmp.join("verdict.json"), verdict)?;
        std::fs::write(self.tmp.join("report.txt"), report)?;
        if self.dir.exists() {
            std::fs::remove_dir_all(&self.dir)?;
        }
        std::fs::rename(&self.tmp, &self.dir)?;
        Ok(self.dir)
    }
}

/// Whether it is a probe that says what the peer's last one said. Remembers probes.
pub fn is_repeated(probes: &mut Vec<(PeerId, Probe)>, seen: &Seen) -> bool {
    let Seen::Probed { peer, probe } = seen else { return false };
    match probes.iter_mut().find(|(known, _)| known == peer) {
        Some((_, last)) if last == probe => true,
        Some((_, last)) => {
            *last = *probe;
            false
        }
        None => {
            probes.push((*peer, *probe));
            false
        }
    }
}

/// A plan as people and `zoosim replay` read it.
pub fn plan_text(plan: &Plan) -> String {
    let mut text = serde_json::to_string_pretty(plan).expect("a plan is plain data");
    text.push('\n');
    text
}

fn verdict_json(
    name: &str,
    outcome: &Outcome,
    verdict: &Verdict,
    digest: Digest,
    end: At,
) -> String {
    let (word, why) = match outcome {
        Outcome::Pass => ("pass", String::new()),
        Outcome::Violated(finding) => ("violated", finding.detail.clone()),
        Outcome::Unknown(why) => ("unknown", why.clone()),
    };
    let findings = verdict.findings().iter().zip(verdict.signatures());
    let value = json!({
        "zoosim": "verdict/1",
        "run": name,
        "outcome": word,
        "why": why,
        "digest": digest.to_string(),
        "end": { "step": end.step, "time_ns": end.time.0 },
        "findings": findings.map(|(one, signed)| finding_json(one, signed)).collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_string_pretty(&value).expect("a verdict is plain data");
    text.push('\n');
    text
}

/// A finding, as data.
pub fn finding_json(finding: &Finding, signature: &Signature) -> serde_json::Value {
    json!({
        "property": finding.property,
        "weight": match finding.weight {
            Weight::Assertion => "assertion",
            Weight::Violation => "violation",
        },
        "kind": finding.kind,
        "signature": signature.to_string(),
        "peers": finding.peers,
        "step": finding.at.step,
        "time_ns": finding.at.time.0,
        "detail": finding.detail,
    })
}
