//! Takes `[SUGGESTIONS: a | b | c]` and `[KBQ: …]` out of a streamed answer, however the model splits
//! them over tokens. Text only: knows no events, no wire.
//!
//! Whatever way a text is cut into pieces, the pieces that come out concatenate to the same text. The
//! filter holds back no more than a tag's opening that may still become one, or line ends that may
//! turn out to be the space before a tag; everything else passes at once.

/// Longest text inside a tag that is believed to be one: three suggestions of 150 characters fit many
/// times over. A longer one is dropped with its tag and its content forgotten.
const MAX_TAG_CHARACTERS: usize = 2000;
/// Line ends that are held back at most; more of them are no space before a tag.
const MAX_HELD_LINE_ENDS: usize = 32;
/// Most suggestions of one answer.
const MAX_SUGGESTIONS: usize = 3;
/// Longest suggestion, in characters.
const MAX_SUGGESTION_CHARACTERS: usize = 150;

const OPENINGS: [(&str, Tag); 2] = [
    ("[SUGGESTIONS:", Tag::Suggestions),
    ("[KBQ:", Tag::KnowledgeQuery),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Suggestions,
    KnowledgeQuery,
}

#[derive(Debug)]
enum State {
    /// Plain text.
    Text,
    /// `held` starts with `[` and may become a tag's opening.
    Opening,
    /// Inside a tag; its content so far.
    Inside {
        tag: Tag,
        content: String,
        characters: usize,
    },
}

/// The filter of one answer.
#[derive(Debug)]
pub(crate) struct TagFilter {
    state: State,
    /// Line ends, and after them a possible opening, that have not been let out.
    held: String,
    suggestions: Vec<String>,
}

impl TagFilter {
    /// A filter at the beginning of an answer.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Text,
            held: String::new(),
            suggestions: Vec::new(),
        }
    }

    /// Takes the next piece and appends to `out` what is certain to be text.
    pub(crate) fn push(&mut self, piece: &str, out: &mut String) {
        if piece.is_empty() {
            return;
        }
        // Nearly every token has neither a bracket nor a line end: it passes whole.
        if matches!(self.state, State::Text) && !piece.contains(['[', '\n', '\r']) {
            out.push_str(&self.held);
            self.held.clear();
            out.push_str(piece);
            return;
        }
        for character in piece.chars() {
            self.step(character, out);
        }
    }

    fn step(&mut self, character: char, out: &mut String) {
        match &mut self.state {
            State::Text => match character {
                '[' => {
                    self.state = State::Opening;
                    self.held.push(character);
                }
                '\n' | '\r' if self.held.len() < MAX_HELD_LINE_ENDS => self.held.push(character),
                _ => {
                    out.push_str(&self.held);
                    self.held.clear();
                    out.push(character);
                }
            },
            State::Opening => {
                let start = self.held.rfind('[').unwrap_or(0);
                self.held.push(character);
                let opening = &self.held[start..];
                match match_opening(opening) {
                    Match::Whole(tag) => {
                        // The line ends before a tag go with it.
                        self.held.clear();
                        self.state = State::Inside {
                            tag,
                            content: String::new(),
                            characters: 0,
                        };
                    }
                    Match::Prefix => {}
                    Match::None => {
                        // Not a tag; the last character may open one itself.
                        self.held.pop();
                        out.push_str(&self.held);
                        self.held.clear();
                        self.state = State::Text;
                        self.step(character, out);
                    }
                }
            }
            State::Inside {
                tag,
                content,
                characters,
            } => {
                if character == ']' {
                    if *tag == Tag::Suggestions {
                        self.suggestions.extend(parse_suggestions(content));
                        self.suggestions.truncate(MAX_SUGGESTIONS);
                    }
                    self.state = State::Text;
                } else if *characters < MAX_TAG_CHARACTERS {
                    content.push(character);
                    *characters += 1;
                }
            }
        }
    }

    /// Ends the answer: lets out what was held in vain and returns the suggestions. A tag that was
    /// never closed is dropped, with the suggestions that were whole in it kept.
    pub(crate) fn finish(&mut self, out: &mut String) -> Vec<String> {
        match std::mem::replace(&mut self.state, State::Text) {
            State::Opening => out.push_str(&self.held),
            // Line ends at the very end of an answer say nothing.
            State::Text => {}
            State::Inside {
                tag: Tag::Suggestions,
                content,
                ..
            } => {
                self.suggestions.extend(parse_suggestions(&content));
                self.suggestions.truncate(MAX_SUGGESTIONS);
            }
            State::Inside { .. } => {}
        }
        self.held.clear();
        std::mem::take(&mut self.suggestions)
    }
}

