//! What single characters are: enders, closers, clause marks, line ends, emoji. The Unicode tables come
//! from the crates; must not know sentences or languages.

use unicode_properties::{
    EmojiStatus, GeneralCategory, GeneralCategoryGroup, UnicodeEmoji as _,
    UnicodeGeneralCategory as _,
};
use unicode_segmentation::UnicodeSegmentation as _;

/// How strongly a mark ends a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ender {
    /// `.` and the marks that UAX 29 calls `ATerm`: ends, or abbreviates, or parts digits.
    FullStop,
    /// `…`, or two full stops and more: ends, or only waits.
    Ellipsis,
    /// `?` and `!`: end nearly always.
    Mark,
    /// `।`, `॥`, `。` and every other `STerm` of UAX 29: always ends.
    Final,
}

/// The kind of ender `c` is, if it is one. Marks outside ASCII are looked up in the tables of UAX 29,
/// which the crate keeps to itself: a mark is an ender when the crate breaks a probe after it.
pub(crate) fn ender(c: char) -> Option<Ender> {
    match c {
        '.' => Some(Ender::FullStop),
        '!' | '?' => Some(Ender::Mark),
        '…' => Some(Ender::Ellipsis),
        '।' | '॥' => Some(Ender::Final),
        // ASCII, Latin letters, and the scripts of India, which share the two dandas above.
        '\0'..='\u{2ff}' | '\u{900}'..='\u{dff}' => None,
        _ if c.general_category() != GeneralCategory::OtherPunctuation => None,
        _ => probe(c),
    }
}

fn probe(c: char) -> Option<Ender> {
    let breaks = |probe: &str| {
        let before_last = probe.len() - 1;
        probe
            .split_sentence_bound_indices()
            .any(|(at, _)| at == before_last)
    };
    let mut spaced = String::with_capacity(8);
    spaced.extend(['a', c, ' ', 'B']);
    if !breaks(&spaced) {
        return None;
    }
    spaced.truncate(1 + c.len_utf8());
    spaced.push('B');
    match c {
        '‼' | '⁇' | '⁈' | '⁉' | '؟' => Some(Ender::Mark),
        _ if breaks(&spaced) => Some(Ender::Final),
        _ => Some(Ender::FullStop),
    }
}

/// Whether `c` ends a line: the mandatory breaks of UAX 14. A carriage return waits for a line feed.
pub(crate) fn is_line_end(c: char) -> bool {
    matches!(
        c,
        '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Marks that part clauses when white space follows them.
pub(crate) fn is_clause_mark(c: char) -> bool {
    matches!(
        c,
        ',' | ';' | ':' | '—' | '–' | '،' | '؛' | '、' | '，' | '；' | '：' | '·' | '…'
    )
}

/// Marks with which a sentence goes on (`SContinue` of UAX 29, without the dashes).
pub(crate) fn is_continuing(c: char) -> bool {
    matches!(c, ',' | ';' | ':' | '،' | '؛' | '、' | '，' | '；' | '：')
}

/// Quotation marks and emphasis that close a sentence when they follow its ender at once. Languages
/// turn the curved and angled quotes either way, so both ways count.
pub(crate) fn is_closing_quote(c: char) -> bool {
    match c {
        '"' | '\'' | '*' | '_' | '~' => true,
        _ if c.is_ascii() => false,
        _ => matches!(
            c.general_category(),
            GeneralCategory::FinalPunctuation | GeneralCategory::InitialPunctuation
        ),
    }
}

/// Closing brackets.
pub(crate) fn is_closing_bracket(c: char) -> bool {
    match c {
        ')' | ']' | '}' => true,
        _ if c.is_ascii() => false,
        _ => c.general_category() == GeneralCategory::ClosePunctuation,
    }
}

/// Opening brackets and the marks with which only a new sentence opens.
pub(crate) fn is_opening(c: char) -> bool {
    match c {
        '(' | '[' | '{' | '¿' | '¡' => true,
        _ if c.is_ascii() => false,
        _ => matches!(
            c.general_category(),
            GeneralCategory::OpenPunctuation | GeneralCategory::InitialPunctuation
        ),
    }
}

/// Characters that never stand alone: combining marks, joiners, variation selectors (`Extend` and
/// `Format` of UAX 29). White space is none of them.
pub(crate) fn is_extending(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    matches!(
        c.general_category(),
        GeneralCategory::NonspacingMark
            | GeneralCategory::EnclosingMark
            | GeneralCategory::SpacingMark
            | GeneralCategory::Format
    ) || matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Letters of scripts without capitals: a sentence may begin with any of them.
pub(crate) fn is_caseless(c: char) -> bool {
    !c.is_ascii() && c.is_alphabetic() && !c.is_lowercase() && !c.is_uppercase()
}

/// Signs of money, which stand before a number.
pub(crate) fn is_currency(c: char) -> bool {
    c == '$' || (!c.is_ascii() && c.general_category() == GeneralCategory::CurrencySymbol)
}

/// Whether `c` is a picture. Digits, `#`, `*`, `©`, `®`, `™` and the double marks `‼` and `⁉` have the
/// Unicode property too, but are read as text.
pub(crate) fn is_emoji(c: char) -> bool {
    if c < '\u{2000}' || matches!(c, '‼' | '⁉' | '™') {
        return false;
    }
    c.emoji_status() != EmojiStatus::NonEmoji
        && c.emoji_status() != EmojiStatus::NonEmojiButEmojiComponent
        && c.general_category_group() != GeneralCategoryGroup::Number
        || unicode_properties::emoji::is_regional_indicator(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enders_come_from_the_unicode_tables() {
        for (c, expected) in [
            ('.', Some(Ender::FullStop)),
            ('।', Some(Ender::Final)),
            ('॥', Some(Ender::Final)),
            ('。', Some(Ender::Final)),
            ('！', Some(Ender::Final)),
            ('۔', Some(Ender::Final)),
            ('።', Some(Ender::Final)),
            ('．', Some(Ender::FullStop)),
            ('؟', Some(Ender::Mark)),
            ('‼', Some(Ender::Mark)),
            ('…', Some(Ender::Ellipsis)),
            (',', None),
            ('、', None),
            ('्', None),
            ('“', None),
            ('•', None),
        ] {
            assert_eq!(ender(c), expected, "{c}");
        }
    }

    #[test]
    fn pictures_are_emoji_and_text_is_not() {
        for c in "😀🎉🇮❤☎✅⭐🏽".chars() {
            assert!(is_emoji(c), "{c}");
        }
        for c in "1#*©®™₹‼aक“→€".chars() {
            assert!(!is_emoji(c), "{c}");
        }
    }
}
