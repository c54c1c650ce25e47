//! Marks within a line: emphasis, strikethrough, inline code, escapes. Must not know lines or links.

use crate::class;

/// Emphasis, strikethrough and backticks go, with or without their partners. A single `*` between two
/// operands, `_` within a word and a single `~` are text.
pub(super) fn without_emphasis(text: &str) -> Option<String> {
    if !text.contains(['*', '_', '~', '`']) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(found) = text[at..].find(['*', '_', '~', '`']) {
        let start = at + found;
        out.push_str(&text[at..start]);
        let mark = text[start..].chars().next()?;
        let length = text[start..].len() - text[start..].trim_start_matches(mark).len();
        at = start + length;
        let (before, after) = (&text[..start], &text[at..]);
        let stays = match mark {
            '*' => length == 1 && is_times(before, after),
            '_' => ends_in_word(before) && starts_with_word(after),
            '~' => length == 1,
            _ => false,
        };
        if stays {
            out.push_str(&text[start..at]);
        }
    }
    Some(out + &text[at..])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || class::is_extending(c)
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(is_word)
}

fn starts_with_word(text: &str) -> bool {
    text.starts_with(is_word)
}

/// Whether a `*` multiplies: a digit at it and a word at its other side, or white space around it and a
/// number or a letter next.
fn is_times(before: &str, after: &str) -> bool {
    if ends_in_word(before) && starts_with_word(after) {
        return before.ends_with(char::is_numeric) || after.starts_with(char::is_numeric);
    }
    if !before.ends_with(char::is_whitespace) || !after.starts_with(char::is_whitespace) {
        return false;
    }
    let left = operand(before.split_whitespace().next_back());
    let right = operand(after.split_whitespace().next());
    match (left, right) {
        (Some(left), Some(right)) => is_small(left) || is_small(right),
        _ => false,
    }
}

fn operand(word: Option<&str>) -> Option<&str> {
    word.map(|word| word.trim_matches(|c| !is_word(c)))
        .filter(|word| !word.is_empty())
}

fn is_small(word: &str) -> bool {
    word.contains(char::is_numeric) || word.chars().nth(1).is_none()
}

/// `\*` becomes `*`; a backslash at the end, which asks for a line break, goes.
pub(super) fn without_escapes(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let is_escape = c == '\\'
            && characters
                .peek()
                .is_none_or(|next| next.is_ascii_punctuation() || class::is_line_end(*next));
        if is_escape {
            out.extend(characters.next());
        } else {
            out.push(c);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emphasis_goes_with_or_without_its_partner() {
        for (text, expected) in [
            (
                "**bold** and *it* and __b__ and _i_",
                "bold and it and b and i",
            ),
            ("***both***", "both"),
            ("opens **here", "opens here"),
            ("closes here**.", "closes here."),
            ("~~gone~~ ~5 km", "gone ~5 km"),
            ("`code` and ``a ` b``", "code and a  b"),
        ] {
            assert_eq!(without_emphasis(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn marks_that_are_text_stay() {
        for text in [
            "5 * 3",
            "a * b",
            "5*3",
            "snake_case_name",
            "a_b@c.de",
            "price * 2",
        ] {
            assert_eq!(without_emphasis(text).unwrap(), text);
        }
        assert_eq!(
            without_emphasis("Items: * one * two").unwrap(),
            "Items:  one  two"
        );
    }

    #[test]
    fn escaped_marks_become_themselves() {
        assert_eq!(without_escapes(r"\$5 \# C:\new\").unwrap(), r"$5 # C:\new");
    }
}
