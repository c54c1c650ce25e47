//! Where text without an end is cut: at the end of a clause, else of a word, else of a grapheme. Pure
//! functions.

use unicode_segmentation::UnicodeSegmentation as _;

/// Marks that end a clause when white space follows.
pub(crate) fn is_clause_mark(character: char) -> bool {
    matches!(
        character,
        ',' | ';' | ':' | '—' | '–' | '،' | '؛' | '、' | '，' | '；' | '：'
    )
}

/// Parts of a text, each of at most `max` bytes, that make it up together. A part ends after a sentence or
/// clause where one ends in its last three quarters, else after a word, else after a grapheme, else, for a
/// grapheme that is longer, after a character.
pub fn split_to_bytes(text: &str, max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, left) = rest.split_at(if rest.len() <= max {
            rest.len()
        } else {
            place(rest, max)
        });
        rest = left;
        Some(part)
    })
}

/// The best place to cut `text` at `max` bytes or before; never 0, for a text that is longer than that.
pub(crate) fn place(text: &str, max: usize) -> usize {
    let window = &text[..text.floor_char_boundary(max)];
    let (mut clause, mut word) = (None, None);
    let mut before = ' ';
    for (place, character) in window.char_indices() {
        if character.is_whitespace() {
            let after = place + character.len_utf8();
            word = Some(after);
            if (is_clause_mark(before) || crate::boundary::is_mark(before)) && after >= max / 4 {
                clause = Some(after);
            }
        }
        before = character;
    }
    let grapheme = || {
        text.grapheme_indices(true)
            .map(|(place, _)| place)
            .take_while(|place| *place <= window.len())
            .last()
    };
    clause
        .or(word)
        .or_else(grapheme)
        .filter(|place| *place > 0)
        .unwrap_or_else(|| match window.len() {
            // Not even one character fits: it goes whole.
            0 => text.chars().next().map_or(text.len(), char::len_utf8),
            length => length,
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(text: &str, max: usize) -> Vec<&str> {
        split_to_bytes(text, max).collect()
    }

    #[test]
    fn a_short_text_stays_whole() {
        assert_eq!(parts("Hello.", 6), ["Hello."]);
        assert!(parts("", 6).is_empty());
    }

    #[test]
    fn clauses_are_kept_together_where_that_is_possible() {
        assert_eq!(
            parts("one two, three four five", 14),
            ["one two, ", "three four ", "five"]
        );
    }

    #[test]
    fn graphemes_are_kept_together() {
        // क + ् + ष + ि: one grapheme of twelve bytes.
        assert_eq!(parts("क्षिक्षि", 13), ["क्षि", "क्षि"]);
    }

    proptest! {
        #[test]
        fn parts_fit_and_make_up_the_text(text in "\\PC{0,200}", max in 4usize..80) {
            let parts = parts(&text, max);
            prop_assert_eq!(parts.concat(), text.as_str());
            prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= max));
        }
    }
}
