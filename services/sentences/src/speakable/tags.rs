//! The tags that models write for the page: `[SUGGESTIONS: a | b]`, `[KBQ: …]`.

use std::borrow::Cow;

const TAGS: [&str; 2] = ["[SUGGESTIONS:", "[KBQ:"];

/// Tags are never said; one that is not closed goes on to the end.
pub(super) fn left_out(text: &str) -> Cow<'_, str> {
    let Some((begins, tag)) = first(text) else {
        return Cow::Borrowed(text);
    };
    let inside = &text[begins + tag.len()..];
    let after = inside.find(']').map_or("", |close| &inside[close + 1..]);
    Cow::Owned(format!("{}{}", &text[..begins], left_out(after)))
}

fn first(text: &str) -> Option<(usize, &'static str)> {
    let found = TAGS.iter().filter_map(|tag| {
        let begins = text
            .as_bytes()
            .windows(tag.len())
            .position(|window| window.eq_ignore_ascii_case(tag.as_bytes()))?;
        Some((begins, *tag))
    });
    found.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_left_out_closed_or_not() {
        assert_eq!(left_out("Yes. [SUGGESTIONS: a | b] No."), "Yes.  No.");
        assert_eq!(left_out("Yes. [kbq: why"), "Yes. ");
        assert_eq!(left_out("[KBQ: a][SUGGESTIONS: b]c"), "c");
        assert_eq!(left_out("[a] stays"), "[a] stays");
    }
}
