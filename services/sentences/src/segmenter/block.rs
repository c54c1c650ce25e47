//! Code blocks by line: where a fence opens and closes, and inline code. Must not know sentences.

/// A run of three and more backticks or tildes at a line's beginning is a fence.
pub(super) const FENCE: usize = 3;
/// Longest inline code that is believed; a single backtick may be a slip.
const MAX_INLINE_CODE: usize = 80;

/// Counts the marks at a line's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineStart {
    /// Only white space and quote marks so far.
    Fresh,
    /// List markers too: a code block may stand behind them, a table row not.
    Listed,
    /// So many of one fence mark.
    Marks(char, usize),
    /// Something else.
    Past,
}

impl LineStart {
    /// Takes the next character; true when it completes a fence.
    pub(super) fn step(&mut self, c: char) -> bool {
        *self = match (*self, c) {
            (Self::Fresh, _) if c.is_whitespace() || c == '>' => Self::Fresh,
            (Self::Fresh | Self::Listed, '-' | '*' | '+' | '.' | ')' | '0'..='9') => Self::Listed,
            (Self::Listed, _) if c.is_whitespace() => Self::Listed,
            (Self::Fresh | Self::Listed, '`' | '~') => Self::Marks(c, 1),
            (Self::Marks(mark, count), _) if mark == c => Self::Marks(mark, count + 1),
            _ => Self::Past,
        };
        matches!(self, Self::Marks(_, count) if *count == FENCE)
    }
}

/// A code block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) mark: char,
    pub(super) length: usize,
    line: CodeLine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CodeLine {
    Indent,
    Marks(usize),
    /// Only white space behind enough marks.
    Closing,
    Code,
}

impl Fence {
    pub(super) fn new(mark: char, length: usize) -> Self {
        Self {
            mark,
            length,
            line: CodeLine::Indent,
        }
    }

    /// Takes a character of the code that is no line end.
    pub(super) fn step(&mut self, c: char) {
        self.line = match self.line {
            CodeLine::Indent if c.is_whitespace() || c == '>' => CodeLine::Indent,
            CodeLine::Indent if c == self.mark => CodeLine::Marks(1),
            CodeLine::Marks(count) if c == self.mark => CodeLine::Marks(count + 1),
            CodeLine::Marks(count) if count >= self.length && c.is_whitespace() => {
                CodeLine::Closing
            }
            CodeLine::Closing if c.is_whitespace() => CodeLine::Closing,
            _ => CodeLine::Code,
        };
    }

    /// Ends a line; true when it closed the block.
    pub(super) fn end_line(&mut self) -> bool {
        let line = std::mem::replace(&mut self.line, CodeLine::Indent);
        match line {
            CodeLine::Marks(count) => count >= self.length,
            CodeLine::Closing => true,
            CodeLine::Indent | CodeLine::Code => false,
        }
    }
}

/// Inline code, from its first backtick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InlineCode {
    fence: usize,
    opening: bool,
    run: usize,
    length: usize,
}

impl InlineCode {
    pub(super) fn new() -> Self {
        Self {
            fence: 1,
            opening: true,
            run: 0,
            length: 0,
        }
    }

    /// What looked like a code block's opening of `fence` marks, when a backtick behind it shows that it
    /// is on one line.
    pub(super) fn on_one_line(fence: usize) -> Self {
        Self {
            fence,
            opening: false,
            run: 1,
            length: 0,
        }
    }

    /// Takes the next character; false when the code ended before it.
    pub(super) fn step(&mut self, c: char) -> bool {
        self.length += 1;
        match c {
            '`' if self.opening => self.fence += 1,
            '`' => self.run += 1,
            _ if self.run == self.fence => return false,
            _ => {
                self.opening = false;
                self.run = 0;
            }
        }
        self.length <= MAX_INLINE_CODE
    }
}
