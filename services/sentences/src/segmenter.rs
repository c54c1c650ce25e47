//! Text in as it is written, sentences out as soon as their ends are certain. Which sentences come depends on
//! the text alone, never on how it was cut on its way here: a place is decided only when everything that
//! decides it is there. All sources in order make up the text.

use crate::{
    abbreviations::Abbreviations,
    boundary::{self, Verdict},
    cut, speakable,
};

/// Characters after which a sentence without an end is cut. Engines refuse sentences that are much longer.
const LONGEST: usize = 400;

/// Characters of a first sentence after which it is cut at the end of a clause, so that the voice begins
/// early; and the fewest that such a clause has.
const FIRST: usize = 80;
const FIRST_CLAUSE: usize = 25;

/// A sentence, or a piece of the text that is none: a line of code, a row of a table, an empty line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The text as it was written, with its markup and the white space after it.
    pub source: String,
    spoken: String,
}

impl Sentence {
    /// What is to be said: plain text in one line, empty when there is nothing to say.
    pub fn spoken(&self) -> &str {
        &self.spoken
    }
}

/// Cuts one text. Memory stays bounded: no more than one sentence waits in it.
#[derive(Clone, Debug)]
pub struct Segmenter {
    rules: Abbreviations,
    /// The first sentence that is heard may be cut at a clause.
    eager: bool,
    waiting: String,
    scan: Scan,
    kind: Kind,
    /// The fence that is open, and that closes its block.
    fence: Option<Fence>,
}

/// How far the waiting text was looked at. Places are bytes.
#[derive(Clone, Debug, Default)]
struct Scan {
    at: usize,
    characters: usize,
    /// After the last clause, the last word, and the first word after enough of a first sentence.
    clause: Option<usize>,
    word: Option<usize>,
    before: char,
}

/// What the waiting text is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A line begins; what it is was not seen yet.
    Unknown,
    Prose,
    /// A line of a code block; `true` once a part of the line was released.
    Code(bool),
    Row,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fence {
    mark: char,
    length: usize,
}

/// What was found at the head of the waiting text.
enum Found {
    /// So many bytes are a whole piece.
    Piece(usize),
    /// More text must come first.
    Nothing,
}

impl Segmenter {
    /// A segmenter by the rules of a language (BCP 47); those of English for one that is not served. A long
    /// first sentence is cut at a clause, so that a voice can begin with it.
    pub fn new(language: &str) -> Self {
        Self {
            rules: Abbreviations::of(language),
            eager: true,
            waiting: String::new(),
            scan: Scan::default(),
            kind: Kind::Unknown,
            fence: None,
        }
    }

    /// More of the text; every piece of it whose end is now certain.
    pub fn push(&mut self, text: &str) -> Vec<Sentence> {
        self.waiting.push_str(text);
        self.release(false)
    }

    /// The text is over; the rest of it. Another text may begin afterwards.
    pub fn finish(&mut self) -> Vec<Sentence> {
        let rest = self.release(true);
        self.kind = Kind::Unknown;
        self.fence = None;
        rest
    }

    fn release(&mut self, whole: bool) -> Vec<Sentence> {
        let mut released = Vec::new();
        let mut taken = 0;
        loop {
            let text = &self.waiting[taken..];
            if text.is_empty() {
                break;
            }
            if self.kind == Kind::Unknown {
                match kind_of(text, self.fence, whole) {
                    Some(kind) => self.kind = kind,
                    None => break,
                }
            }
            let Found::Piece(length) = self.scan.look(text, self.kind, self.eager, whole, &self.rules)
            else {
                break;
            };
            let source = text[..length].to_owned();
            taken += length;
            released.push(self.piece(source));
        }
        self.waiting.drain(..taken);
        released
    }

    /// Makes a piece of its source, and notes what it means for what follows.
    fn piece(&mut self, source: String) -> Sentence {
        self.scan = Scan::default();
        let ends_line = source.ends_with('\n');
        let spoken = match self.kind {
            Kind::Prose | Kind::Unknown => speakable(&source),
            Kind::Row => speakable::row(&source),
            Kind::Code(begun) => {
                if !begun {
                    self.fence = after_line(self.fence, &source);
                }
                self.kind = Kind::Code(true);
                String::new()
            }
        };
        if ends_line {
            self.kind = Kind::Unknown;
        }
        self.eager &= spoken.is_empty();
        Sentence { source, spoken }
    }
}

