//! The decision whether an ender ends its sentence, from what stands before it and the next character
//! behind it. Must not know how a text comes in or what is said of it.

use crate::{
    class::{self, Ender},
    language::Language,
};

use super::word::{self, Word};

/// An ender that has been seen, with what belongs to it, until it is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) ender: Ender,
    /// Where the last ender of the run stands.
    pub(super) start: usize,
    /// Where the next sentence would begin: behind enders, closing marks and white space.
    pub(super) end: usize,
    /// White space, or a line break by a tag, has followed.
    pub(super) gap: bool,
    /// A closing quote or emphasis has followed.
    pub(super) quoted: bool,
    /// A closing bracket has followed.
    pub(super) bracketed: bool,
    /// More than one ender, as in `?!`.
    pub(super) run: bool,
    pub(super) tail: Tail,
}

/// What is being read behind `end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    None,
    /// A tag or a link's target at once behind the ender: it belongs to the sentence.
    Region(super::region::Region),
    /// A footnote mark at once behind the ender.
    Footnote,
    /// The next word, for this question.
    Word(Question),
}

/// What the next word decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Ends before a common first word of sentences.
    FirstWord,
    /// Ends before a capital.
    Capital,
    /// Ends unless a number or a sign of money follows.
    NoNumber,
    /// Ends unless it is an ordinal's noun, or a number with a full stop.
    NoOrdinal,
    /// Ends before a word with a capital behind its first letter.
    SmallWord,
}

/// What is known at the next character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ends,
    GoesOn,
    /// The next word decides.
    Ask(Question),
}

/// What stands around an ender.
pub(super) struct Context<'a> {
    pub(super) language: &'static Language,
    /// The sentence so far, up to the ender.
    pub(super) before: &'a str,
    /// Where the word with the ender, and the one before it, begin.
    pub(super) token: usize,
    pub(super) previous: usize,
    /// The word is an address or part of one.
    pub(super) address: bool,
    /// The sentence began at a line's beginning.
    pub(super) at_line_start: bool,
    /// A bracket was opened behind the sentence's beginning.
    pub(super) in_bracket: bool,
    /// The number of the list item before this one, on the same line.
    pub(super) last_item: Option<u32>,
}

impl Ending {
    /// An ender at `start`, with nothing behind it yet.
    pub(super) fn new(ender: Ender, start: usize, end: usize) -> Self {
        Self {
            ender,
            start,
            end,
            gap: false,
            quoted: false,
            bracketed: false,
            run: false,
            tail: Tail::None,
        }
    }

    /// Another ender follows, at `start`: "...", "?!", "!!".
    pub(super) fn extend(&mut self, next: Ender, start: usize) {
        self.ender = match (self.ender, next) {
            (Ender::Final, _) | (_, Ender::Final) => Ender::Final,
            (Ender::Mark, _) | (_, Ender::Mark) => Ender::Mark,
            (Ender::FullStop | Ender::Ellipsis, Ender::FullStop | Ender::Ellipsis) => {
                Ender::Ellipsis
            }
        };
        self.start = start;
        self.run = true;
    }

    /// What has been read behind the ender, up to `end`, belongs to the sentence.
    pub(super) fn belongs(&mut self, end: usize) {
        self.end = end;
        self.tail = Tail::None;
    }

    /// Decides at `c`, the first character that is neither closing mark nor white space.
    pub(super) fn decide(&self, c: char, context: &Context<'_>) -> Verdict {
        // Behind white space only a comma goes on for certain: ":" may be a face, and what an abbreviation
        // does before it is decided below.
        if class::is_continuing(c) && self.ender != Ender::Final && (!self.gap || c == ',') {
            return Verdict::GoesOn;
        }
        let ends = match self.ender {
            Ender::Final => true,
            Ender::Mark if self.gap => self.mark_before_gap(c, context),
            Ender::Mark => self.mark_at_once(c, context),
            Ender::Ellipsis if self.gap => !c.is_lowercase() && !c.is_numeric(),
            Ender::Ellipsis => {
                class::is_emoji(c)
                    || c == '['
                    || (c.is_uppercase() && word::ends_with_word(context.before, context.token))
            }
            Ender::FullStop if self.gap => return self.full_stop_before_gap(c, context),
            Ender::FullStop => self.full_stop_at_once(c, context),
        };
        if ends { Verdict::Ends } else { Verdict::GoesOn }
    }

    fn mark_before_gap(&self, c: char, context: &Context<'_>) -> bool {
        if c.is_lowercase() {
            return !self.quoted && !self.bracketed;
        }
        !(class::is_caseless(c) && self.bracketed && context.in_bracket)
    }

