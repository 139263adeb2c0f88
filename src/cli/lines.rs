//! Files of lines that are only added to: what was measured once is never lost or measured again.
//!
//! One process at a time has such a file: two would begin behind the same line.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::find;

/// A file that takes lines. It is locked as long as this lives.
pub struct Lines {
    path: PathBuf,
    file: File,
}

/// What stands in a file of lines.
pub struct Kind<T> {
    /// How each line begins: what does not is not ours to cut.
    pub begins: &'static str,
    /// What a line says.
    pub parse: fn(&str) -> Result<T, String>,
    /// What to do about a line that cannot be read.
    pub remedy: &'static str,
}

impl Lines {
    /// What the file tells already, and the file, open for more. A line that was torn when the last
    /// run was killed is cut off.
    pub fn resume<T>(path: &Path, kind: &Kind<T>) -> Result<(Vec<T>, Lines), String> {
        let cannot = |error| cannot_write(path, &error);
        let place = path.display();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        // What is no file might have no end, or make whoever opens it wait.
        if path.exists() && !path.is_file() {
            return Err(format!("{place}: is not a file\nhint: name a file"));
        }
        let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "{place}: another process adds to it\nhint: wait for it, or name another file"
                ));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        let text = find::read_bytes(&place.to_string())?;
        let (lines, torn) = text.split_at(whole(&text));
        let mut known = parsed(path, lines, kind)?;
        if let Some(line) = str::from_utf8(torn).ok().and_then(|text| (kind.parse)(text).ok()) {
            known.push(line); // Whole but for its end.
            file.write_all(b"\n").map_err(cannot)?;
        } else if !torn.is_empty() {
            let shared = torn.len().min(kind.begins.len());
            if torn[..shared] != kind.begins.as_bytes()[..shared] {
                let at = known.len() + 1;
                return Err(format!(
                    "{place}:{at}: this begins no line of such a file\nhint: name another file"
                ));
            }
            file.set_len(lines.len() as u64).map_err(cannot)?;
        }
        Ok((known, Lines { path: path.to_path_buf(), file }))
    }

    /// Adds a line; it is in the file when this returns.
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.and_then(|()| self.file.flush()).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// The whole lines of a file.
pub fn read<T>(path: &Path, kind: &Kind<T>) -> Result<Vec<T>, String> {
    let text = find::read_bytes(&path.display().to_string())?;
    parsed(path, &text[..whole(&text)], kind)
}

fn parsed<T>(path: &Path, lines: &[u8], kind: &Kind<T>) -> Result<Vec<T>, String> {
    let line = |(at, bytes): (usize, &[u8])| {
        let place = format!("{}:{}", path.display(), at + 1);
        let text = str::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_string());
        let hint = match bytes.starts_with(kind.begins.as_bytes()) {
            true => kind.remedy,
            false => "name another file, or remove the line",
        };
        text.and_then(kind.parse).map_err(|why| format!("{place}: {why}\nhint: {hint}"))
    };
    lines.split_inclusive(|byte| *byte == b'\n').enumerate().map(line).collect()
}

/// Up to where a text has whole lines.
fn whole(text: &[u8]) -> usize {
    text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("{}: cannot be written: {error}\nhint: name a file in another place", path.display())
}
