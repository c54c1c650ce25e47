//! The searches and their fusion.

use std::{sync::Arc, time::SystemTime};

use super::{super::Embedding, *};

fn chunk(content: &str, vector: Option<&[f32]>) -> Chunk {
    Chunk {
        hash: content.into(),
        content: content.into(),
        file_name: "a.md".into(),
        position: 0,
        language: String::new(),
        embedding: vector.map(|vector| Embedding {
            model: "m".into(),
            vector: vector.into(),
        }),
        imported_at: SystemTime::UNIX_EPOCH,
    }
}

fn index(contents: &[&str]) -> Index {
    Index::build(
        contents
            .iter()
            .map(|content| chunk(content, None))
            .collect(),
        None,
    )
}

fn found<'a>(index: &'a Index, query: &str, vector: Option<&[f32]>) -> Vec<&'a str> {
    index
        .search(query, vector, 16, 8)
        .into_iter()
        .map(|hit| &*hit.entry.content)
        .collect()
}

#[test]
fn the_passage_with_the_words_of_the_question_comes_first() {
    let index = index(&[
        "We ship worldwide.",
        "Refunds take five working days.",
        "Our office is in Pune.",
    ]);
    assert_eq!(
        found(&index, "How long does a refund take?", None)[0],
        "Refunds take five working days."
    );
}

#[test]
fn a_question_that_shares_no_word_finds_nothing() {
    let index = index(&["We ship worldwide.", "Refunds take five working days."]);
    assert!(found(&index, "quantum chromodynamics", None).is_empty());
}

#[test]
fn stop_words_alone_find_nothing() {
    let index = index(&["What is the best of it?", "This is what it is."]);
    assert!(found(&index, "what is the", None).is_empty());
}

#[test]
fn hindi_and_tamil_questions_find_their_passages() {
    let index = index(&[
        "हमारी वापसी नीति तीस दिन की है।",
        "கடை காலை ஒன்பது மணிக்கு திறக்கும்.",
        "The shop opens at nine.",
    ]);
    assert_eq!(
        found(&index, "वापसी नीति क्या है?", None),
        ["हमारी वापसी नीति तीस दिन की है।"]
    );
    assert_eq!(
        found(&index, "கடை எப்போது திறக்கும்?", None),
        ["கடை காலை ஒன்பது மணிக்கு திறக்கும்."]
    );
}

#[test]
fn a_passage_that_both_searches_find_beats_one_that_one_finds() {
    let index = Index::build(
        vec![
            chunk("refund words only", Some(&[0.0, 1.0])),
            chunk("refund and vector", Some(&[1.0, 0.1])),
            chunk("vector only", Some(&[1.0, 0.0])),
        ],
        Some("m"),
    );
    let found = found(&index, "refund", Some(&[1.0, 0.0]));
    assert_eq!(found[0], "refund and vector");
    assert_eq!(found.len(), 3);
}

#[test]
fn vectors_of_another_model_do_not_count() {
    let chunks = vec![chunk("a", Some(&[1.0]))];
    assert!(!Index::build(chunks.clone(), Some("other")).has_vectors());
    assert!(!Index::build(chunks.clone(), None).has_vectors());
    assert!(Index::build(chunks, Some("m")).has_vectors());
}

#[test]
fn at_most_so_many_are_kept_and_equals_keep_their_order() {
    let contents: Vec<String> = (0..40).map(|n| format!("alpha filler{n}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let index = index(&contents);
    assert_eq!(found(&index, "alpha", None), contents[..8]);
}

#[test]
fn an_empty_index_finds_nothing_and_takes_no_memory_to_speak_of() {
    let index = index(&[]);
    assert!(found(&index, "anything", Some(&[1.0])).is_empty());
    assert!((1..1024).contains(&index.bytes()), "{}", index.bytes());
}

#[test]
fn a_repeated_word_in_the_question_changes_nothing() {
    let index = index(&["alpha beta", "beta gamma"]);
    assert_eq!(
        found(&index, "alpha beta beta beta beta", None),
        found(&index, "alpha beta", None)
    );
}

#[test]
fn entries_of_one_document_share_its_name() {
    let index = index(&["one", "two"]);
    assert!(Arc::ptr_eq(
        &index.entries[0].file_name,
        &index.entries[1].file_name
    ));
}
