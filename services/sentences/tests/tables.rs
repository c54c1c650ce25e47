//! The tables of real sentences in `tests/sentences`, each case whole, by single characters and by
//! words. They say what a careful writer of the language expects; the rules follow them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use troika_sentences::{Segmenter, Sentence};

/// The fewest cases of each table, so that none is emptied unseen.
const TABLES: [(&str, usize); 14] = [
    ("english", 25),
    ("hindi", 25),
    ("bengali", 20),
    ("tamil", 20),
    ("telugu", 20),
    ("gujarati", 20),
    ("kannada", 20),
    ("malayalam", 20),
    ("punjabi", 20),
    ("marathi", 10),
    ("spanish", 10),
    ("french", 10),
    ("german", 10),
    ("markdown", 40),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    language: String,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: String,
    sentences: Vec<String>,
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sentences")
}

fn tables() -> BTreeMap<String, Table> {
    std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let table =
                toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, table)
        })
        .collect()
}

fn run<'a>(language: &str, pieces: impl IntoIterator<Item = &'a str>) -> Vec<Sentence> {
    let mut segmenter = Segmenter::new(language);
    let mut sentences = Vec::new();
    for piece in pieces {
        sentences.extend(segmenter.push(piece));
    }
    sentences.extend(segmenter.finish());
    sentences
}

/// Why the case fails, as expected and found sentences one below the other.
fn fault(language: &str, case: &Case) -> Option<String> {
    let whole = run(language, [case.text.as_str()]);
    let mut fault = String::new();
    let found: Vec<&str> = whole
        .iter()
        .map(Sentence::spoken)
        .filter(|spoken| !spoken.is_empty())
        .collect();
    if found != case.sentences {
        for line in diff::lines(&case.sentences, &found) {
            let _ = writeln!(fault, "    {line}");
        }
    }
    let characters = case
        .text
        .char_indices()
        .map(|(at, c)| &case.text[at..at + c.len_utf8()]);
    if run(language, characters) != whole {
        fault.push_str("    other sentences when it comes by single characters\n");
    }
    if run(language, case.text.split_inclusive(' ')) != whole {
        fault.push_str("    other sentences when it comes by words\n");
    }
    if whole.iter().map(|s| s.source.as_str()).collect::<String>() != case.text {
        fault.push_str("    the sources do not make up the text\n");
    }
    (!fault.is_empty()).then_some(fault)
}

mod diff {
    /// Expected sentences that are missing (`-`) and found ones that are too many (`+`), in order.
    pub(super) fn lines(expected: &[String], found: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        let (mut left, mut right) = (0, 0);
        while left < expected.len() || right < found.len() {
            match (expected.get(left), found.get(right)) {
                (Some(want), Some(have)) if want == have => {
                    lines.push(format!("  {want}"));
                    left += 1;
                    right += 1;
                }
                (Some(want), have)
                    if have.is_none() || !found[right..].contains(&want.as_str()) =>
                {
                    lines.push(format!("- {want}"));
                    left += 1;
                }
                (_, Some(have)) => {
                    lines.push(format!("+ {have}"));
                    right += 1;
                }
                _ => break,
            }
        }
        lines
    }
}

#[test]
fn every_sentence_of_the_tables_is_found_however_the_text_is_cut() {
    let tables = tables();
    let mut report = String::new();
    let mut cases = 0;
    for (name, table) in &tables {
        cases += table.case.len();
        for case in &table.case {
            if let Some(fault) = fault(&table.language, case) {
                let _ = writeln!(
                    report,
                    "{name}: {}\n    {:?}\n{fault}",
                    case.name, case.text
                );
            }
        }
    }
    assert!(report.is_empty(), "of {cases} cases fail:\n\n{report}");
}

#[test]
fn no_table_has_lost_its_cases() {
    let tables = tables();
    for (name, fewest) in TABLES {
        let cases = tables.get(name).map_or(0, |table| table.case.len());
        assert!(cases >= fewest, "{name} has {cases} cases of {fewest}");
    }
    assert_eq!(tables.len(), TABLES.len(), "a table without a fewest count");
}
