//! The segmenter whole and in pieces.

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::{Segmenter, Sentence, sentences};

const LANGUAGES: [&str; 6] = ["en-IN", "hi-IN", "ta-IN", "gu-IN", "de-DE", "fr-FR"];

/// A text of everything that means something to a rule.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "Hello",
        "world",
        "the",
        "We",
        "I",
        "Dr",
        "etc",
        "p.m",
        "U.S",
        "No",
        "z. B",
        "usw",
        "A",
        "Oktober",
        "नमस्ते",
        "है",
        "डॉ",
        "வணக்கம்",
        "திரு",
        "ধন্যবাদ",
        "ছে",
        "ગુજરાત",
        "ഡോ",
        "ਡਾ",
        "ક્યાં",
        "中文",
        "สวัสดี",
        "500",
        "₹1,234.56",
        "1",
        "३",
        "v1.2",
        "snake_case",
        "a_b@c.de",
        "https://www.a.b/c?D=1",
        "www.x.in",
        "Cafe\u{301}",
        "x\u{200d}y",
    ]);
    let marks = prop::sample::select(vec![
        ".",
        "!",
        "?",
        "।",
        "॥",
        "…",
        "...",
        "?!",
        ",",
        ";",
        ":",
        "—",
        "\"",
        "”",
        "“",
        "'",
        "»",
        "«",
        "(",
        ")",
        "[",
        "]",
        "](",
        "![",
        "*",
        "**",
        "_",
        "~~",
        "`",
        "```",
        "~~~",
        "<",
        ">",
        "</",
        "<b>",
        "</b>",
        "<br>",
        "<a href=\"",
        "<script>",
        "</script>",
        "<!--",
        "-->",
        "&lt;",
        "&amp;",
        "#",
        "|",
        "\\",
        "-",
        "[SUGGESTIONS:",
        "[KBQ:",
        "[1]",
        "^",
        "/",
        "@",
        "://",
        "🎉",
        "👨‍👩‍👧",
        "🇮🇳",
        "1️⃣",
        "\u{fe0f}",
        "\u{200d}",
        "\u{301}",
        "。",
        "؟",
        "¿",
        "\u{1}",
    ]);
    let spaces = prop::sample::select(vec![
        " ", " ", " ", "\n", "\n\n", "\r\n", "\r", "  ", "\u{a0}", "\t", "\u{2028}", "",
    ]);
    let piece = prop_oneof![
        4 => words.prop_map(str::to_owned),
        4 => marks.prop_map(str::to_owned),
        4 => spaces.prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => (any::<char>(), 1..500_usize).prop_map(|(c, count)| c.to_string().repeat(count)),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

/// What holds for everything that is said.
pub(crate) fn assert_plain(said: &str) -> Result<(), TestCaseError> {
    prop_assert!(
        !said.contains(|c: char| c.is_control() || crate::class::is_line_end(c)),
        "{said:?}"
    );
    prop_assert!(!said.contains(['`', '\u{fe0f}', '\u{20e3}']), "{said:?}");
    prop_assert!(!said.contains("**") && !said.contains("~~"), "{said:?}");
    prop_assert!(!said.contains(crate::class::is_emoji), "{said:?}");
    let small = said.to_ascii_lowercase();
    for tag in [
        "<b>",
        "</b>",
        "<br>",
        "<script>",
        "<!--",
        "[suggestions:",
        "[kbq:",
    ] {
        prop_assert!(!small.contains(tag), "{said:?}");
    }
    prop_assert!(
        said.is_empty() || said.contains(char::is_alphanumeric),
        "{said:?}"
    );
    prop_assert_eq!(said.trim(), said);
    Ok(())
}

fn cut(text: &str, cuts: &[prop::sample::Index], language: &str) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    let mut ends: Vec<usize> = cuts
        .iter()
        .map(|cut| text.floor_char_boundary(cut.index(text.len() + 1)))
        .collect();
    ends.push(text.len());
    ends.sort_unstable();
    let mut start = 0;
    let mut out = Vec::new();
    for end in ends {
        out.extend(segmenter.push(&text[start..end]));
        start = end;
    }
    out.extend(segmenter.finish());
    out
}

fn spoken(text: &str, language: &str) -> Vec<String> {
    sentences(text, language)
        .into_iter()
        .map(|sentence| sentence.spoken().to_owned())
        .filter(|spoken| !spoken.is_empty())
        .collect()
}

