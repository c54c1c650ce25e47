//! Cuts a text into overlapping pieces of so many words. Pure; knows nothing of bots, stores or
//! formats.

use std::ops::Range;

use sha2::{Digest, Sha256};
use unicode_segmentation::UnicodeSegmentation;

/// A run without blanks longer than this is counted by its parts: scripts that write no blanks, and
/// data that is no prose, would else make a "word" of a whole page. In characters.
const LONGEST_WORD: usize = 64;

/// Cuts `text` into pieces of at most `words` words, each of which begins with the last
/// `overlap` words of the piece before. A piece ends at the end of a paragraph, else of a sentence,
/// where one ends within its last fifth. No word is cut; an overlap of more than half a piece counts
/// as half.
pub fn split(text: &str, words: usize, overlap: usize) -> Vec<&str> {
    let size = words.max(1);
    let overlap = overlap.min(size / 2);
    let words = words_of(text);
    let mut pieces = Vec::new();
    let mut start = 0;
    while start < words.len() {
        let full = (start + size).min(words.len());
        let end = if full < words.len() {
            good_end(text, &words, start + overlap, full, size)
        } else {
            full
        };
        pieces.push(&text[words[start].start..words[end - 1].end]);
        if end == words.len() {
            break;
        }
        start = end - overlap;
    }
    pieces
}

/// The identity of a chunk: SHA-256 of its content, in hex.
pub fn content_hash(content: &str) -> String {
    hex::encode(Sha256::digest(content.as_bytes()))
}

/// Where a piece that may reach up to `full` ends best. Later than `floor`, so that the next piece
/// begins later than this one.
fn good_end(text: &str, words: &[Range<usize>], floor: usize, full: usize, size: usize) -> usize {
    let earliest = full.saturating_sub(size / 5).max(floor + 1);
    let candidates = || (earliest..=full).rev();
    let gap = |end: usize| &text[words[end - 1].end..words[end].start];
    candidates()
        .find(|&end| gap(end).matches('\n').count() > 1)
        .or_else(|| {
            candidates()
                .find(|&end| !gap(end).is_empty() && ends_sentence(&text[words[end - 1].clone()]))
        })
        .unwrap_or(full)
}

fn ends_sentence(word: &str) -> bool {
    word.trim_end_matches(['"', '\'', ')', ']', '”', '’', '»', '*', '_'])
        .ends_with(['.', '!', '?', '।', '॥', '…', '。', '！', '？', '؟'])
}

/// The byte ranges of the words of a text.
fn words_of(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        // The word is a slice of the text: the distance of their starts is its place.
        let offset = word.as_ptr() as usize - text.as_ptr() as usize;
        if word.chars().nth(LONGEST_WORD).is_none() {
            words.push(offset..offset + word.len());
            continue;
        }
        for (at, part) in word.split_word_bound_indices() {
            push_bounded(&mut words, offset + at, part);
        }
    }
    words
}

/// Pushes a part of a long run, cut between graphemes where it is still too long.
fn push_bounded(words: &mut Vec<Range<usize>>, offset: usize, part: &str) {
    let mut start = 0;
    let mut length = 0;
    for (at, grapheme) in part.grapheme_indices(true) {
        let characters = grapheme.chars().count();
        if length + characters > LONGEST_WORD && at > start {
            words.push(offset + start..offset + at);
            start = at;
            length = 0;
        }
        length += characters;
    }
    words.push(offset + start..offset + part.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbered(count: usize) -> String {
        (0..count)
            .map(|n| format!("w{n}"))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_short_text_is_one_piece() {
        assert_eq!(split("  one two three \n", 300, 50), ["one two three"]);
    }

    #[test]
    fn a_text_of_blanks_has_no_pieces() {
        assert!(split(" \n\t ", 300, 50).is_empty());
    }

    #[test]
    fn pieces_of_300_words_share_50() {
        let text = numbered(700);
        let pieces = split(&text, 300, 50);
        let words: Vec<Vec<&str>> = pieces
            .iter()
            .map(|piece| piece.split_whitespace().collect())
            .collect();
        assert_eq!(
            words.iter().map(Vec::len).collect::<Vec<_>>(),
            [300, 300, 200]
        );
        assert_eq!(words[0][250..], words[1][..50]);
        assert_eq!(words[1][250..], words[2][..50]);
    }

    #[test]
    fn a_piece_prefers_the_end_of_a_paragraph_then_of_a_sentence() {
        let sentence = format!("{} end. {}", numbered(92), numbered(40));
        assert!(split(&sentence, 100, 10)[0].ends_with("end."));
        let paragraph = format!(
            "{} break\n\n{} end. {}",
            numbered(85),
            numbered(5),
            numbered(40)
        );
        assert!(split(&paragraph, 100, 10)[0].ends_with("break"));
    }

    #[test]
    fn a_danda_ends_a_sentence() {
        let text = format!("{} समाप्त। {}", numbered(92), numbered(40));
        assert!(split(&text, 100, 10)[0].ends_with("समाप्त।"));
    }

    #[test]
    fn a_script_without_blanks_is_cut_between_its_words() {
        let text = "汉".repeat(1000);
        let pieces = split(&text, 300, 50);
        assert!(pieces.len() > 2);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 300));
    }

    #[test]
    fn the_hash_is_sha_256_in_hex() {
        assert_eq!(
            content_hash("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    proptest! {
        #[test]
        fn every_word_is_in_a_piece_in_order_and_pieces_are_bounded(
            text in "([\\PC]{0,12}[ \n.।]{0,3}){0,120}", size in 1_usize..40, overlap in 0_usize..30,
        ) {
            let words = words_of(&text);
            let pieces = split(&text, size, overlap);
            prop_assert_eq!(pieces.is_empty(), words.is_empty());
            let mut covered = 0;
            let mut last_start = None;
            for piece in &pieces {
                let start = piece.as_ptr() as usize - text.as_ptr() as usize;
                let end = start + piece.len();
                let first = words.iter().position(|word| word.start == start);
                let last = words.iter().position(|word| word.end == end);
                // A piece begins and ends where a word does: none is cut.
                prop_assert!(first.is_some() && last.is_some());
                let (first, last) = (first.unwrap_or(0), last.unwrap_or(0));
                prop_assert!(last + 1 - first <= size);
                prop_assert!(first <= covered, "a word was left out");
                if let Some(before) = last_start {
                    prop_assert!(first > before, "no progress");
                    prop_assert_eq!(covered - first, overlap.min(size / 2));
                }
                last_start = Some(first);
                covered = last + 1;
            }
            prop_assert_eq!(covered, words.len());
        }

        #[test]
        fn no_word_is_longer_than_the_bound_unless_it_is_one_grapheme(text in "\\PC{0,400}") {
            for word in words_of(&text) {
                let word = &text[word];
                prop_assert!(word.chars().count() <= LONGEST_WORD || word.graphemes(true).count() == 1);
            }
        }
    }
}
