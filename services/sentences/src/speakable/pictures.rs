//! Emoji and other pictures: seen, not said.

use std::borrow::Cow;

use unicode_properties::{EmojiStatus, UnicodeEmoji as _};
use unicode_segmentation::UnicodeSegmentation as _;

const SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];
const KEYCAP: char = '\u{20e3}';
const JOINER: char = '\u{200d}';

/// Emoji are left out whole, with their skin, hair, flags and joiners; a key's digit stays, and so do the signs
/// that are words: ©, ®, ™.
pub(super) fn left_out(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut said = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        let mut characters = grapheme.chars();
        let Some(first) = characters.next() else {
            continue;
        };
        if is_picture(first) || SELECTORS.contains(&first) || first == KEYCAP {
            continue;
        }
        if first.is_ascii() || matches!(first, '©' | '®' | '™') {
            said.push(first);
            said.extend(characters.filter(|next| {
                !SELECTORS.contains(next) && *next != KEYCAP && *next != JOINER && !is_picture(*next)
            }));
        } else {
            said.push_str(grapheme);
        }
    }
    Cow::Owned(said)
}

fn is_picture(character: char) -> bool {
    !character.is_ascii()
        && !matches!(character, '©' | '®' | '™' | '‼' | '⁉')
        && !matches!(
            character.emoji_status(),
            EmojiStatus::NonEmoji | EmojiStatus::NonEmojiButEmojiComponent
        )
        || matches!(character, '\u{1f1e6}'..='\u{1f1ff}' | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_left_out_whole() {
        for (text, said) in [
            ("Great! 🎉", "Great! "),
            ("👩‍👩‍👧 family", " family"),
            ("🇮🇳 and 👍🏽", " and "),
            ("press 1️⃣", "press 1"),
            ("troika™ ©2026", "troika™ ©2026"),
            ("✅ done ❤️", " done "),
        ] {
            assert_eq!(left_out(text), said);
        }
    }

    #[test]
    fn joiners_of_scripts_stay() {
        for text in ["क्‍ष", "ശ്രീ", "നന്‍മ", "క్‌ష"] {
            assert_eq!(left_out(text), text);
        }
    }
}
