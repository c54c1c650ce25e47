//! Prose, character by character: regions, enders and the limits of length. Must not know what an ender
//! means; that is decided in `ending`.

use crate::{
    Sentence,
    class::{self, Ender},
};

use super::{
    Inside, MAX_FIRST, MAX_SENTENCE, Mode, Segmenter,
    block::{FENCE, InlineCode, LineStart},
    ending::{Context, Ending, Question, Tail, Verdict},
    region::{After, Progress, Region},
    word,
};

/// Openings of tags that the model writes for the client, not for the reader.
const CLIENT_TAGS: [&str; 2] = ["[SUGGESTIONS:", "[KBQ:"];

impl Segmenter {
    /// A character of prose that is no line end.
    pub(super) fn prose(&mut self, c: char, out: &mut Vec<Sentence>) {
        if self.line != LineStart::Past {
            if c == '|' && self.line == LineStart::Fresh {
                self.line = LineStart::Past;
                self.mode = Mode::Row;
                self.unit.push(c);
                return;
            }
            if self.line.step(c) {
                self.unit.push(c);
                self.inside = Inside::Plain;
                self.ending = None;
                self.mode = Mode::FenceLine {
                    mark: c,
                    length: FENCE,
                    open: true,
                };
                return;
            }
        }
        match &mut self.inside {
            Inside::Region { region, .. } => {
                let progress = region.step(c);
                if self.after_region(progress, c, out) {
                    return;
                }
            }
            Inside::Code(code) => {
                if code.step(c) {
                    self.unit.push(c);
                    return self.limit(out);
                }
                self.inside = Inside::Plain;
            }
            Inside::Plain => {}
        }
        match self.ending.take() {
            Some(ending) => self.behind_ender(ending, c, out),
            None => self.plain(c, out),
        }
    }

    /// A character behind which nothing is open.
    fn plain(&mut self, c: char, out: &mut Vec<Sentence>) {
        let start = self.unit.text.len();
        let had_content = self.unit.has_content;
        let after_bracket = c == '(' && self.unit.text.ends_with(']');
        self.unit.push_plain(c);
        match c {
            '<' => {
                self.inside = Inside::Region {
                    region: Region::Tag(crate::html::TagScanner::new()),
                    start,
                };
            }
            '`' => self.inside = Inside::Code(InlineCode::new()),
            '(' if after_bracket => {
                self.inside = Inside::Region {
                    region: Region::link(),
                    start: start - 1,
                };
            }
            '(' => self.unit.in_bracket = had_content,
            ')' => self.unit.in_bracket = false,
            ':' => {
                if let Some(start) = client_tag(&self.unit.text) {
                    self.inside = Inside::Region {
                        region: Region::Bracket,
                        start,
                    };
                }
            }
            '@' => self.unit.address = true,
            '/' if self.unit.text.ends_with("://") => self.unit.address = true,
            _ => {
                if let Some(ender) = class::ender(c) {
                    self.ending = Some(Ending::new(ender, start, self.unit.text.len()));
                }
            }
        }
        self.limit(out);
    }

    /// A character behind an ender that is not decided yet.
    fn behind_ender(&mut self, mut ending: Ending, c: char, out: &mut Vec<Sentence>) {
        match &mut ending.tail {
            Tail::None => return self.at_ender(ending, c, out),
            Tail::Word(_) => {
                self.unit.push(c);
                if Question::is_ready(&self.unit.text[ending.end..]) {
                    self.answer(&ending, out);
                } else {
                    self.ending = Some(ending);
                }
                return;
            }
            Tail::Footnote if c == ']' => {
                self.unit.push(c);
                ending.belongs(self.unit.text.len());
            }
            Tail::Footnote if c == '^' || c.is_numeric() => self.unit.push(c),
            Tail::Footnote => return self.answer_then(&ending, c, out),
            Tail::Region(region) => match region.step(c) {
                Progress::More => self.unit.push(c),
                Progress::Done(After::Text) => {
                    self.unit.push(c);
                    ending.belongs(self.unit.text.len());
                }
                Progress::Done(After::NewLine) => {
                    self.unit.push(c);
                    return self.release_line(out);
                }
                Progress::Done(After::Region(_)) | Progress::Not => {
                    return self.answer_then(&ending, c, out);
                }
            },
        }
        if self.unit.length > MAX_SENTENCE {
            return self.answer(&ending, out);
        }
        self.ending = Some(ending);
    }

    /// A character behind an ender, its closing marks and white space.
    fn at_ender(&mut self, mut ending: Ending, c: char, out: &mut Vec<Sentence>) {
        let start = self.unit.text.len();
        let mut belongs = true;
        if c.is_whitespace() {
            ending.gap = true;
        } else if class::is_extending(c) {
            // Part of the character before it.
        } else if let Some(ender) =
            class::ender(c).filter(|ender| !ending.gap || *ender == Ender::Mark)
        {
            ending.extend(ender, start);
        } else if !ending.gap && class::is_closing_quote(c) {
            ending.quoted = true;
        } else if !ending.gap && class::is_closing_bracket(c) {
            ending.bracketed = true;
        } else if ending.gap && c == '»' && !self.language.opens_with_guillemet {
            // French puts white space before it.
            ending.quoted = true;
        } else {
            belongs = false;
        }
        if belongs {
            self.unit.push(c);
            ending.end = self.unit.text.len();
            if self.unit.length > MAX_SENTENCE {
                return self.release(ending.end, out);
            }
            self.ending = Some(ending);
            return;
        }
        if !ending.gap {
            let text = &self.unit.text;
            let tail = match c {
                '<' => Some(Tail::Region(Region::Tag(crate::html::TagScanner::new()))),
                '(' if text.ends_with(']') => Some(Tail::Region(Region::link())),
                '[' if ending.ender != Ender::Mark
                    || word::ends_with_word(text, self.unit.token) =>
                {
                    Some(Tail::Footnote)
                }
                _ => None,
            };
            if let Some(tail) = tail {
                self.unit.push(c);
                ending.tail = tail;
                self.ending = Some(ending);
                return;
            }
        }
        match self.verdict(&ending, c) {
            Verdict::Ends => {
                self.release(ending.end, out);
                self.prose(c, out);
            }
            Verdict::GoesOn => {
                self.goes_on(&ending);
                self.prose(c, out);
            }
            Verdict::Ask(question) => {
                self.unit.push(c);
                ending.tail = Tail::Word(question);
                self.ending = Some(ending);
            }
        }
    }

