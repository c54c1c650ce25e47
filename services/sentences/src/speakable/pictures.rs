//! Emoji in all their forms. Must not know marks.

use unicode_properties::emoji;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::class;

use super::LEFT_OUT;

/// Emoji are left out whole: joined families, flags, skin tones, keycaps. Digits, `©`, `®` and `™` are
/// text and only lose the selector that makes them pictures.
pub(super) fn without_emoji(text: &str) -> Option<String> {
    if !text.contains(|c| class::is_emoji(c) || is_part(c)) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        if !grapheme.contains(|c| class::is_emoji(c) || is_part(c)) {
            out.push_str(grapheme);
        } else if grapheme.starts_with(class::is_emoji) || grapheme.contains(KEYCAP) {
            out.push(LEFT_OUT);
        } else {
            out.extend(
                grapheme
                    .chars()
                    .filter(|c| !class::is_emoji(*c) && !is_part(*c)),
            );
        }
    }
    Some(out)
}

const KEYCAP: char = '\u{20e3}';

/// What is part of emoji only.
fn is_part(c: char) -> bool {
    c == KEYCAP
        || emoji::is_emoji_presentation_selector(c)
        || emoji::is_text_presentation_selector(c)
        || emoji::is_tag_character(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_left_out_whole() {
        for picture in ["😀", "👨‍👩‍👧", "🇮🇳", "👍🏽", "❤️", "1️⃣", "#️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🇮", "☎"]
        {
            assert_eq!(
                without_emoji(&format!("a {picture} b")).unwrap(),
                "a \u{1} b",
                "{picture}"
            );
        }
    }

    #[test]
    fn text_with_the_emoji_property_stays() {
        assert_eq!(without_emoji("© 2024 Troika™ #1 * ₹5"), None);
        assert_eq!(without_emoji("©\u{fe0f} 5\u{fe0f}").unwrap(), "© 5");
        assert_eq!(without_emoji("क\u{200d}ष"), None);
    }
}
