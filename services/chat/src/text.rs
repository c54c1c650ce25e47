//! What people type, made the same however their machine composes it, and letters that nobody types. Pure.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// The most letters that one letter of a normalised text is composed of, as people write.
const COMPOSED: usize = 4;

/// Trims a text and composes its letters (NFC); line ends become `\n`. A text that has more than `most` characters by
/// far stays as it is: it is going to be refused.
pub(crate) fn tidy(text: &str, most: usize) -> String {
    let text = text.trim();
    if text.chars().nth(most.saturating_mul(COMPOSED)).is_some() {
        return text.to_owned();
    }
    let lines = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    match is_nfc_quick(lines.chars()) {
        IsNormalized::Yes => lines.into_owned(),
        _ => lines.nfc().collect(),
    }
}

/// Whether it has control characters other than line ends and tabs.
pub(crate) fn has_control(text: &str) -> bool {
    text.chars()
        .any(|letter| letter.is_control() && !matches!(letter, '\n' | '\t'))
}

/// Whether it has what a single line of text must not have: control characters, line ends of any kind, and letters that
/// are not seen and turn round how others are read. Joiners and marks stay: names are written with them.
pub(crate) fn has_hidden(text: &str) -> bool {
    text.chars().any(|letter| {
        letter.is_control()
            || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_are_composed_and_lines_end_alike() {
        for (text, expected) in [
            ("plain", "plain"),
            ("  e\u{301}te\u{301} \n", "\u{e9}t\u{e9}"),
            ("\u{e9}", "\u{e9}"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            // What compatibility alone makes equal stays apart.
            ("\u{fb01}", "\u{fb01}"),
            ("\u{212b}", "\u{c5}"),
            // Indian letters that have one form only.
            ("\u{958}", "\u{915}\u{93c}"),
            ("a\r\nb\n\tc", "a\nb\n\tc"),
            ("a\rb", "a\rb"),
        ] {
            assert_eq!(tidy(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn what_nobody_types_is_found() {
        for (text, control, hidden) in [
            ("plain", false, false),
            ("two\nlines\tand a tab", false, true),
            ("a\rb", true, true),
            ("a\0b", true, true),
            ("\u{1b}[31mred", true, true),
            ("a\u{7f}", true, true),
            ("a\u{85}b", true, true),
            ("a\u{9b}31m", true, true),
            ("a\u{2028}b", false, true),
            ("gpj.\u{202e}exe", false, true),
            ("\u{2066}a\u{2069}", false, true),
            // Joiners, marks of direction and of order, emoji.
            ("क्\u{200d}ष", false, false),
            ("نمی\u{200c}خواهم", false, false),
            ("\u{200f}אבי", false, false),
            ("👩\u{200d}👩\u{200d}👧", false, false),
        ] {
            assert_eq!(has_control(text), control, "{text:?}");
            assert_eq!(has_hidden(text), hidden, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_tidy_text_stays_as_it_is(text in any::<String>()) {
            let once = tidy(&text, 100);
            prop_assert_eq!(tidy(&once, 100), once.clone());
        }
    }
}
