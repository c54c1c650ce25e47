//! The answerer for a machine without a model: the paragraphs of the bot's knowledge that fit the
//! question best, quoted word by word. It says nothing that the knowledge does not say.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt as _, stream};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Delta, DeltaStream, Finish};
use crate::{
    knowledge::{index::content_words, retriever::Passage},
    usage::Usage,
};

/// Characters that are quoted at most: an answer, not a document.
const MAX_QUOTED: usize = 900;
/// Paragraphs that are quoted at most.
const MAX_PARAGRAPHS: usize = 3;
/// A paragraph is quoted beside the best one when it fits at least this share as well.
const SHARE_OF_BEST: f32 = 0.6;

const NOTHING_FOUND: &str = "I could not find anything about that in what I know. Could you put the question in other words?";

/// Streams the answer, one word a delta, `pace` apart.
pub(super) fn answer(passages: &[Passage], question: &str, pace: Duration) -> DeltaStream {
    let text = compose(passages, question);
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    // Nothing was asked of a model, so no tokens were used.
    let usage = Usage::default();
    stream::iter(words.into_iter().enumerate())
        .then(move |(place, word)| async move {
            if place > 0 && !pace.is_zero() {
                tokio::time::sleep(pace).await;
            }
            Ok(Delta::Text(word))
        })
        .chain(stream::iter([
            Ok(Delta::Finish(Finish::Stop)),
            Ok(Delta::Usage(usage)),
        ]))
        .boxed()
}

struct Paragraph<'a> {
    text: &'a str,
    heading: Option<&'a str>,
    fit: f32,
}

fn compose(passages: &[Passage], question: &str) -> String {
    let wanted = content_words(question);
    let mut paragraphs: Vec<Paragraph<'_>> = Vec::new();
    let mut headings: Vec<&str> = Vec::new();
    for (rank, passage) in passages.iter().enumerate() {
        for paragraph in paragraphs_of(&passage.content) {
            headings.extend(
                paragraph
                    .heading
                    .filter(|heading| !headings.contains(heading)),
            );
            if paragraphs.iter().any(|known| known.text == paragraph.text) {
                continue;
            }
            let fit = fit(&wanted, &paragraph) / (1.0 + rank as f32 * 0.1);
            paragraphs.push(Paragraph { fit, ..paragraph });
        }
    }
    paragraphs.sort_by(|a, b| b.fit.total_cmp(&a.fit));
    let Some(best) = paragraphs.first() else {
        return NOTHING_FOUND.into();
    };
    let floor = best.fit * SHARE_OF_BEST;
    let mut quoted = String::new();
    let mut used: Vec<&str> = Vec::new();
    for paragraph in paragraphs
        .iter()
        .take(MAX_PARAGRAPHS)
        .take_while(|paragraph| paragraph.fit >= floor)
    {
        let room = MAX_QUOTED.saturating_sub(quoted.chars().count());
        let text = whole_sentences(paragraph.text, room);
        if text.is_empty() {
            break;
        }
        if !quoted.is_empty() {
            quoted.push_str("\n\n");
        }
        quoted.push_str(text);
        used.extend(paragraph.heading);
    }
    let others: Vec<&str> = headings
        .into_iter()
        .filter(|heading| !used.contains(heading))
        .take(3)
        .collect();
    if !others.is_empty() {
        quoted.push_str("\n\n[SUGGESTIONS: ");
        quoted.push_str(&others.join(" | "));
        quoted.push(']');
    }
    quoted
}

/// Paragraphs with the Markdown heading they stand under.
fn paragraphs_of(content: &str) -> impl Iterator<Item = Paragraph<'_>> {
    let mut heading = None;
    content
        .split("\n\n")
        .flat_map(|block| {
            // A heading directly above its text, without a blank line, is common in Markdown.
            match block.trim().split_once('\n') {
                Some((first, rest)) if first.starts_with('#') => vec![first, rest],
                _ => vec![block],
            }
        })
        .filter_map(move |block| {
            let block = block.trim();
            if block.starts_with('#') && !block.contains('\n') {
                heading = Some(block.trim_start_matches('#').trim())
                    .filter(|heading| !heading.contains(['|', ']']));
                return None;
            }
            (!block.is_empty()).then_some(Paragraph {
                text: block,
                heading,
                fit: 0.0,
            })
        })
}

/// The share of the question's words that a paragraph or its heading has; the heading counts twice.
fn fit(wanted: &HashSet<String>, paragraph: &Paragraph<'_>) -> f32 {
    let text = content_words(paragraph.text);
    let heading = paragraph.heading.map(content_words).unwrap_or_default();
    let found = wanted.intersection(&text).count() + 2 * wanted.intersection(&heading).count();
    found as f32 / wanted.len().max(1) as f32
}

/// As many whole sentences as fit into `room` characters; the whole text when it fits.
fn whole_sentences(text: &str, room: usize) -> &str {
    if text.chars().count() <= room {
        return text;
    }
    let mut end = 0;
    let mut characters = 0;
    for (at, sentence) in text.split_sentence_bound_indices() {
        characters += sentence.chars().count();
        if characters > room {
            break;
        }
        end = at + sentence.len();
    }
    text[..end].trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(content: &str) -> Passage {
        Passage {
            content: content.into(),
            file_name: "a.md".into(),
            score: 1.0,
        }
    }

    #[test]
    fn the_paragraph_that_fits_is_quoted_and_other_headings_are_suggested() {
        let passages = [passage(
            "# Ports\n\nThe gateway listens on port 5000.\n\n# Limits\n\nA turn may take two minutes.",
        )];
        let answer = compose(&passages, "Which port does the gateway use?");
        assert!(
            answer.starts_with("The gateway listens on port 5000."),
            "{answer}"
        );
        assert!(answer.ends_with("[SUGGESTIONS: Limits]"), "{answer}");
    }

    #[test]
    fn without_knowledge_it_says_so() {
        assert_eq!(compose(&[], "Why?"), NOTHING_FOUND);
    }

    #[tokio::test]
    async fn it_streams_word_by_word_and_finishes() {
        let deltas: Vec<_> = answer(&[passage("One two three.")], "two", Duration::ZERO)
            .map(Result::unwrap)
            .collect()
            .await;
        assert_eq!(deltas.len(), 5);
        assert_eq!(deltas[0], Delta::Text("One ".into()));
        assert_eq!(deltas[3], Delta::Finish(Finish::Stop));
    }
}
