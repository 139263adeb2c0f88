//! Tables, for people and for documents.

/// As a table, for documents or else for a terminal.
pub fn render(head: &[&str], rows: &[Vec<String>], markdown: bool) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    if markdown { as_markdown(&head, rows) } else { as_text(&head, rows) }
}

/// For documents.
pub fn as_markdown(head: &[String], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// For a terminal: columns as wide as what stands in them.
pub fn as_text(head: &[String], rows: &[Vec<String>]) -> String {
    let mut widths = vec![0; head.len()];
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in std::iter::once(head).chain(rows.iter().map(Vec::as_slice)) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<String>>().join("  ");
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    text
}
