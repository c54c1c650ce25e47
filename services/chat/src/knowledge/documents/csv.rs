//! A table to text: each row as lines of "header: value", so that a row found alone still says what
//! its values are. Knows the csv crate alone.

use std::fmt::Write as _;

use bytesize::ByteSize;

use super::{DocumentError, Format};

/// The rows of a table as paragraphs. The first line is the header; the separator is the comma, the
/// semicolon or the tab, whichever the header has most of. Empty values are left out. No more than
/// `limit` is written: a long header over short rows would make terabytes of a small file.
pub(super) fn text(table: &str, limit: ByteSize) -> Result<String, DocumentError> {
    let malformed = |problem: &'static str| DocumentError::Malformed {
        format: Format::Csv.name(),
        problem: problem.into(),
    };
    let mut reader = ::csv::ReaderBuilder::new()
        .delimiter(separator(table))
        .flexible(true)
        .trim(::csv::Trim::All)
        .from_reader(table.as_bytes());
    let header = reader
        .headers()
        .map_err(|_| malformed("its header line cannot be read"))?
        .clone();
    if header.iter().all(str::is_empty) {
        return Err(malformed("its header line is empty"));
    }
    let mut text = String::with_capacity(table.len());
    for row in reader.records() {
        let row = row.map_err(|_| malformed("a row cannot be read"))?;
        for (column, value) in row
            .iter()
            .enumerate()
            .filter(|(_, value)| !value.is_empty())
        {
            match header.get(column).filter(|name| !name.is_empty()) {
                Some(name) => writeln!(text, "{name}: {value}"),
                None => writeln!(text, "{value}"),
            }
            .map_err(|_| malformed("a row cannot be written"))?;
            if text.len() as u64 > limit.as_u64() {
                return Err(DocumentError::TooLarge(limit));
            }
        }
        text.push('\n');
    }
    Ok(text)
}

fn separator(table: &str) -> u8 {
    let header = table
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let count = |separator: u8| header.bytes().filter(|byte| *byte == separator).count();
    // The last of equals wins: the comma.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|separator| count(*separator))
        .unwrap_or(b',')
}
