//! Prometheus' text, read as Prometheus reads it.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
};

/// The samples of one process at one moment.
pub struct Exposition {
    /// As it was sent.
    pub text: String,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    /// Of the process whose admin port this is, in the classic format.
    pub async fn of(admin: &str) -> Self {
        Self::read(asked(admin, "text/plain").await)
    }

    /// Of the process whose admin port this is, as `OpenMetrics`.
    pub async fn open(admin: &str) -> Self {
        Self::read(asked(admin, "application/openmetrics-text").await)
    }

    /// Reads it.
    pub fn read(text: String) -> Self {
        let samples = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .map(sample)
            .collect();
        Self { text, samples }
    }

    /// The sum of all samples of a name that have these labels among others; `None` without any.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found: Vec<f64> = self
            .samples
            .iter()
            .filter(|sample| sample.name == name)
            .filter(|sample| {
                labels
                    .iter()
                    .all(|(key, value)| sample.labels.get(*key).is_some_and(|it| it == value))
            })
            .map(|sample| sample.value)
            .collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// The values of a label over all samples of a name.
    pub fn labels(&self, name: &str, label: &str) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .samples
            .iter()
            .filter(|sample| sample.name == name)
            .filter_map(|sample| sample.labels.get(label).map(String::as_str))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What `promtool check metrics` has to say against it; empty when nothing.
    pub fn objections(&self) -> String {
        let mut promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("promtool, of the package prometheus");
        let mut input = promtool.stdin.take().unwrap();
        input.write_all(self.text.as_bytes()).unwrap();
        drop(input);
        let output = promtool.wait_with_output().unwrap();
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        if said.is_empty() && !output.status.success() {
            said = output.status.to_string();
        }
        said
    }
}

async fn asked(admin: &str, accept: &str) -> String {
    let answer = crate::http()
        .get(format!("{admin}/metrics"))
        .header("accept", accept)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// `name{label="value",…} value`, with or without an exemplar behind it.
fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(mut inner) = rest.strip_prefix('{') {
        while !inner.starts_with('}') {
            let (key, after) = inner.split_once("=\"").unwrap();
            let (value, after) = quoted(after);
            labels.insert(key.trim_start_matches(',').to_owned(), value);
            inner = after;
        }
        rest = &inner[1..];
    }
    let value = rest.split_whitespace().next().unwrap();
    Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().unwrap(),
    }
}

/// What stands before the closing quotation mark, and what behind it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => match characters.next().unwrap().1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("a label without an end in {text}");
}
