//! Text as it is written, cut into sentences and made speakable. Pure logic: no I/O, no clock. It must
//! not know who writes the text or who speaks it.
//!
//! [`Segmenter`] takes a text as it streams in and hands out a [`Sentence`] as soon as its end is
//! certain. The list of sentences depends on the text alone, never on the pieces in which it came: the
//! segmenter goes by one character at a time and decides on what it has seen.
//!
//! # Rules
//!
//! The base is [UAX 29](https://unicode.org/reports/tr29/#Sentence_Boundaries): its terminators, closing
//! marks and line ends, and its word and grapheme bounds where a text must be cut without an end. Its
//! rules work on a whole text and know no language; these override them:
//!
//! - A full stop before a digit ends a sentence (SB8 looks through digits for a small letter: "It costs
//!   500. 3 people came." was one). Only the next character that is no white space is looked at.
//! - Every line end ends a sentence (SB4 does the same), and a code block or a table row is a unit.
//! - Abbreviations, initials, ordinals and list numbers do not end one (SB11 breaks after each before
//!   a capital). An abbreviation that can end one does so when the next word is a common first word of a
//!   sentence: at most sixteen letters are waited for, only there.
//! - `?` and `!` behind a closing quote or bracket go on before a small letter ("Really?" he asked).
//! - Nothing ends inside an address, a link's target, inline code, an HTML tag or comment, a script, or a
//!   `[SUGGESTIONS: …]` or `[KBQ: …]` tag.
//! - `…` and `...` end a sentence, but not before a small letter or a digit.
//! - A sentence of more than 400 characters is cut at a clause end, else at a word end, else at a
//!   grapheme end; the first one with something to say is cut at a clause end after 80, so that a voice
//!   can begin.

mod bytes;
mod class;
mod html;
mod language;
mod segmenter;
pub mod served;
mod speakable;

pub use bytes::split_to_bytes;
pub use segmenter::Segmenter;
pub use speakable::speakable;

/// One sentence of a text, or a unit that stands like one: a heading, a list item, a table row, (a part
/// of) a code block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The text exactly as written, with its markup and the white space behind it. All sources in order
    /// make up the whole text.
    pub source: String,
    spoken: String,
}

impl Sentence {
    /// A sentence of prose or a table row.
    fn said(source: String) -> Self {
        let spoken = speakable(&source);
        Self { source, spoken }
    }

    /// A unit that is never said: code, a tag's content.
    fn silent(source: String) -> Self {
        Self {
            source,
            spoken: String::new(),
        }
    }

    /// What is to be said, as plain text on one line; empty when there is nothing to say.
    #[must_use]
    pub fn spoken(&self) -> &str {
        &self.spoken
    }
}

/// The sentences of a whole text in `language` (a BCP 47 tag such as `hi-IN`).
#[must_use]
pub fn sentences(text: &str, language: &str) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    let mut sentences = segmenter.push(text);
    sentences.extend(segmenter.finish());
    sentences
}
