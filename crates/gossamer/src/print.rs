//! Printing results: aligned tables for people, JSON for programs.

use serde::Serialize;

/// Prints `value` as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints `value` as JSON on one line, for a program that waits for it.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// Prints `rows` under `head`, columns as wide as their widest cell.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) {
    let mut widths = head.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    println!("{}", line(head, widths));
    for row in rows {
        println!("{}", line(row.each_ref().map(String::as_str), widths));
    }
}

fn line<const N: usize>(cells: [&str; N], widths: [usize; N]) -> String {
    let mut text = String::new();
    for (cell, width) in cells.into_iter().zip(widths) {
        text.push_str(cell);
        text.extend(std::iter::repeat_n(' ', (width + 2).saturating_sub(cell.chars().count())));
    }
    text.truncate(text.trim_end().len());
    text
}