#[test]
fn a_sentence_comes_at_the_next_character_that_is_no_space() {
    let mut segmenter = Segmenter::new("hi-IN");
    assert!(segmenter.push("नमस्ते। ").is_empty());
    assert_eq!(segmenter.push("आ")[0].source, "नमस्ते। ");
    let mut segmenter = Segmenter::new("en-IN");
    assert!(segmenter.push("It costs ₹500. ").is_empty());
    assert_eq!(segmenter.push("3")[0].spoken(), "It costs ₹500.");
    assert_eq!(segmenter.push(" people\n")[0].spoken(), "3 people");
}

#[test]
fn a_long_first_sentence_is_cut_at_a_clause_and_later_ones_are_not() {
    let long = "If you would like to change your booking for the trip to Mumbai, then please write to us \
                before the end of this week, so that we can find another seat.";
    let said = spoken(&format!("{long} {long}"), "en-IN");
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(
        said[0],
        "If you would like to change your booking for the trip to Mumbai,"
    );
    assert_eq!(said[2], long);
}

#[test]
fn a_sentence_without_an_end_is_cut_and_nothing_is_lost() {
    for word in ["word ", "word, ", "नमस्ते ", "中文", "x", "🇮🇳", "\u{301}"] {
        let text = word.repeat(2000);
        let all = sentences(&text, "en-IN");
        assert!(all.len() > 4, "{word}");
        assert!(
            all.iter()
                .all(|sentence| sentence.source.chars().count() <= super::MAX_SENTENCE + 1),
            "{word}"
        );
        assert_eq!(
            all.iter().map(|s| s.source.as_str()).collect::<String>(),
            text
        );
    }
}

#[test]
fn long_hidden_text_is_let_out_in_silent_parts() {
    let filler = "Is this said? Never. ".repeat(100);
    for text in [
        format!("Hello. [SUGGESTIONS: {filler}\n{filler}] Bye."),
        format!("Hello. <!-- {filler}\n{filler} --> Bye."),
        format!("Hello. <script>{filler}\n{filler}</script> Bye."),
        format!("Hello. <img src=\"{}\"> Bye.", "x".repeat(3000)),
        format!("Hello.\n```\n{filler}\n{filler}\n```\nBye."),
        format!("Hello.\n~~~\n{}\n~~~\nBye.", "x".repeat(3000)),
    ] {
        assert_eq!(spoken(&text, "en-IN"), ["Hello.", "Bye."], "{text}");
    }
    let address = format!("See https://a.b/{} now. Bye.", "x".repeat(2000));
    assert_eq!(spoken(&address, "en-IN"), ["See", "a.b", "now.", "Bye."]);
}

#[test]
fn code_without_an_end_is_never_said_and_never_held() {
    let mut segmenter = Segmenter::new("en-IN");
    let mut out = segmenter.push("Look:\n```\n");
    for _ in 0..1000 {
        out.extend(segmenter.push("let x = 1. Then y!\n"));
        assert!(segmenter.unit.length <= 2 * super::MAX_CODE_LINE);
    }
    out.extend(segmenter.finish());
    assert_eq!(out[0].spoken(), "Look:");
    assert!(out[1..].iter().all(|sentence| sentence.spoken().is_empty()));
}

#[test]
fn a_finished_segmenter_begins_anew() {
    let mut segmenter = Segmenter::new("en-IN");
    segmenter.push("```\ncode");
    segmenter.finish();
    assert_eq!(segmenter.push("Hello\n")[0].spoken(), "Hello");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_cut_into_pieces_never_changes_the_sentences(
        text in text(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        language in prop::sample::select(&LANGUAGES[..]),
    ) {
        let whole = sentences(&text, language);
        prop_assert_eq!(&cut(&text, &cuts, language), &whole);
        prop_assert_eq!(whole.iter().map(|s| s.source.as_str()).collect::<String>(), text);
        for sentence in &whole {
            prop_assert!(!sentence.source.is_empty());
            prop_assert!(sentence.source.chars().count() <= 2 * super::MAX_CODE_LINE);
            assert_plain(sentence.spoken())?;
            prop_assert_eq!(crate::speakable(sentence.spoken()), sentence.spoken());
        }
    }
}