    fn mark_at_once(&self, c: char, context: &Context<'_>) -> bool {
        if context.address {
            return false;
        }
        let closed = self.quoted || self.bracketed;
        match c {
            // An image's mark; "Hello![1]" has a word before it.
            '[' => closed || word::ends_with_word(context.before, context.token),
            '<' => true,
            _ if c.is_uppercase() || class::is_caseless(c) => {
                closed || self.run || word::ends_with_word(context.before, context.token)
            }
            _ => class::is_emoji(c) || (class::is_opening(c) && c != '('),
        }
    }

    fn full_stop_at_once(&self, c: char, context: &Context<'_>) -> bool {
        if class::is_emoji(c) || c == '<' {
            return true;
        }
        if context.address {
            return false;
        }
        match c {
            '[' => word::ends_with_word(context.before, context.token),
            _ if self.quoted && !self.bracketed => c.is_uppercase() || class::is_caseless(c),
            _ if class::is_caseless(c) => {
                word::is_whole_caseless_word(context.before, context.token)
            }
            '“' | '„' | '«' | '¿' | '¡' => {
                word::ends_with_word(context.before, context.token)
            }
            _ => false,
        }
    }

    fn full_stop_before_gap(&self, c: char, context: &Context<'_>) -> Verdict {
        let ask = |question: Question| question.answer_at(c);
        match word::before_full_stop(context) {
            Word::ListNumber | Word::Inner => Verdict::GoesOn,
            Word::MayEnd => ask(Question::FirstWord),
            Word::Ends => ask(Question::Capital),
            Word::BeforeNumber => match ask(Question::NoNumber) {
                Verdict::Ends => ordinary(c, false, self.bracketed),
                other => other,
            },
            Word::Ordinal => ask(Question::NoOrdinal),
            Word::Ordinary { caseless } => ordinary(c, caseless, self.bracketed),
        }
    }
}

/// After an ordinary word only a small letter shows that the sentence goes on (SB8), and not after a word
/// of a script without capitals, whose abbreviations are all listed.
/// "iPhone" is no small letter.
fn ordinary(c: char, caseless: bool, bracketed: bool) -> Verdict {
    if c.is_lowercase() && (!caseless || bracketed) {
        Verdict::Ask(Question::SmallWord)
    } else {
        Verdict::Ends
    }
}

impl Question {
    /// Most characters of a word that are waited for.
    pub(super) const MAX_WORD: usize = 16;

    /// The answer at the first character, or that the word is needed. Opening quotes and emphasis are
    /// looked through.
    fn answer_at(self, c: char) -> Verdict {
        let ends = match c {
            '*' | '_' | '~' | '`' | '"' | '\'' | '“' | '‘' | '„' | '«' => {
                return Verdict::Ask(self);
            }
            _ if class::is_emoji(c) || c == '[' => true,
            _ if c.is_lowercase() => false,
            _ => match self {
                Self::FirstWord if c.is_uppercase() => return Verdict::Ask(self),
                Self::FirstWord => matches!(c, '¿' | '¡'),
                Self::Capital => c.is_uppercase() || c.is_numeric() || matches!(c, '¿' | '¡'),
                Self::NoNumber => !(c.is_numeric() || class::is_currency(c) || c == '#'),
                Self::NoOrdinal if c.is_uppercase() || c.is_numeric() => return Verdict::Ask(self),
                Self::NoOrdinal => true,
                Self::SmallWord => false,
            },
        };
        if ends { Verdict::Ends } else { Verdict::GoesOn }
    }

    /// Whether the text behind the ender, `text`, is enough to answer.
    pub(super) fn is_ready(text: &str) -> bool {
        let word = text.trim_start_matches(word::is_opening_mark);
        let marks = text.len() - word.len();
        marks > 8
            || word
                .chars()
                .enumerate()
                .any(|(at, c)| at >= Self::MAX_WORD || !word::is_word(c))
    }

    /// Whether the sentence ended before `text`.
    pub(super) fn ends_before(self, text: &str, language: &Language) -> bool {
        let text = text.trim_start_matches(word::is_opening_mark);
        let Some(first) = text.chars().next() else {
            return true;
        };
        let end = text.find(|c| !word::is_word(c)).unwrap_or(text.len());
        let (word, behind) = text.split_at(end);
        let word = word.to_lowercase();
        match self {
            // "A. P. J. Abdul": a letter with a full stop is an initial.
            Self::FirstWord if first.is_uppercase() => {
                !behind.starts_with('.') && language.is_first_word(&word)
            }
            Self::SmallWord => text.chars().nth(1).is_some_and(char::is_uppercase),
            Self::NoOrdinal if first.is_numeric() => !behind.starts_with('.'),
            Self::NoOrdinal if first.is_uppercase() => !language.is_ordinal_noun(&word),
            _ => self.answer_at(first) != Verdict::GoesOn,
        }
    }
}