enum Match {
    Whole(Tag),
    Prefix,
    None,
}

fn match_opening(text: &str) -> Match {
    for (opening, tag) in OPENINGS {
        if text.eq_ignore_ascii_case(opening) {
            return Match::Whole(tag);
        }
        if opening
            .get(..text.len())
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(text))
        {
            return Match::Prefix;
        }
    }
    Match::None
}

fn parse_suggestions(content: &str) -> impl Iterator<Item = String> + '_ {
    content
        .split('|')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(
            |item| match item.char_indices().nth(MAX_SUGGESTION_CHARACTERS) {
                Some((end, _)) => item[..end].trim_end().to_owned(),
                None => item.to_owned(),
            },
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run<'a>(pieces: impl IntoIterator<Item = &'a str>) -> (String, Vec<String>) {
        let mut filter = TagFilter::new();
        let mut out = String::new();
        for piece in pieces {
            filter.push(piece, &mut out);
        }
        let suggestions = filter.finish(&mut out);
        (out, suggestions)
    }

    fn characters(text: &str) -> Vec<&str> {
        text.char_indices()
            .map(|(at, c)| &text[at..at + c.len_utf8()])
            .collect()
    }

    #[test]
    fn tags_and_the_line_ends_before_them_leave_the_text() {
        let cases: [(&str, &str, &[&str]); 9] = [
            (
                "Hello.\n\n[SUGGESTIONS: a | b | c]",
                "Hello.",
                &["a", "b", "c"],
            ),
            ("Hello. [KBQ: price?] Bye.", "Hello.  Bye.", &[]),
            ("See [1] and [SUG].", "See [1] and [SUG].", &[]),
            ("[[SUGGESTIONS: x]", "[", &["x"]),
            ("[suggestions: x|y]", "", &["x", "y"]),
            ("a\nb\n", "a\nb", &[]),
            ("end [SUGG", "end [SUGG", &[]),
            ("end\n[SUGGESTIONS: one | tw", "end", &["one", "tw"]),
            ("[SUGGESTIONS: a | b | c | d || ]", "", &["a", "b", "c"]),
        ];
        for (text, expected, suggestions) in cases {
            assert_eq!(
                run([text]),
                (
                    expected.to_owned(),
                    suggestions.iter().map(|s| (*s).to_owned()).collect()
                ),
                "{text:?}"
            );
            assert_eq!(
                run(characters(text)),
                run([text]),
                "{text:?} character by character"
            );
        }
    }

    #[test]
    fn a_plain_token_is_never_held_back() {
        let mut filter = TagFilter::new();
        let mut out = String::new();
        filter.push("Hel", &mut out);
        assert_eq!(out, "Hel");
        filter.push("lo ", &mut out);
        assert_eq!(out, "Hello ");
    }

    #[test]
    fn an_endless_tag_keeps_a_bounded_amount() {
        let mut filter = TagFilter::new();
        let mut out = String::new();
        filter.push("[KBQ:", &mut out);
        for _ in 0..10_000 {
            filter.push("xxxxxxxxxx", &mut out);
        }
        let State::Inside { content, .. } = &filter.state else {
            panic!("inside a tag")
        };
        assert!(content.len() <= MAX_TAG_CHARACTERS);
        assert!(out.is_empty());
    }

    #[test]
    fn endless_line_ends_are_not_held_back() {
        let (out, _) = run([&*"\n".repeat(10_000), "x"]);
        assert_eq!(out.len(), 10_001);
        let mut filter = TagFilter::new();
        filter.push(&"\n".repeat(10_000), &mut String::new());
        assert!(filter.held.len() <= MAX_HELD_LINE_ENDS);
    }

    proptest! {
        #[test]
        fn the_cut_into_pieces_never_changes_the_text(
            text in r"(\[SUGGESTIONS: [a-z| é]{0,20}\]|\[KBQ:[a-z]{0,5}\]|\[|\]|[a-zस ।.\n]|SUGG|KBQ:){0,40}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let whole = run([text.as_str()]);
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).filter(|at| text.is_char_boundary(*at)).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let mut start = 0;
            let pieces: Vec<&str> = ends.into_iter().map(|end| { let piece = &text[start..end]; start = end; piece }).collect();
            prop_assert_eq!(run(pieces), whole.clone());
            prop_assert!(!whole.0.to_ascii_uppercase().contains("[KBQ:") || text.matches('[').count() > 1);
        }
    }
}
