//! What the files of k8s/monitoring say: rules, their cases, dashboards. It must not know the figures.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(super) fn monitoring(name: &str) -> PathBuf {
    root().join("k8s/monitoring").join(name)
}

pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of a folder with this ending, sorted.
pub(super) fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(monitoring(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} has no .{ending}");
    found
}

/// An alert as its rule says.
#[derive(Default)]
pub(super) struct Alert {
    pub(super) severity: String,
    pub(super) keys: BTreeSet<String>,
    pub(super) runbook: String,
    /// The labels that its sentences name.
    pub(super) named: BTreeSet<String>,
}

/// What the rules say, line by line: each key stands on a line of its own.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) alerts: BTreeMap<String, Alert>,
    pub(super) records: BTreeSet<String>,
    /// With what they belong to.
    pub(super) queries: Vec<(String, String)>,
}

impl Rules {
    pub(super) fn read() -> Self {
        let mut rules = Self::default();
        for path in files("rules", "yml") {
            let text = read(&path);
            let mut lines = text.lines().peekable();
            let mut of = String::new();
            while let Some(line) = lines.next() {
                let Some((key, value)) = line.trim().split_once(": ") else {
                    continue;
                };
                let key = key.trim_start_matches("- ");
                let alert = rules.alerts.get_mut(&of);
                match key {
                    "alert" => {
                        value.clone_into(&mut of);
                        let before = rules.alerts.insert(of.clone(), Alert::default());
                        assert!(before.is_none(), "{of} is there twice");
                    }
                    "record" => {
                        value.clone_into(&mut of);
                        assert!(rules.records.insert(of.clone()), "{of} is there twice");
                    }
                    "expr" if value == ">-" => {
                        let mut query = String::new();
                        // It goes on while lines are indented deeper than its key.
                        while let Some(next) = lines.next_if(|next| next.starts_with("          "))
                        {
                            query.push_str(next.trim());
                            query.push(' ');
                        }
                        rules.queries.push((of.clone(), query));
                    }
                    "expr" => rules.queries.push((of.clone(), value.to_owned())),
                    "severity" => value.clone_into(&mut alert.unwrap().severity),
                    "runbook_url" => value.clone_into(&mut alert.unwrap().runbook),
                    "summary" | "description" => alert.unwrap().named.extend(labels_named(value)),
                    _ => {}
                }
                if let Some(alert) = rules.alerts.get_mut(&of) {
                    alert.keys.insert(key.to_owned());
                }
            }
        }
        rules
    }
}

/// The labels that a sentence names as `{{ $labels.… }}`.
fn labels_named(sentence: &str) -> impl Iterator<Item = String> {
    sentence.split("$labels.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    })
}

/// What the cases of one alert show.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) fires: bool,
    /// A case in which it never fired.
    pub(super) silent: bool,
    /// A case in which it fired before.
    pub(super) ends: bool,
    /// The labels that all alerts that fired had, as PromQL writes them.
    pub(super) labels: Vec<String>,
}

/// What the cases show, by alert. A question in them is a query, a time and what is expected, in this order, and the later
/// of two about one alert stands behind the earlier.
pub(super) fn tried() -> BTreeMap<String, Tried> {
    let mut found: BTreeMap<String, Tried> = BTreeMap::new();
    for path in files("tests", "yml") {
        let text = read(&path);
        for case in text.split("\n  - name: ").skip(1) {
            let (mut fired, mut asked) = (BTreeSet::new(), String::new());
            let mut silent = BTreeSet::new();
            for line in case.lines() {
                if let Some((_, query)) = line.split_once("expr: ALERTS{alertname=\"") {
                    query.split('"').next().unwrap().clone_into(&mut asked);
                } else if asked.is_empty() {
                    continue;
                } else if line.trim() == "exp_samples: []" {
                    let ends = fired.contains(&asked);
                    found.entry(asked.clone()).or_default().ends |= ends;
                    silent.insert(std::mem::take(&mut asked));
                } else if let Some(labels) = line.trim().strip_prefix("- labels: ") {
                    let alert = found.entry(asked.clone()).or_default();
                    alert.fires = true;
                    alert.labels.push(labels.to_owned());
                    fired.insert(asked.clone());
                }
            }
            for alert in silent.difference(&fired) {
                found.get_mut(alert).unwrap().silent = true;
            }
        }
    }
    found
}

/// The queries of all dashboards, each with its panel's title; Grafana's variables are filled in.
pub(super) fn dashboard_queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in files("grafana", "json") {
        let board: Value = serde_json::from_str(&read(&path)).unwrap();
        let title = board["title"].as_str().unwrap();
        let annotations = board["annotations"]["list"].as_array().unwrap();
        for annotation in annotations {
            found.push((
                title.to_owned(),
                annotation["expr"].as_str().unwrap().into(),
            ));
        }
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap();
                let query = query
                    .replace("$__rate_interval", "5m")
                    .replace("$endpoint", ".*")
                    .replace("$job", "troika-.+");
                assert!(!query.contains('$'), "{query}");
                found.push((format!("{title}: {}", panel["title"]), query));
            }
        }
    }
    found
}

/// The queries that people are told to ask, each with its page.
pub(super) fn documented_queries() -> Vec<(String, String)> {
    const OURS: [&str; 5] = ["troika_", "troika:", "process_", "rate(", "up{"];
    let mut found = Vec::new();
    for page in ["docs/runbooks.md", "docs/monitoring.md"] {
        let text = read(&root().join(page));
        let spans = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
        for span in spans.filter(|span| OURS.iter().any(|it| span.contains(it))) {
            found.push((page.to_owned(), span.to_owned()));
        }
    }
    found
}
