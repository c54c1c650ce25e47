//! Whether a mark ends a sentence. The marks and their company (closing quotes, spaces) are those of
//! Unicode's sentence segmentation (UAX #29); where that is wrong for speech, rules of our own come first:
//! it breaks after every abbreviation, never before a word in lower case however clear the end, and after a
//! stop it reads on over digits and quotes without end. Here a stop is decided by the word before it and by
//! the next character that is no space, and never by more. Pure functions over the text so far.

use crate::abbreviations::{Abbreviations, Stop};

/// Marks and closers taken together at most; more of them decide nothing.
const RUN: usize = 64;

/// What a mark means for the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The sentence ends before this byte.
    Ends(usize),
    /// It goes on; look again from this byte.
    GoesOn(usize),
    /// What follows decides, and is not there yet.
    Undecided,
}

/// Marks that end sentences: UAX #29's STerm and ATerm of the served scripts, and their wide forms.
pub(crate) fn is_mark(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '?' | '…' | '।' | '॥' | '‼' | '⁇' | '⁈' | '⁉' | '。' | '！' | '？' | '．' | '｡' | '؟'
    )
}

/// Marks after which no space is needed.
fn stands_alone(character: char) -> bool {
    matches!(character, '।' | '॥' | '。' | '！' | '？' | '｡')
}

/// What closes with the sentence: quotes, brackets, and Markdown's emphasis.
fn is_closer(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | '”' | '’' | '»' | '›' | ')' | ']' | '}' | '」' | '』' | '*' | '_' | '~' | '`'
    )
}

/// What the mark at byte `at` of `text` means. `text` begins with the sentence; `whole` says that nothing
/// will follow it.
pub(crate) fn verdict(text: &str, at: usize, whole: bool, rules: &Abbreviations) -> Verdict {
    let run = Run::of(text, at);
    let mut end = run.end;
    loop {
        let Some(next) = text[end..].chars().next() else {
            return if whole {
                Verdict::Ends(end)
            } else {
                Verdict::Undecided
            };
        };
        if next == '[' {
            // A footnote's number belongs to the sentence: "so it is.[1]"
            match footnote(&text[end..]) {
                Some(length) => {
                    end += length;
                    continue;
                }
                None if !whole && may_become_footnote(&text[end..]) => return Verdict::Undecided,
                None => {}
            }
        }
        if next == '\n' {
            return Verdict::Ends(end + 1);
        }
        if !next.is_whitespace() {
            return if run.ends_without_space(text, at, next, rules) {
                Verdict::Ends(end)
            } else {
                Verdict::GoesOn(end)
            };
        }
        let spaces = text[end..]
            .chars()
            .take(RUN)
            .take_while(|character| character.is_whitespace() && *character != '\n');
        let (count, length) = spaces.fold((0, 0), |(count, length), space| {
            (count + 1, length + space.len_utf8())
        });
        let after = end + length;
        let Some(follower) = text[after..].chars().next() else {
            return if whole {
                Verdict::Ends(after)
            } else if count == RUN {
                Verdict::Ends(after)
            } else {
                Verdict::Undecided
            };
        };
        if follower == '\n' {
            return Verdict::Ends(after + 1);
        }
        // French sets its closing quotes off with a space that does not break.
        if follower == '»' && text[end..after].chars().all(|space| matches!(space, '\u{a0}' | '\u{202f}')) {
            end = after + follower.len_utf8();
            continue;
        }
        return if count == RUN || run.ends_before(text, at, follower, rules) {
            Verdict::Ends(after)
        } else {
            Verdict::GoesOn(after)
        };
    }
}

/// Marks that stand together, with what closes after them: `?!"`, `...`, `.**`.
struct Run {
    /// The first byte after them.
    end: usize,
    /// One of them is no full stop and no ellipsis.
    strong: bool,
    /// More than one stop, or the sign for it.
    ellipsis: bool,
    /// One of them needs no space after it.
    alone: bool,
}

impl Run {
    fn of(text: &str, at: usize) -> Self {
        let mut run = Self {
            end: at,
            strong: false,
            ellipsis: false,
            alone: false,
        };
        let mut stops = 0;
        for character in text[at..].chars().take(RUN) {
            if is_mark(character) {
                stops += usize::from(character == '.');
                run.ellipsis |= character == '…' || stops > 1;
                run.strong |= !matches!(character, '.' | '…' | '．');
                run.alone |= stands_alone(character);
            } else if !is_closer(character) {
                break;
            }
            run.end += character.len_utf8();
        }
        run
    }

    /// Nothing stands between the marks and `next`.
    fn ends_without_space(&self, text: &str, at: usize, next: char, rules: &Abbreviations) -> bool {
        if self.alone || is_pictograph(next) {
            return true;
        }
        if !has_no_case(next) || self.ellipsis {
            return false;
        }
        // Scripts without capitals are often written on without a space.
        let word = word_before(text, at);
        self.strong
            || (word.chars().next_back().is_some_and(has_no_case)
                && !word.contains('.')
                && rules.stop(word) == Stop::Ends)
    }

    /// Spaces stand between the marks and `next`.
    fn ends_before(&self, text: &str, at: usize, next: char, rules: &Abbreviations) -> bool {
        if self.alone {
            return true;
        }
        if next.is_lowercase() {
            return false;
        }
        if self.strong {
            return true;
        }
        if self.ellipsis {
            return !has_no_case(next);
        }
        let word = word_before(text, at);
        if word.chars().all(|character| character.is_numeric()) && !word.is_empty() {
            let digits = word.chars().count();
            let begins_line = text[..at - word.len()]
                .chars()
                .all(|character| character.is_whitespace() || matches!(character, '>' | '*' | '-' | '#'));
            let is_marker = begins_line && digits <= 3;
            return !is_marker && !(rules.ordinals && digits <= 2);
        }
        match rules.stop(word) {
            Stop::Ends => true,
            Stop::Never => false,
            Stop::BeforeNumber => !next.is_numeric(),
            Stop::MayEnd => next.is_uppercase() || has_no_case(next) || !next.is_alphanumeric(),
        }
    }
}

/// The word that ends before byte `at`, with the stops inside it.
fn word_before(text: &str, at: usize) -> &str {
    let before = &text[..at];
    let begins = before
        .char_indices()
        .rev()
        .find(|(_, character)| {
            character.is_whitespace()
                || matches!(
                    character,
                    '(' | '[' | '{' | '"' | '\'' | '“' | '‘' | '«' | '„' | '¿' | '¡' | '*' | '_' | '~' | '`' | '/' | ',' | ':'
                )
        })
        .map_or(0, |(place, character)| place + character.len_utf8());
    &before[begins..]
}

/// A letter of a script without capitals.
fn has_no_case(character: char) -> bool {
    character.is_alphabetic() && !character.is_lowercase() && !character.is_uppercase()
}

/// An emoji, roughly: what stands after a sentence without being part of any.
fn is_pictograph(character: char) -> bool {
    matches!(character, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// The bytes of a footnote's number, `[12]`, that `text` begins with.
fn footnote(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('[')?;
    let digits = inside.bytes().take_while(u8::is_ascii_digit).count();
    ((1..=3).contains(&digits) && inside[digits..].starts_with(']')).then_some(digits + 2)
}

/// `text` is the beginning of a footnote's number, and ends in it.
fn may_become_footnote(text: &str) -> bool {
    let inside = &text[1..];
    inside.len() <= 3 && inside.bytes().all(|byte| byte.is_ascii_digit())
}
