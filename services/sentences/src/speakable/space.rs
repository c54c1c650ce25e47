//! White space: what is left of it when the marks are gone. Must not know the marks.

use super::LEFT_OUT;

/// Control characters become white space; line ends stay, for the rules that go by lines.
pub(super) fn without_controls(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && !crate::class::is_line_end(c) {
                if c == '\r' { '\n' } else { ' ' }
            } else {
                c
            }
        })
        .collect()
}

/// One space between words, none before closing marks where something was left out, nothing at all when
/// no letter or digit is left.
pub(super) fn tidied(text: &str) -> String {
    if !text.contains(char::is_alphanumeric) {
        return String::new();
    }
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    let mut left_out = false;
    for c in text.chars() {
        if c == LEFT_OUT {
            left_out = true;
        } else if is_invisible(c) {
            // Says nothing, parts nothing.
        } else if c.is_whitespace() || c.is_control() {
            space = true;
        } else if left_out && out.ends_with(['(', '[']) && matches!(c, ')' | ']') {
            // Empty brackets go with what was in them.
            out.pop();
            space = out.ends_with(' ');
            out.truncate(out.trim_end().len());
        } else {
            let attaches = left_out && (closes(c) || out.ends_with(['(', '[', '“', '«', '"']));
            if (space || left_out) && !out.is_empty() && !attaches {
                out.push(' ');
            }
            out.push(c);
            space = false;
            left_out = false;
        }
    }
    out
}

fn closes(c: char) -> bool {
    crate::class::ender(c).is_some()
        || crate::class::is_continuing(c)
        || matches!(c, ')' | ']' | '}' | '”' | '’')
}

/// Soft hyphens, byte order marks, zero width spaces, object replacements. Joiners are none: scripts of
/// India need them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{fffc}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_one_space_and_none_at_the_edges() {
        assert_eq!(tidied(" a \t b\u{a0}\n c "), "a b c");
        assert_eq!(tidied(" ... — !"), "");
    }

    #[test]
    fn nothing_is_left_where_something_was_left_out() {
        assert_eq!(tidied("Great \u{1}!"), "Great!");
        assert_eq!(
            tidied("see (\u{1}) this \u{1}and\u{1} that"),
            "see this and that"
        );
        assert_eq!(tidied("fact\u{1}."), "fact.");
    }
}
