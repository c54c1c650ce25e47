//! Sentences that wait to be said: which leave alone, which together, which later. No I/O: only the
//! clock.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::Config;

/// Text that waits at most, in bytes; more is not taken from the turn until some of it was said.
const MAX_BYTES: usize = 64 * 1024;

/// How long a character sounds at least, for a guess of what is under way: speech in the served languages
/// has 12 to 17 characters a second.
const CHARACTER: Duration = Duration::from_millis(55);

/// A sentence, several, or a part of one, said in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    pub(super) text: String,
    /// The place of its first sentence.
    pub(super) first: u32,
    /// How many sentences begin in it: 0 for the further parts of a long one.
    pub(super) sentences: u32,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Say this.
    Say(Phrase),
    /// Ask again at this moment, or when another sentence came.
    At(Instant),
    /// Wait for a sentence.
    Nothing,
}

/// The sentences of a turn that no engine was asked for.
pub(super) struct Waiting {
    phrases: VecDeque<Phrase>,
    bytes: usize,
    /// Sentences so far that say something.
    received: u32,
    /// Characters that engines were asked for and that are not over.
    under_way: usize,
    begun: bool,
    open: bool,
    live: bool,
    ahead: Duration,
    together: usize,
}

impl Waiting {
    pub(super) fn new(config: &Config, live: bool) -> Self {
        Self {
            phrases: VecDeque::new(),
            bytes: 0,
            received: 0,
            under_way: 0,
            begun: false,
            open: true,
            live,
            ahead: config.ahead,
            together: config.together,
        }
    }

    /// Whether another sentence is wanted now.
    pub(super) fn takes(&self) -> bool {
        self.open && self.bytes < MAX_BYTES
    }

    /// Another sentence: cut where it is longer than an engine takes, left out where it says nothing.
    pub(super) fn push(&mut self, text: &str, max_bytes: usize) {
        let text = troika_sentences::speakable(text);
        if text.is_empty() {
            return;
        }
        let mut sentences = 1;
        for part in troika_sentences::split_to_bytes(&text, max_bytes) {
            let part = part.trim();
            if !part.is_empty() {
                self.bytes += part.len();
                self.phrases.push_back(Phrase {
                    text: part.to_owned(),
                    first: self.received,
                    sentences: std::mem::take(&mut sentences),
                });
            }
        }
        self.received += 1;
    }

    /// No further sentence comes.
    pub(super) fn close(&mut self) {
        self.open = false;
    }

    /// Nothing waits and nothing comes.
    pub(super) fn is_over(&self) -> bool {
        !self.open && self.phrases.is_empty()
    }

    /// A phrase was heard, or will not be.
    pub(super) fn over(&mut self, phrase: &Phrase) {
        self.under_way = self.under_way.saturating_sub(phrase.text.chars().count());
    }

    /// Sentences so far that say something.
    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// What to say now, with so much sound ahead of the listener.
    pub(super) fn next(&mut self, ahead: Duration) -> Next {
        let Some(first) = self.phrases.front() else {
            return Next::Nothing;
        };
        if self.live {
            // Nothing keeps the first sentence: the listener hears nothing yet.
            let soon = ahead + CHARACTER * u32::try_from(self.under_way).unwrap_or(u32::MAX);
            if !std::mem::replace(&mut self.begun, true) || soon < self.ahead {
                return self.say(1);
            }
        }
        let (mut count, mut characters) = (1, first.text.chars().count());
        for phrase in self.phrases.iter().skip(1) {
            characters += 1 + phrase.text.chars().count();
            if characters > self.together {
                // No further one fits: these are as many as there will be.
                return self.say(count);
            }
            count += 1;
        }
        if self.open && self.live && ahead > self.ahead && characters < self.together {
            return Next::At(Instant::now() + (ahead - self.ahead));
        }
        if self.open && !self.live && characters < self.together {
            return Next::Nothing;
        }
        self.say(count)
    }

