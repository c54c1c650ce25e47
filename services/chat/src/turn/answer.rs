//! The text of an answer on its way from model to listener: tags out, length limited. Pure text.

use crate::{answer_limit::AnswerLimit, tags::TagFilter};

/// The way of one answer's text.
pub(super) struct Answer {
    tags: TagFilter,
    limit: AnswerLimit,
    untagged: String,
}

/// The answer's end.
pub(super) struct Ending {
    /// Text that was held back until now.
    pub(super) text: String,
    /// One to three follow-up questions, or none.
    pub(super) suggestions: Vec<String>,
    /// The limit cut the answer.
    pub(super) cut: bool,
}

impl Answer {
    pub(super) fn limited_to(characters: usize) -> Self {
        Self {
            tags: TagFilter::new(),
            limit: AnswerLimit::new(characters),
            untagged: String::new(),
        }
    }

    /// Takes a model's piece; what may be sent of it, possibly nothing, and whether the answer is full.
    pub(super) fn push(&mut self, piece: &str) -> (String, bool) {
        let mut text = String::with_capacity(piece.len());
        self.untagged.clear();
        self.tags.push(piece, &mut self.untagged);
        let full = self.limit.push(&self.untagged, &mut text);
        (text, full)
    }

    /// The model is done.
    pub(super) fn finish(mut self) -> Ending {
        let mut text = String::new();
        self.untagged.clear();
        let suggestions = self.tags.finish(&mut self.untagged);
        let cut = self.limit.push(&self.untagged, &mut text);
        self.limit.finish(&mut text);
        Ending {
            text,
            suggestions,
            cut,
        }
    }
}