/// The sentences of a whole text, none of them cut for a voice's sake.
pub fn sentences(text: &str, language: &str) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    segmenter.eager = false;
    let mut sentences = segmenter.push(text);
    sentences.extend(segmenter.finish());
    sentences
}

/// What a line is by its beginning; `None` while that is not there.
fn kind_of(text: &str, fence: Option<Fence>, whole: bool) -> Option<Kind> {
    if fence.is_some() {
        return Some(Kind::Code(false));
    }
    let line = text.trim_start_matches([' ', '\t']);
    let indent = text.len() - line.len();
    let Some(first) = line.chars().next() else {
        // A line of spaces alone, so far; a long one is prose.
        return (whole || indent > LONGEST).then_some(Kind::Prose);
    };
    match first {
        '|' => Some(Kind::Row),
        '`' | '~' => {
            let run = line.chars().take_while(|mark| *mark == first).count();
            if run >= 3 {
                Some(Kind::Code(false))
            } else if run == line.len() && !whole {
                None
            } else {
                Some(Kind::Prose)
            }
        }
        _ => Some(Kind::Prose),
    }
}

/// The fence that is open after a line of code.
fn after_line(open: Option<Fence>, line: &str) -> Option<Fence> {
    let line = line.trim();
    let mark = line.chars().next().filter(|mark| matches!(mark, '`' | '~'));
    let length = line.chars().take_while(|next| Some(*next) == mark).count();
    match open {
        None => mark.map(|mark| Fence { mark, length }),
        Some(fence) => {
            let closes = mark == Some(fence.mark)
                && length >= fence.length
                && line.chars().count() == length;
            (!closes).then_some(fence)
        }
    }
}

impl Scan {
    /// Looks on from where it stopped.
    fn look(
        &mut self,
        text: &str,
        kind: Kind,
        eager: bool,
        whole: bool,
        rules: &Abbreviations,
    ) -> Found {
        while let Some(character) = text[self.at..].chars().next() {
            // One character more than the longest: whether a grapheme ends there is certain then.
            if self.characters >= LONGEST {
                return Found::Piece(self.cut(text, kind));
            }
            if kind == Kind::Prose {
                if let Some(clause) = self.clause.filter(|_| eager && self.characters >= FIRST) {
                    return Found::Piece(clause);
                }
                if boundary::is_mark(character) {
                    match boundary::verdict(text, self.at, whole, rules) {
                        Verdict::Ends(end) => return Found::Piece(end),
                        Verdict::Undecided => return Found::Nothing,
                        Verdict::GoesOn(next) => {
                            self.step_to(text, next);
                            continue;
                        }
                    }
                }
            }
            let next = self.at + character.len_utf8();
            if character == '\n' {
                return Found::Piece(next);
            }
            self.step_to(text, next);
        }
        if whole && !text.is_empty() {
            Found::Piece(text.len())
        } else {
            Found::Nothing
        }
    }

    /// Notes every character up to `next`.
    fn step_to(&mut self, text: &str, next: usize) {
        for character in text[self.at..next].chars() {
            self.at += character.len_utf8();
            self.characters += 1;
            if character.is_whitespace() {
                self.word = Some(self.at);
                if cut::is_clause_mark(self.before) && self.characters >= FIRST_CLAUSE {
                    self.clause = Some(self.at);
                }
            }
            self.before = character;
        }
    }

    /// Where a piece that is too long is cut.
    fn cut(&self, text: &str, kind: Kind) -> usize {
        let places = [self.clause, self.word];
        let place = places.into_iter().flatten().find(|place| *place > 0);
        match place {
            Some(place) if kind == Kind::Prose => place,
            _ => cut::place(text, self.at),
        }
    }
}

#[cfg(test)]
mod tests;