    fn verdict(&self, ending: &Ending, c: char) -> Verdict {
        let unit = &self.unit;
        let token = unit.token.min(ending.start);
        ending.decide(
            c,
            &Context {
                language: self.language,
                before: &unit.text[..ending.start],
                token,
                previous: unit.previous.min(token),
                address: unit.address || unit.text[token..].starts_with("www."),
                at_line_start: unit.at_line_start,
                in_bracket: unit.in_bracket,
                last_item: self.last_item,
            },
        )
    }

    /// The ender did not end the sentence.
    fn goes_on(&mut self, ending: &Ending) {
        let unit = &mut self.unit;
        if !ending.gap {
            return;
        }
        if ending.ender == Ender::FullStop {
            let word = unit.text[unit.token.min(ending.start)..ending.start]
                .trim_start_matches(word::is_opening_mark);
            if let Some(number) = word::item_number(word) {
                self.last_item = Some(number);
            }
        } else {
            unit.clause_ended();
        }
        unit.previous = unit.token;
        unit.word_ended_at_gap();
    }

    /// Decides by what has been read behind the ender, and reads that again.
    fn answer(&mut self, ending: &Ending, out: &mut Vec<Sentence>) {
        let rest = self.unit.take_back(ending.end);
        let ends = match &ending.tail {
            Tail::Word(question) => question.ends_before(&rest, self.language),
            Tail::None => true,
            // The text of a link that ends with its sentence.
            Tail::Region(Region::Link { .. }) => false,
            Tail::Region(_) | Tail::Footnote => rest
                .chars()
                .next()
                .is_none_or(|first| self.verdict(ending, first) != Verdict::GoesOn),
        };
        if ends {
            self.release(ending.end, out);
        } else {
            self.goes_on(ending);
        }
        for c in rest.chars() {
            self.step(c, out);
        }
    }

    fn answer_then(&mut self, ending: &Ending, c: char, out: &mut Vec<Sentence>) {
        self.answer(ending, out);
        self.step(c, out);
    }

    /// Decides what can be decided without another character: a line or the text ends.
    pub(super) fn settle(&mut self, out: &mut Vec<Sentence>) {
        while let Some(ending) = self.ending.take_if(|ending| ending.tail != Tail::None) {
            self.answer(&ending, out);
        }
    }

    /// Follows a region; true when `c` was part of it.
    fn after_region(&mut self, progress: Progress, c: char, out: &mut Vec<Sentence>) -> bool {
        match progress {
            Progress::More => {
                self.unit.push(c);
                self.limit_region(out);
            }
            Progress::Done(after) => {
                self.unit.push(c);
                match (after, &mut self.inside) {
                    (After::Region(next), Inside::Region { region, .. }) => *region = next,
                    (After::NewLine, _) => self.release_line(out),
                    _ => self.inside = Inside::Plain,
                }
            }
            Progress::Not => {
                self.inside = Inside::Plain;
                self.unit.find_token();
                return false;
            }
        }
        true
    }

    /// A tag has ended the line.
    fn release_line(&mut self, out: &mut Vec<Sentence>) {
        self.inside = Inside::Plain;
        self.release(self.unit.text.len(), out);
        self.unit.at_line_start = true;
        self.last_item = None;
    }

    /// Lets out the prose before a region that is too long, and hides the rest of the region.
    pub(super) fn limit_region(&mut self, out: &mut Vec<Sentence>) {
        if self.unit.length <= MAX_SENTENCE {
            return;
        }
        if let Inside::Region { region, start } = std::mem::replace(&mut self.inside, Inside::Plain)
        {
            self.release(start, out);
            self.mode = Mode::Hidden(region);
        }
    }

    /// Cuts a sentence that is too long, or a first one that a voice can begin with.
    fn limit(&mut self, out: &mut Vec<Sentence>) {
        if self.ending.is_some() || matches!(self.inside, Inside::Region { .. }) {
            return;
        }
        let unit = &self.unit;
        if unit.length > MAX_SENTENCE {
            if unit.address && unit.token > 0 {
                self.release(unit.token, out);
            } else if unit.address {
                self.release(unit.text.len(), out);
                self.mode = Mode::Hidden(Region::Address);
            } else {
                self.release(unit.best_cut(), out);
            }
        } else if !self.has_spoken
            && unit.said_length() > MAX_FIRST
            && let Some(clause) = unit.clause()
        {
            self.release(clause, out);
        }
    }
}

/// Where the client's tag begins whose opening the text ends with.
fn client_tag(text: &str) -> Option<usize> {
    CLIENT_TAGS.into_iter().find_map(|opening| {
        let start = text.len().checked_sub(opening.len())?;
        text.get(start..)
            .is_some_and(|end| end.eq_ignore_ascii_case(opening))
            .then_some(start)
    })
}
