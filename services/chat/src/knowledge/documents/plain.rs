//! Bytes to characters, and the tidying that all formats share. Knows no format.

use std::borrow::Cow;

use super::DocumentError;

/// Runs of blanks longer than this say nothing any more: they are shrunk to one.
const LONGEST_INDENT: usize = 16;

/// Decodes UTF-8, with or without a byte order mark, and UTF-16, which needs a mark or to be mostly
/// in Latin script to be recognised.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, DocumentError> {
    let text = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Cow::Borrowed(utf8(rest)?),
        [0xff, 0xfe, rest @ ..] => Cow::Owned(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(utf16(rest, u16::from_be_bytes)),
        _ if mostly_zero(bytes, 1) => Cow::Owned(utf16(bytes, u16::from_le_bytes)),
        _ if mostly_zero(bytes, 0) => Cow::Owned(utf16(bytes, u16::from_be_bytes)),
        _ => Cow::Borrowed(utf8(bytes)?),
    };
    // A zero byte passes as UTF-8, but no text has one: this is some binary file.
    if text.contains('\0') {
        Err(DocumentError::NotUtf8)
    } else {
        Ok(text)
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, DocumentError> {
    std::str::from_utf8(bytes).map_err(|_| DocumentError::NotUtf8)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units)
        .map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Whether nearly every second byte, from `offset`, is zero and the others are not: the look of
/// Latin letters in UTF-16.
fn mostly_zero(bytes: &[u8], offset: usize) -> bool {
    let sample = &bytes[..bytes.len().min(1024) & !1];
    let half = sample.len() / 2;
    let zeros = |offset| {
        sample
            .iter()
            .skip(offset)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    half > 1 && zeros(offset) * 10 >= half * 9 && zeros(1 - offset) == 0
}

/// Makes line ends `\n`, takes out control characters, blanks at line ends and further blank lines,
/// and shrinks wide runs of blanks.
pub(super) fn tidy(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut tidy = String::with_capacity(text.len());
    let mut blank_line = false;
    for line in text.split([
        '\n', '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{c}', '\u{b}',
    ]) {
        let before = tidy.len();
        if before > 0 {
            tidy.push_str(if blank_line { "\n\n" } else { "\n" });
        }
        let start = tidy.len();
        push_line(&mut tidy, line);
        // A line of nothing but blanks and control characters is a blank line.
        blank_line = tidy.len() == start;
        if blank_line {
            tidy.truncate(before);
        }
    }
    tidy
}

fn push_line(tidy: &mut String, line: &str) {
    let mut blanks = 0;
    for char in line.chars() {
        match char {
            '\u{ad}' | '\u{feff}' => {}
            '\t' | ' ' | '\u{a0}' => blanks += 1,
            char if char.is_control() => {}
            char => {
                push_blanks(tidy, blanks);
                blanks = 0;
                tidy.push(char);
            }
        }
    }
}

fn push_blanks(tidy: &mut String, blanks: usize) {
    let kept = if blanks > LONGEST_INDENT { 1 } else { blanks };
    tidy.extend(std::iter::repeat_n(' ', kept));
}
