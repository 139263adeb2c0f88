//! Files of lines that are only added to: what was measured once is never lost or measured again.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::find;

/// A file that takes lines.
pub struct Lines {
    path: PathBuf,
    file: File,
}

impl Lines {
    /// What the file tells already, and the file, open for more. A line that was torn when the last
    /// run was killed is cut off.
    pub fn resume<T>(
        path: &Path,
        parse: impl Fn(&str) -> Result<T, String>,
        hint: &str,
    ) -> Result<(Vec<T>, Lines), String> {
        let cannot = |error| cannot_write(path, &error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        let mut known = Vec::new();
        if path.exists() {
            let text = find::read(&path.display().to_string())?;
            known = parsed(path, &text, parse, hint)?;
            let file = OpenOptions::new().write(true).open(path).map_err(cannot)?;
            file.set_len(whole(&text).len() as u64).map_err(cannot)?;
        }
        let file = OpenOptions::new().append(true).create(true).open(path).map_err(cannot)?;
        Ok((known, Lines { path: path.to_path_buf(), file }))
    }

    /// Adds a line; it is in the file when this returns.
    pub fn add(&mut self, line: &str) -> Result<(), String> {
        let written = self.file.write_all(format!("{line}\n").as_bytes());
        written.and_then(|()| self.file.flush()).map_err(|error| cannot_write(&self.path, &error))
    }
}

/// The whole lines of a file.
pub fn read<T>(
    path: &Path,
    parse: impl Fn(&str) -> Result<T, String>,
    hint: &str,
) -> Result<Vec<T>, String> {
    parsed(path, &find::read(&path.display().to_string())?, parse, hint)
}

fn parsed<T>(
    path: &Path,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    hint: &str,
) -> Result<Vec<T>, String> {
    let line = |(at, text)| {
        let place = format!("{}:{}", path.display(), at + 1);
        parse(text).map_err(|why| format!("{place}: {why}\nhint: {hint}"))
    };
    whole(text).lines().enumerate().map(line).collect()
}

/// All of a text up to the end of its last whole line.
fn whole(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("{}: cannot be written: {error}\nhint: name a file in another place", path.display())
}
