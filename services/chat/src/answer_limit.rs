//! Ends an answer at its character limit, on a sentence or word end, while it streams. Text only.
//!
//! What was sent cannot be taken back, so the last stretch before the limit is let out sentence by
//! sentence: when the limit is crossed there, the unfinished sentence is dropped. A stretch without a
//! sentence end is cut at its last word end.

use unicode_segmentation::UnicodeSegmentation;

/// Characters before the limit from which text leaves by sentences instead of tokens.
const LAST_STRETCH: usize = 200;

/// The limiter of one answer. Counts Unicode scalar values.
#[derive(Debug)]
pub(crate) struct AnswerLimit {
    limit: usize,
    sent: usize,
    held: String,
    held_characters: usize,
    /// A sentence of the last stretch has been let out, so the answer ends well as it stands.
    at_sentence_end: bool,
    full: bool,
}

impl AnswerLimit {
    /// Allows `limit` characters.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            sent: 0,
            held: String::new(),
            held_characters: 0,
            at_sentence_end: false,
            full: false,
        }
    }

    /// Takes the next piece and appends what may be sent to `out`. `true` when the answer is full:
    /// nothing more will pass.
    pub(crate) fn push(&mut self, piece: &str, out: &mut String) -> bool {
        if self.full {
            return true;
        }
        let mut rest = piece;
        if self.held.is_empty() {
            let free = self
                .limit
                .saturating_sub(LAST_STRETCH)
                .saturating_sub(self.sent);
            let (now, later) = split_at_character(rest, free);
            out.push_str(now);
            self.sent += now.chars().count();
            rest = later;
        }
        if rest.is_empty() {
            return false;
        }
        self.held.push_str(rest);
        self.held_characters += rest.chars().count();
        self.release_sentences(out);
        if self.sent + self.held_characters > self.limit {
            self.end_here(out);
        }
        self.full
    }

    /// Ends the answer within its limit: lets out what was held.
    pub(crate) fn finish(&mut self, out: &mut String) {
        if !self.full {
            out.push_str(&self.held);
            self.held.clear();
            self.full = true;
        }
    }

    /// Lets out the whole sentences that fit. The last one may still grow, so it stays.
    fn release_sentences(&mut self, out: &mut String) {
        let (mut end, mut characters, mut passed) = (0, 0, 0);
        for (at, sentence) in self.held.split_sentence_bound_indices() {
            if self.sent + passed > self.limit {
                break;
            }
            (end, characters) = (at, passed);
            passed += sentence.chars().count();
        }
        if end == 0 {
            return;
        }
        out.push_str(&self.held[..end]);
        self.held.drain(..end);
        self.sent += characters;
        self.held_characters -= characters;
        self.at_sentence_end = true;
    }

    fn end_here(&mut self, out: &mut String) {
        self.full = true;
        if !self.at_sentence_end {
            let (fits, _) = split_at_character(&self.held, self.limit - self.sent);
            let end = self
                .held
                .split_word_bound_indices()
                .map(|(at, _)| at)
                .take_while(|at| *at <= fits.len())
                .last()
                .unwrap_or(0);
            // One word longer than the whole stretch has no end to cut at.
            let end = if end == 0 { fits.len() } else { end };
            out.push_str(self.held[..end].trim_end());
        }
        self.held.clear();
    }
}

fn split_at_character(text: &str, characters: usize) -> (&str, &str) {
    match text.char_indices().nth(characters) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(limit: usize, pieces: &[&str]) -> (String, bool) {
        let mut answer = AnswerLimit::new(limit);
        let mut out = String::new();
        for piece in pieces {
            if answer.push(piece, &mut out) {
                return (out, true);
            }
        }
        answer.finish(&mut out);
        (out, false)
    }

    #[test]
    fn a_short_answer_passes_whole_and_token_by_token() {
        let mut answer = AnswerLimit::new(2000);
        let mut out = String::new();
        assert!(!answer.push("Hello", &mut out));
        assert_eq!(out, "Hello");
    }

    #[test]
    fn a_long_answer_ends_on_a_sentence() {
        let sentence = "This is a sentence of forty characters. ";
        let text = sentence.repeat(60);
        let (out, full) = run(2000, &[&text]);
        assert!(full);
        assert!(out.chars().count() <= 2000, "{}", out.chars().count());
        assert!(out.trim_end().ends_with('.'));
        assert!(out.chars().count() > 1900);
    }

    #[test]
    fn text_without_sentences_ends_on_a_word() {
        let text = "word ".repeat(1000);
        let (out, full) = run(2000, &[&text]);
        assert!(full);
        assert!(out.ends_with("word"));
        assert!(out.chars().count() <= 2000);
    }

    #[test]
    fn a_word_without_end_is_cut_at_the_limit() {
        let (out, full) = run(300, &["x".repeat(5000).as_str()]);
        assert!(full);
        assert_eq!(out.len(), 300);
    }

    proptest! {
        #[test]
        fn the_limit_holds_and_text_is_a_prefix(pieces in proptest::collection::vec("[a-zé. ।]{0,30}", 0..60), limit in 1usize..900) {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let whole = pieces.concat();
            let (out, full) = run(limit, &pieces);
            prop_assert!(out.chars().count() <= limit);
            prop_assert!(whole.starts_with(&out));
            prop_assert_eq!(full, whole.chars().count() > limit);
            if !full { prop_assert_eq!(out, whole); }
        }
    }
}
