//! The segmenter: one character at a time through lines, blocks and prose. Must not know what is said of
//! a sentence.

mod block;
mod ending;
mod prose;
mod region;
mod unit;
mod word;

#[cfg(test)]
pub(crate) mod tests;

use crate::{Sentence, class, language::Language};

use block::{Fence, InlineCode, LineStart};
use ending::Ending;
use region::{After, Progress, Region};
use unit::Unit;

/// Longest source of a sentence, in characters.
const MAX_SENTENCE: usize = 400;
/// Longest part of code on one line, in characters. Otherwise code is cut at line ends, after
/// [`MAX_SENTENCE`].
const MAX_CODE_LINE: usize = 2 * MAX_SENTENCE;
/// A first sentence that is longer is cut at a clause end, in characters.
const MAX_FIRST: usize = 80;

/// Cuts a text into sentences while it streams in. Holds no more of it than the sentence that is being
/// read.
#[derive(Clone, Debug)]
pub struct Segmenter {
    language: &'static Language,
    unit: Unit,
    mode: Mode,
    inside: Inside,
    /// The ender that is not decided yet.
    ending: Option<Ending>,
    line: LineStart,
    /// The number of the last list item on this line.
    last_item: Option<u32>,
    /// A sentence with something to say has been let out.
    has_spoken: bool,
    /// The last character was a carriage return.
    carriage: bool,
}

/// What kind of unit is being read.
#[derive(Clone, Debug)]
enum Mode {
    Prose,
    /// A table row.
    Row,
    /// The line of an opening fence; `open` while its marks go on.
    FenceLine {
        mark: char,
        length: usize,
        open: bool,
    },
    Code(Fence),
    /// The rest of a region that is too long for a sentence: never said.
    Hidden(Region),
}

/// Where in prose the next character stands.
#[derive(Clone, Debug)]
enum Inside {
    Plain,
    Code(InlineCode),
    /// A region, from byte `start` of the unit.
    Region {
        region: Region,
        start: usize,
    },
}

impl Segmenter {
    /// A segmenter at the beginning of a text in `language`, a BCP 47 tag such as `hi-IN`. A language
    /// that is not served goes by the English rules.
    #[must_use]
    pub fn new(language: &str) -> Self {
        Self::with(Language::of(language))
    }

    fn with(language: &'static Language) -> Self {
        Self {
            language,
            unit: Unit::at_line_start(),
            mode: Mode::Prose,
            inside: Inside::Plain,
            ending: None,
            line: LineStart::Fresh,
            last_item: None,
            has_spoken: false,
            carriage: false,
        }
    }

    /// Takes the next piece of the text and returns every sentence whose end is now certain. Most ends are
    /// certain at the next character that is no white space; a line end is at once.
    pub fn push(&mut self, text: &str) -> Vec<Sentence> {
        let mut out = Vec::new();
        for c in text.chars() {
            self.step(c, &mut out);
        }
        out
    }

    /// Ends the text and returns the rest of it. The segmenter is then at the beginning of a new text.
    pub fn finish(&mut self) -> Vec<Sentence> {
        let mut out = Vec::new();
        self.settle(&mut out);
        if self.carriage {
            self.end_line(&mut out);
        }
        self.release(self.unit.text.len(), &mut out);
        *self = Self::with(self.language);
        out
    }

    fn step(&mut self, c: char, out: &mut Vec<Sentence>) {
        if std::mem::take(&mut self.carriage) && c != '\n' {
            self.end_line(out);
        }
        if c == '\r' {
            self.settle(out);
            self.unit.push(c);
            self.carriage = true;
            return;
        }
        if class::is_line_end(c) {
            self.settle(out);
            self.unit.push(c);
            self.end_line(out);
            return;
        }
        match &mut self.mode {
            Mode::Prose => self.prose(c, out),
            Mode::Row => self.row(c, out),
            Mode::FenceLine { .. } => self.fence_line(c, out),
            Mode::Code(fence) => {
                fence.step(c);
                self.unit.push(c);
                if self.unit.length >= MAX_CODE_LINE {
                    self.release(self.unit.text.len(), out);
                }
            }
            Mode::Hidden(_) => self.hidden(c, out),
        }
    }

