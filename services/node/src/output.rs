//! The only place that writes to the standard streams: results to standard output, everything else to
//! standard error, and no control characters of strangers to a terminal. It must not know what is
//! written.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use crate::exit::{Exit, Failure};

/// A terminal narrower than this gets long lines: cells of a few letters each are worse. Terminals of job
/// runners often say that they have no columns at all.
const NARROWEST_TABLE: u16 = 40;

/// One line, under the header: easy on the eye, and easy to cut by column.
const UNDER_THE_HEADER: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Writes a line of the result to standard output.
///
/// # Errors
/// A silent failure when nobody reads any more, so that `troika bots list | head -1` ends quietly.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

/// Writes a piece of text to standard output at once, without ending the line.
///
/// # Errors
/// As [`line()`].
pub(crate) fn piece(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| {
        Failure::because(Exit::Failed, "the result cannot be written as JSON", &error)
    })?;
    line(&text)
}

/// Writes a table to standard output, as wide as the terminal at most.
///
/// # Errors
/// As [`line()`].
pub(crate) fn table(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Result<(), Failure> {
    let mut table = Table::new();
    let arrangement = match table.width() {
        Some(columns) if columns < NARROWEST_TABLE => ContentArrangement::Disabled,
        _ => ContentArrangement::Dynamic,
    };
    table
        .load_style(UNDER_THE_HEADER)
        .set_content_arrangement(arrangement)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)));
    }
    line(&table.trim_fmt())
}

/// Says something beside the result, on standard error.
pub(crate) fn aside(text: &str) {
    // Nothing can be done about a standard error that is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes to standard error without ending the line.
pub(crate) fn aside_piece(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Says that something is missing or cut while the work goes on.
pub(crate) fn warning(text: &str) {
    aside(&format!("warning: {}", printable(text)));
}

/// Says why the work ends.
pub(crate) fn error(text: &str) {
    aside(&format!("error: {}", printable(text)));
}

/// A number with what is counted, such as "1 chunk" and "2 chunks".
pub(crate) fn count(number: impl Into<u64>, what: &str) -> String {
    match number.into() {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

/// Whether a person sees standard output.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person sees standard error.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether a person types on standard input.
pub(crate) fn stdin_is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// The text without what could steer a terminal: answers, names and documents were written by others.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::silent(Exit::Failed),
        _ => Failure::because(Exit::Failed, "standard output cannot be written", &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_counted_without_an_s() {
        assert_eq!(count(1_u32, "chunk"), "1 chunk");
        assert_eq!(count(0_u64, "chunk"), "0 chunks");
    }

    #[test]
    fn text_of_strangers_cannot_steer_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{7}\n\tc\u{9b}d"), "a[2Jb\n\tcd");
    }
}
