//! Any bytes as a text, a language and the places where the text is cut: the sentences must not depend on
//! the cuts, and must make up the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use troika_sentences::{Segmenter, Sentence, served, speakable, split_to_bytes};

fuzz_target!(|input: (u8, Vec<u8>, String)| {
    let (language, cuts, text) = input;
    let language = served::LANGUAGES[usize::from(language) % served::LANGUAGES.len()];
    let whole = streamed(&text, language, &[]);
    assert_eq!(streamed(&text, language, &cuts), whole);
    let sources: String = whole.iter().map(|sentence| sentence.source.as_str()).collect();
    assert_eq!(sources, text);
    for sentence in &whole {
        // A long sentence is cut after some 400 characters of four bytes at most.
        assert!(sentence.source.len() < 4_096);
        assert!(!sentence.spoken().contains('\n'));
    }
    let once = speakable(&text);
    assert_eq!(speakable(&once), once);
    let parts: Vec<&str> = split_to_bytes(&text, 40).collect();
    assert_eq!(parts.concat(), text);
    assert!(parts.iter().all(|part| part.len() <= 40));
});

fn streamed(text: &str, language: &str, cuts: &[u8]) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    let mut sentences = Vec::new();
    let mut rest = text;
    for cut in cuts {
        let (part, left) = rest.split_at(rest.floor_char_boundary(usize::from(*cut)));
        sentences.extend(segmenter.push(part));
        rest = left;
    }
    sentences.extend(segmenter.push(rest));
    sentences.extend(segmenter.finish());
    sentences
}
