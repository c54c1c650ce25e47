//! Properties of every text, and the cuts that tables cannot hold.

use proptest::prelude::*;

use super::*;

fn streamed(text: &str, language: &str, cuts: impl IntoIterator<Item = usize>) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    let mut sentences = Vec::new();
    let mut rest = text;
    for cut in cuts {
        let place = rest.floor_char_boundary(cut);
        let (part, left) = rest.split_at(place);
        sentences.extend(segmenter.push(part));
        rest = left;
    }
    sentences.extend(segmenter.push(rest));
    sentences.extend(segmenter.finish());
    sentences
}

fn spoken(sentences: &[Sentence]) -> Vec<&str> {
    sentences
        .iter()
        .map(Sentence::spoken)
        .filter(|spoken| !spoken.is_empty())
        .collect()
}

#[test]
fn a_sentence_leaves_with_the_first_word_of_the_next() {
    let mut segmenter = Segmenter::new("en-IN");
    assert!(segmenter.push("It works").is_empty());
    assert!(segmenter.push(".").is_empty());
    assert_eq!(spoken(&segmenter.push(" Next")), ["It works."]);
}

#[test]
fn a_danda_needs_no_more_than_one_further_character() {
    let mut segmenter = Segmenter::new("hi-IN");
    assert!(segmenter.push("यह ठीक है।").is_empty());
    assert_eq!(spoken(&segmenter.push("अ")), ["यह ठीक है।"]);
}

#[test]
fn a_line_end_releases_at_once() {
    let mut segmenter = Segmenter::new("en-IN");
    assert_eq!(spoken(&segmenter.push("A heading\n")), ["A heading"]);
}

#[test]
fn a_long_first_sentence_is_cut_at_a_clause_and_later_ones_are_not() {
    let long = "This is a rather long sentence that begins the answer, and it goes on with a clause that is long too, \
                and then it ends. ";
    let twice = long.repeat(2);
    let sentences = streamed(&twice, "en-IN", []);
    assert_eq!(
        sentences[0].spoken(),
        "This is a rather long sentence that begins the answer,"
    );
    assert_eq!(sentences.len(), 3);
    assert_eq!(super::sentences(&twice, "en-IN").len(), 2);
}

#[test]
fn what_never_ends_is_cut_all_the_same() {
    for endless in ["word ".repeat(1_000), "x".repeat(5_000), "क".repeat(5_000)] {
        let mut segmenter = Segmenter::new("en-IN");
        for character in endless.chars() {
            segmenter.push(&character.to_string());
            assert!(segmenter.waiting.chars().count() <= LONGEST + 1);
        }
    }
}

#[test]
fn code_is_never_said_however_long_it_is() {
    let code = format!("Look:\n```rust\n{}\nlet x = 1;\n```\nDone.", "a.b. C ".repeat(300));
    assert_eq!(spoken(&sentences(&code, "en-IN")), ["Look:", "Done."]);
    assert_eq!(spoken(&sentences("~~~\nnever closed. At all.", "en-IN")), [""; 0]);
}

#[test]
fn spaces_without_end_are_released() {
    let mut segmenter = Segmenter::new("en-IN");
    for _ in 0..10_000 {
        segmenter.push(" ");
        assert!(segmenter.waiting.len() <= LONGEST + 2);
    }
    let mut segmenter = Segmenter::new("en-IN");
    segmenter.push("A.");
    for _ in 0..10_000 {
        segmenter.push(" ");
        assert!(segmenter.waiting.len() <= LONGEST + 2);
    }
}

/// Text as models and visitors write it, and worse.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "Hello", "world", " ", " ", " ", ". ", ".", "? ", "! ", "...", "… ", "।", "। ", "॥ ", "\n", "\n\n", ", ", ": ",
            "Dr. ", "e.g. ", "etc. ", "No. 5", "₹1,234.56", "3.14", "10.30 a.m. ", "U.S. ", "1. ", "- ", "# ", "> ",
            "**", "*", "_", "`", "```", "~~~", "| a | b |\n", "|---|---|\n", "[1]", "[link](https://a.b/c?d=e)", "<b>", "</b>",
            "<br/>", "&amp;", "🎉", "👩‍👩‍👧", "🇮🇳", "1️⃣", "\"", "”", "’", ")", "«", "»", "\u{a0}", "[SUGGESTIONS: a | b]",
            "[KBQ: x", "https://example.com/a.b", "me@example.com", "नमस्ते", "है", "डॉ. ", "வணக்கம்", "বাংলা", "తెలుగు", "ਪੰਜਾਬੀ",
            "ગુજરાતી", "ಕನ್ನಡ", "മലയാളം", "z. B. ", "3. Oktober", "¿Qué?", "é", "\u{301}", "\r\n", "\t", "\u{200d}",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
        1 => "[a-z ]{20,60}",
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn languages() -> impl Strategy<Value = &'static str> {
    prop::sample::select(crate::language::SERVED.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn however_a_text_is_cut_its_sentences_are_the_same(
        text in texts(),
        language in languages(),
        cuts in prop::collection::vec(0usize..12, 0..200),
    ) {
        let whole = streamed(&text, language, []);
        prop_assert_eq!(&streamed(&text, language, cuts), &whole);
        prop_assert_eq!(&streamed(&text, language, vec![1; text.len()]), &whole);
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_doubled(text in texts(), language in languages()) {
        let sources: String = streamed(&text, language, []).iter().map(|sentence| sentence.source.as_str()).collect();
        prop_assert_eq!(&sources, &text);
        let sources: String = sentences(&text, language).iter().map(|sentence| sentence.source.as_str()).collect();
        prop_assert_eq!(sources, text);
    }

    #[test]
    fn what_is_said_is_one_line_without_markup(text in texts(), language in languages()) {
        for sentence in sentences(&text, language) {
            let spoken = sentence.spoken();
            prop_assert!(!spoken.contains(['\n', '\r', '`']), "{:?}", spoken);
            prop_assert!(!spoken.contains("**") && !spoken.contains("SUGGESTIONS:") && !spoken.contains("KBQ:"), "{:?}", spoken);
            prop_assert!(!spoken.contains('🎉') && !spoken.contains('🇮'), "{:?}", spoken);
            prop_assert_eq!(spoken.trim(), spoken);
        }
    }

    #[test]
    fn what_is_speakable_stays_as_it_is(text in texts()) {
        let once = speakable(&text);
        prop_assert_eq!(speakable(&once), once);
    }
}