    fn say(&mut self, count: usize) -> Next {
        let mut phrases = self.phrases.drain(..count);
        let Some(mut said) = phrases.next() else {
            return Next::Nothing;
        };
        for phrase in phrases {
            said.text.push(' ');
            said.text.push_str(&phrase.text);
            said.sentences += phrase.sentences;
        }
        self.bytes = self.phrases.iter().map(|phrase| phrase.text.len()).sum();
        self.under_way += said.text.chars().count();
        Next::Say(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;
    const MUCH: Duration = Duration::from_secs(10);

    fn waiting(live: bool, sentences: &[&str]) -> Waiting {
        let mut waiting = Waiting::new(&Config::default(), live);
        for sentence in sentences {
            waiting.push(sentence, 5_000);
        }
        waiting
    }

    fn said(next: Next) -> Phrase {
        match next {
            Next::Say(phrase) => phrase,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_sentence_leaves_alone_and_at_once() {
        let mut waiting = waiting(true, &["One.", "Two.", "Three."]);
        assert_eq!(said(waiting.next(NONE)).text, "One.");
    }

    #[tokio::test(start_paused = true)]
    async fn short_sentences_are_said_together_while_the_listener_has_enough_to_hear() {
        let mut waiting = waiting(true, &["One.", "Two.", "Three."]);
        said(waiting.next(NONE));
        // They could be more: they wait until little is left to hear.
        assert!(matches!(waiting.next(MUCH), Next::At(_)));
        waiting.push("Four.", 5_000);
        waiting.close();
        let phrase = said(waiting.next(MUCH));
        assert_eq!(phrase.text, "Two. Three. Four.");
        assert_eq!((phrase.first, phrase.sentences), (1, 3));
        assert_eq!(waiting.next(MUCH), Next::Nothing);
        assert!(waiting.is_over());
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_who_waits_gets_sentences_one_by_one() {
        let mut waiting = waiting(true, &["One.", "Two.", "Three."]);
        let order: Vec<String> = (0..3).map(|_| said(waiting.next(NONE)).text).collect();
        assert_eq!(order, ["One.", "Two.", "Three."]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_counts_as_something_to_hear() {
        let long = "word ".repeat(60);
        let mut waiting = waiting(true, &[&long, "Two.", "Three."]);
        waiting.close();
        let first = said(waiting.next(NONE));
        assert_eq!(said(waiting.next(NONE)).text, "Two. Three.");
        waiting.over(&first);
        assert_eq!(waiting.next(NONE), Next::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_so_many_characters_are_said_together() {
        let sentence = "A sentence of forty characters, or so it is.";
        let mut waiting = waiting(true, &[sentence; 12]);
        waiting.close();
        said(waiting.next(NONE));
        let phrase = said(waiting.next(MUCH));
        assert!(phrase.text.chars().count() <= Config::default().together);
        assert_eq!(phrase.sentences, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sentence_longer_than_an_engine_takes_is_cut_and_stays_one_sentence() {
        let mut waiting = Waiting::new(&Config::default(), true);
        waiting.push(&"many words ".repeat(20), 50);
        waiting.push("The next.", 50);
        waiting.close();
        let mut sentences = Vec::new();
        while let Next::Say(phrase) = waiting.next(NONE) {
            sentences.push(phrase.sentences);
        }
        assert!(sentences.len() > 2, "{sentences:?}");
        assert_eq!(sentences.iter().sum::<u32>(), waiting.received());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_is_made_of_few_utterances() {
        let mut waiting = waiting(false, &["One.", "Two.", "Three."]);
        assert_eq!(waiting.next(NONE), Next::Nothing);
        waiting.close();
        assert_eq!(said(waiting.next(NONE)).text, "One. Two. Three.");
    }

    #[test]
    fn a_sentence_that_says_nothing_takes_no_place() {
        let mut waiting = waiting(true, &["**", "One."]);
        assert_eq!(said(waiting.next(NONE)).first, 0);
    }
}
