//! Stretches of a text in which nothing ends: tags, link targets, comments, addresses. Each is read by
//! one character at a time until its end. Must not know sentences.

use crate::{
    class,
    html::{Step, TagScanner},
};

/// A stretch without ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// `[SUGGESTIONS: …]` or `[KBQ: …]`, over line ends too.
    Bracket,
    /// Until this text: the end of a comment or of an element whose content is no text.
    Until { end: &'static str, tail: String },
    /// An HTML tag on one line.
    Tag(TagScanner),
    /// A link's target, from behind its `(`.
    Link {
        depth: usize,
        spaced: bool,
        quote: Option<char>,
    },
    /// An address that has been cut: the rest of it, until white space.
    Address,
}

/// What a character did to a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The region goes on.
    More,
    /// The character was its last one; for a tag, what follows from it.
    Done(After),
    /// The region was none, or ended before the character.
    Not,
}

/// What follows a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Plain text.
    Text,
    /// Plain text on a line of its own, as after `<br>`.
    NewLine,
    /// Another region: a comment's or a script's content.
    Region(Region),
}

impl Region {
    pub(super) fn until(end: &'static str) -> Self {
        Self::Until {
            end,
            tail: String::new(),
        }
    }

    pub(super) fn link() -> Self {
        Self::Link {
            depth: 0,
            spaced: false,
            quote: None,
        }
    }

    /// Whether the region goes on over line ends.
    pub(super) fn spans_lines(&self) -> bool {
        matches!(self, Self::Bracket | Self::Until { .. })
    }

    /// Takes the next character.
    pub(super) fn step(&mut self, c: char) -> Progress {
        match self {
            Self::Bracket if c == ']' => Progress::Done(After::Text),
            Self::Bracket => Progress::More,
            Self::Until { end, tail } => {
                if tail.len() >= end.len() {
                    tail.remove(0);
                }
                // Only ASCII can be part of an end.
                if c.is_ascii() {
                    tail.push(c.to_ascii_lowercase());
                } else {
                    tail.clear();
                }
                if tail.as_str() == *end {
                    Progress::Done(After::Text)
                } else {
                    Progress::More
                }
            }
            Self::Tag(scanner) => match scanner.step(c) {
                Step::More => Progress::More,
                Step::Not => Progress::Not,
                Step::Comment => Progress::Done(After::Region(Self::until("-->"))),
                Step::Done => Progress::Done(match scanner.hidden_until() {
                    Some(end) => After::Region(Self::until(end)),
                    None if scanner.is_block() => After::NewLine,
                    None => After::Text,
                }),
            },
            Self::Link {
                depth,
                spaced,
                quote,
            } => link_step(depth, spaced, quote, c),
            Self::Address if c.is_whitespace() => Progress::Not,
            Self::Address => Progress::More,
        }
    }
}

/// A target has pairs of brackets, and white space only before its title, which is quoted.
fn link_step(depth: &mut usize, spaced: &mut bool, quote: &mut Option<char>, c: char) -> Progress {
    if class::is_line_end(c) || c == '\r' {
        return Progress::Not;
    }
    match (*quote, c) {
        (Some(end), _) => {
            if c == end {
                *quote = None;
            }
        }
        (None, ')') if *depth == 0 => return Progress::Done(After::Text),
        (None, ')') => *depth -= 1,
        (None, '"' | '\'') if *spaced => *quote = Some(c),
        (None, _) if c.is_whitespace() => *spaced = true,
        (None, _) if *spaced => return Progress::Not,
        (None, '(') => *depth += 1,
        (None, _) => {}
    }
    Progress::More
}