    /// Ends the line whose last character the unit has.
    fn end_line(&mut self, out: &mut Vec<Sentence>) {
        self.carriage = false;
        let is_over = match &mut self.mode {
            Mode::Prose => {
                if let Inside::Region { region, .. } = &self.inside
                    && region.spans_lines()
                {
                    self.unit.line_ended();
                    return self.limit_region(out);
                }
                self.inside = Inside::Plain;
                self.ending = None;
                self.unit.has_content || self.unit.length > MAX_SENTENCE
            }
            Mode::Row => true,
            Mode::FenceLine { mark, length, .. } => {
                self.mode = Mode::Code(Fence::new(*mark, *length));
                return;
            }
            Mode::Code(fence) => {
                let closed = fence.end_line();
                if !closed && self.unit.length >= MAX_SENTENCE {
                    self.release(self.unit.text.len(), out);
                }
                closed
            }
            Mode::Hidden(region) => {
                if region.spans_lines() {
                    return;
                }
                true
            }
        };
        if is_over {
            self.release(self.unit.text.len(), out);
        }
        self.unit.line_ended();
        if !matches!(self.mode, Mode::Code(_)) || is_over {
            self.mode = Mode::Prose;
            self.line = LineStart::Fresh;
            self.last_item = None;
        }
    }

    /// A character of a table row.
    fn row(&mut self, c: char, out: &mut Vec<Sentence>) {
        if c == '|' {
            self.unit.cell_ended();
        }
        self.unit.push(c);
        if c.is_whitespace() {
            self.unit.word_ended();
        }
        if self.unit.length > MAX_SENTENCE {
            self.release(self.unit.best_cut(), out);
        }
    }

    /// A character behind an opening fence. A backtick there shows that it is inline code.
    fn fence_line(&mut self, c: char, out: &mut Vec<Sentence>) {
        self.unit.push(c);
        if let Mode::FenceLine { mark, length, open } = &mut self.mode {
            if c == *mark && *open {
                *length += 1;
            } else if c == '`' && *mark == '`' {
                self.inside = Inside::Code(InlineCode::on_one_line(*length));
                self.mode = Mode::Prose;
                return;
            } else {
                *open = false;
            }
        }
        if self.unit.length > MAX_SENTENCE {
            self.release(self.unit.text.len(), out);
        }
    }

    /// A character of a region that has become too long to be kept.
    fn hidden(&mut self, c: char, out: &mut Vec<Sentence>) {
        let Mode::Hidden(region) = &mut self.mode else {
            return;
        };
        match region.step(c) {
            Progress::More => {
                self.unit.push(c);
                if self.unit.length > MAX_SENTENCE {
                    self.release(self.unit.text.len(), out);
                }
            }
            Progress::Done(After::Region(next)) => {
                self.unit.push(c);
                self.mode = Mode::Hidden(next);
            }
            Progress::Done(_) => {
                self.unit.push(c);
                self.release(self.unit.text.len(), out);
                self.mode = Mode::Prose;
            }
            Progress::Not => {
                self.release(self.unit.text.len(), out);
                self.mode = Mode::Prose;
                self.prose(c, out);
            }
        }
    }

    /// Lets out the unit's text up to `end`.
    fn release(&mut self, end: usize, out: &mut Vec<Sentence>) {
        if end == 0 {
            return;
        }
        let source = self.unit.split(end);
        let sentence = match self.mode {
            Mode::Prose | Mode::Row => Sentence::said(source),
            Mode::FenceLine { .. } | Mode::Code(_) | Mode::Hidden(_) => Sentence::silent(source),
        };
        self.has_spoken |= !sentence.spoken.is_empty();
        out.push(sentence);
    }
}
