//! Text cut into pieces of a limited size, where it sounds best. Must not know why the size is limited.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::class;

/// Cuts `text` into pieces of at most `max` bytes, which together are the text: at the last end of a
/// sentence or clause in the second half of a piece, else at a word's end, else at a grapheme's end, else
/// (one grapheme is larger than `max`) between two characters. A single character that is larger than
/// `max` comes alone; that cannot be with 4 bytes and more.
pub fn split_to_bytes(text: &str, max: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = if rest.len() <= max {
            rest.len()
        } else {
            piece_end(rest, max)
        };
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        Some(piece)
    })
}

fn piece_end(text: &str, max: usize) -> usize {
    let window = &text[..text.floor_char_boundary(max)];
    let Some(first) = text.chars().next() else {
        return 0;
    };
    if window.is_empty() {
        return first.len_utf8();
    }
    clause_end(window)
        .or_else(|| word_end(window))
        .or_else(|| last_bound(window.len(), text.split_word_bound_indices().map(start)))
        .or_else(|| last_bound(window.len(), text.grapheme_indices(true).map(start)))
        .unwrap_or(window.len())
}

fn start<T>((at, _): (usize, T)) -> usize {
    at
}

/// After the white space behind the last sentence or clause mark in the second half.
fn clause_end(window: &str) -> Option<usize> {
    let mut after_mark = false;
    let mut end = None;
    for (at, c) in window.char_indices() {
        if c.is_whitespace() {
            let behind = at + c.len_utf8();
            if after_mark && behind > window.len() / 2 {
                end = Some(behind);
            }
        } else {
            after_mark = class::is_clause_mark(c)
                || class::ender(c).is_some()
                || (after_mark && (class::is_closing_quote(c) || class::is_closing_bracket(c)));
        }
    }
    end
}

/// After the last white space.
fn word_end(window: &str) -> Option<usize> {
    let (at, c) = window
        .char_indices()
        .rev()
        .find(|(_, c)| c.is_whitespace())?;
    (!window[..at].trim().is_empty()).then_some(at + c.len_utf8())
}

/// The last of `bounds` that is not behind `max`; bounds are taken on the whole text, since the window's
/// end may be none.
fn last_bound(max: usize, bounds: impl Iterator<Item = usize>) -> Option<usize> {
    bounds
        .take_while(|at| *at <= max)
        .last()
        .filter(|at| *at > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &str, max: usize) -> Vec<&str> {
        split_to_bytes(text, max).collect()
    }

    #[test]
    fn a_short_text_is_one_piece_and_an_empty_one_none() {
        assert_eq!(pieces("Hello there.", 20), ["Hello there."]);
        assert!(pieces("", 20).is_empty());
    }

    #[test]
    fn a_clause_end_is_better_than_a_word_end_and_that_better_than_a_grapheme_end() {
        assert_eq!(
            pieces("One two, three four five", 14),
            ["One two, ", "three four ", "five"]
        );
        assert_eq!(pieces("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(pieces("नमस्ते", 12), ["नम", "स्ते"]);
    }

    #[test]
    fn a_grapheme_larger_than_a_piece_is_cut_between_characters() {
        let family = "👨‍👩‍👧";
        let cut = pieces(family, 8);
        assert!(cut.len() > 1 && cut.iter().all(|piece| piece.len() <= 8));
        assert_eq!(cut.concat(), family);
        assert_eq!(pieces("₹5", 1), ["₹", "5"]);
    }

    proptest! {
        #[test]
        fn pieces_fit_and_make_up_the_text(text in r"([a-z]{1,9}|[क-ह]ि|, |\. |🇮🇳|👩‍🔬| |\n){0,60}", max in 4usize..40) {
            let cut = pieces(&text, max);
            prop_assert!(cut.iter().all(|piece| !piece.is_empty() && piece.len() <= max));
            prop_assert_eq!(cut.concat(), text);
        }
    }
}
