//! What the word before a full stop is: a list's number, an abbreviation, an initial, an ordinal, or an
//! ordinary word. Must not know what comes behind it.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::{
    class,
    language::{Abbreviation, Language},
};

use super::ending::Context;

/// Longest word, in bytes, that is looked up: no abbreviation is longer in any script.
const MAX_BYTES: usize = 64;

/// The word before a full stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The number or letter before a list item.
    ListNumber,
    /// Never ends a sentence.
    Inner,
    /// See [`Abbreviation`].
    BeforeNumber,
    MayEnd,
    Ends,
    /// A number of a language that writes ordinals with a full stop.
    Ordinal,
    /// Any other, of a script with capitals or `caseless`.
    Ordinary {
        caseless: bool,
    },
}

impl From<Abbreviation> for Word {
    fn from(abbreviation: Abbreviation) -> Self {
        match abbreviation {
            Abbreviation::Inner => Self::Inner,
            Abbreviation::BeforeNumber => Self::BeforeNumber,
            Abbreviation::MayEnd => Self::MayEnd,
            Abbreviation::Ends => Self::Ends,
        }
    }
}

/// Whether `c` is part of a word.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || class::is_extending(c)
}

/// Whether `c` may stand before a word that opens a sentence.
pub(super) fn is_opening_mark(c: char) -> bool {
    matches!(c, '*' | '_' | '~' | '`' | '"' | '\'') || class::is_opening(c)
}

/// Whether something of a word stands before the enders at the end of `before`.
pub(super) fn ends_with_word(before: &str, token: usize) -> bool {
    let word = &before[token.min(before.len())..];
    let word = word.trim_end_matches(|c| class::ender(c).is_some());
    // "A...Z" is a range.
    word.char_indices()
        .next_back()
        .is_some_and(|(at, c)| at > 0 && (is_word(c) || class::is_closing_bracket(c)))
}

/// Whether the last word is one of a script without capitals and too long for an abbreviation: then a
/// full stop ends it even without white space behind.
pub(super) fn is_whole_caseless_word(before: &str, token: usize) -> bool {
    let word = &before[token.min(before.len())..];
    let word = word.rsplit('.').next().unwrap_or_default();
    word.chars().next_back().is_some_and(is_word)
        && word.chars().next().is_some_and(class::is_caseless)
        && word.graphemes(true).nth(3).is_some()
}

/// What the last word of the text before a full stop is.
pub(super) fn before_full_stop(context: &Context<'_>) -> Word {
    let token = &context.before[context.token.min(context.before.len())..];
    let caseless = token
        .chars()
        .rev()
        .find(|c| c.is_alphanumeric())
        .is_some_and(class::is_caseless);
    if token.len() > MAX_BYTES || context.address {
        return Word::Ordinary { caseless };
    }
    // "1\. First" has an escaped full stop.
    let token = token.trim_end_matches(|c| c == '\\' || class::is_closing_quote(c));
    let word = token
        .rsplit(['/', '-', '(', '[', '—', '–'])
        .next()
        .unwrap_or(token)
        .trim_start_matches(is_opening_mark);
    let start = context.token + token.len() - word.len();
    if is_list_number(word, start, context) {
        return Word::ListNumber;
    }
    if let Some(known) = abbreviation(token, word, context) {
        return known;
    }
    if is_ordinal(word) && context.language.has_ordinals() {
        // "3. 10. 2025": the second number of a date.
        let previous = previous(context);
        return match previous.strip_suffix('.') {
            Some(day) if is_ordinal(day) => Word::Inner,
            _ => Word::Ordinal,
        };
    }
    Word::Ordinary { caseless }
}

fn is_ordinal(word: &str) -> bool {
    (1..=2).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The word before the last one, without opening marks.
fn previous<'a>(context: &Context<'a>) -> &'a str {
    context
        .before
        .get(context.previous..context.token)
        .unwrap_or_default()
        .trim()
        .trim_start_matches(is_opening_mark)
}

fn abbreviation(token: &str, word: &str, context: &Context<'_>) -> Option<Word> {
    if word.is_empty() || word.chars().all(char::is_numeric) {
        return None;
    }
    let language = context.language;
    let small = word.to_lowercase();
    let previous = previous(context);
    // "z. B.", "p. m.", "EE. UU.": with the word before it.
    let joined = (previous.ends_with('.') && previous.len() <= MAX_BYTES)
        .then(|| previous.to_lowercase() + &small);
    joined
        .and_then(|joined| language.abbreviation(&joined))
        .or_else(|| language.abbreviation(&small))
        .or_else(|| {
            let whole = token.trim_start_matches(is_opening_mark).to_lowercase();
            language.abbreviation(&whole)
        })
        .or_else(|| elided(&small).and_then(|word| language.abbreviation(word)))
        // "P." before a name is an initial, "p. 5" a page.
        .filter(|known| *known != Abbreviation::BeforeNumber || !is_capital(word))
        .map(Word::from)
        .or_else(|| initials(word))
}

/// The word behind an article or pronoun that lost its vowel: "art" of "l'art".
fn elided(word: &str) -> Option<&str> {
    let (article, word) = word.split_once(['\'', '’'])?;
    (article.chars().count() <= 2 && word.chars().nth(1).is_some()).then_some(word)
}

fn is_capital(word: &str) -> bool {
    let mut characters = word.chars();
    characters.next().is_some_and(char::is_uppercase) && characters.next().is_none()
}

/// "A. Sharma", "A.P.J.", "एम. एस. धोनी": single letters, or several with full stops between.
fn initials(word: &str) -> Option<Word> {
    let is_letter = |part: &str| {
        let mut characters = part.chars();
        characters.next().is_some_and(char::is_alphabetic)
            && part.graphemes(true).nth(1).is_none()
            && !part.starts_with(class::is_caseless)
    };
    let is_syllable =
        |part: &str| part.starts_with(class::is_caseless) && part.graphemes(true).nth(2).is_none();
    if word.contains('.') {
        return word
            .split('.')
            .all(|part| is_letter(part) || is_syllable(part))
            .then_some(Word::MayEnd);
    }
    (is_letter(word) || Language::is_initial(word)).then_some(Word::MayEnd)
}

/// "1. First" at a line's beginning, "steps: 1. Open", and the items that follow it on the line.
fn is_list_number(word: &str, start: usize, context: &Context<'_>) -> bool {
    let at_start = || {
        context
            .before
            .get(..start)
            .is_some_and(|lead| !lead.contains(|c: char| is_word(c) || class::is_currency(c)))
    };
    let numbers = word
        .split('.')
        .all(|part| (1..=2).contains(&part.chars().count()) && part.chars().all(char::is_numeric));
    if numbers {
        if let Some(number) = item_number(word) {
            let introduced = number == 1
                && context
                    .before
                    .get(..context.token)
                    .is_some_and(|before| before.trim_end().ends_with(':'));
            let follows = context.last_item.is_some_and(|last| last + 1 == number) && at_start();
            if introduced || follows {
                return true;
            }
        }
        return context.at_line_start && at_start();
    }
    let letter = word.chars().next().is_some_and(char::is_alphabetic)
        && (word.chars().nth(1).is_none()
            || (word.len() <= 4 && word.chars().all(|c| matches!(c, 'i' | 'v' | 'x'))));
    letter && context.at_line_start && at_start()
}

/// The number of a list item, for ASCII digits.
pub(super) fn item_number(word: &str) -> Option<u32> {
    word.parse().ok()
}
