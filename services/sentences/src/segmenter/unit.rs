//! The text of the sentence that is being read, and where it could be cut. Must not decide anything.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::class;

/// Fewest characters before a cut at a clause end.
const MIN_CLAUSE: usize = 25;

/// A sentence that is being read.
#[derive(Clone, Debug, Default)]
pub(super) struct Unit {
    pub(super) text: String,
    /// Characters of `text`.
    pub(super) length: usize,
    /// White space at its beginning, in characters.
    lead: usize,
    /// Something else than white space has been seen.
    pub(super) has_content: bool,
    /// It began at a line's beginning.
    pub(super) at_line_start: bool,
    /// Where its last word begins, and the one before that.
    pub(super) token: usize,
    pub(super) previous: usize,
    /// The last word is an address.
    pub(super) address: bool,
    /// A bracket is open that is not at its beginning.
    pub(super) in_bracket: bool,
    /// Behind the white space after the last clause mark; before a table's last `|`.
    clause: Option<usize>,
    /// Behind the last white space.
    space: Option<usize>,
    /// The last character was a clause mark.
    after_mark: bool,
}

impl Unit {
    /// An empty one at a line's beginning.
    pub(super) fn at_line_start() -> Self {
        Self {
            at_line_start: true,
            ..Self::default()
        }
    }

    /// Takes a character that cannot be cut at.
    pub(super) fn push(&mut self, c: char) {
        self.text.push(c);
        self.length += 1;
        if !self.has_content {
            if c.is_whitespace() {
                self.lead += 1;
            } else {
                self.has_content = true;
            }
        }
    }

    /// Takes a character of plain text.
    pub(super) fn push_plain(&mut self, c: char) {
        self.push(c);
        if c.is_whitespace() {
            self.word_ended();
            if self.after_mark {
                self.clause_ended();
            }
        } else {
            self.after_mark = class::is_clause_mark(c)
                || (self.after_mark
                    && (class::is_closing_quote(c) || class::is_closing_bracket(c)));
        }
    }

    /// The last character was white space: a word has ended.
    pub(super) fn word_ended(&mut self) {
        // White space after white space begins no word.
        let before = self.text.len() - self.text.chars().next_back().map_or(0, char::len_utf8);
        if self.token < before {
            self.previous = self.token;
        }
        self.token = self.text.len();
        self.address = false;
        self.space = Some(self.text.len());
    }

    /// The last character was a line end that ended no sentence: a word begins behind it. It is no place
    /// to cut at, since it may be inside a region.
    pub(super) fn line_ended(&mut self) {
        self.previous = self.text.len();
        self.token = self.text.len();
        self.address = false;
    }

    /// White space behind an ender that did not end the sentence: a word has ended.
    pub(super) fn word_ended_at_gap(&mut self) {
        self.token = self.text.len();
        self.address = false;
        self.after_mark = false;
        self.space = Some(self.text.len());
    }

    /// A clause has ended here.
    pub(super) fn clause_ended(&mut self) {
        if self.said_length() >= MIN_CLAUSE {
            self.clause = Some(self.text.len());
        }
    }

    /// A table's cell has ended here.
    pub(super) fn cell_ended(&mut self) {
        if !self.text.is_empty() {
            self.clause = Some(self.text.len());
        }
    }

    /// A stretch without ends has ended as none: its words count after all.
    pub(super) fn find_token(&mut self) {
        if let Some((at, c)) = self
            .text
            .char_indices()
            .rev()
            .find(|(_, c)| c.is_whitespace())
        {
            self.token = self.token.max(at + c.len_utf8());
        }
    }

    /// Its length without the white space at its beginning, in characters.
    pub(super) fn said_length(&self) -> usize {
        self.length - self.lead
    }

    /// The last clause end.
    pub(super) fn clause(&self) -> Option<usize> {
        self.clause
    }

    /// Where a text that is too long is cut: at a clause end, a word end, a word bound of UAX 29 (for
    /// scripts without spaces), a grapheme end; a single grapheme is not spared.
    pub(super) fn best_cut(&self) -> usize {
        self.clause
            .or(self.space)
            .or_else(|| last_start(self.text.split_word_bound_indices().next_back()))
            .or_else(|| last_start(self.text.grapheme_indices(true).next_back()))
            .unwrap_or(self.text.len())
    }

    /// Takes away what stands behind `end`.
    pub(super) fn take_back(&mut self, end: usize) -> String {
        let rest = self.text.split_off(end);
        self.length -= rest.chars().count();
        rest
    }

    /// Takes the text up to `end` as a sentence's source. What stands behind begins the next one.
    pub(super) fn split(&mut self, end: usize) -> String {
        let rest = self.text.split_off(end);
        let source = std::mem::take(&mut self.text);
        let later = |at: usize| (at > end).then(|| at - end);
        *self = Self {
            at_line_start: source.ends_with(class::is_line_end) || source.ends_with('\r'),
            token: self.token.saturating_sub(end),
            previous: self.previous.saturating_sub(end),
            address: self.address && self.token >= end,
            clause: self.clause.and_then(later),
            space: self.space.and_then(later),
            after_mark: self.after_mark && !rest.is_empty(),
            ..Self::default()
        };
        for c in rest.chars() {
            self.push(c);
        }
        source
    }
}

fn last_start(last: Option<(usize, &str)>) -> Option<usize> {
    last.map(|(at, _)| at).filter(|at| *at > 0)
}
