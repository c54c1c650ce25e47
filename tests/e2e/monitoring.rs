//! What Prometheus, Alertmanager and Grafana are told to look at: their own tools have nothing against it, each alert has
//! been seen to fire and to be silent, and every figure that is asked for is one that the binary shows.

mod queries;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use troika_tests::{
    certificates::Authority,
    exposition::Exposition,
    listener::{DEMO_BOT, ask, question},
    provider::{Provider, Reply, Step},
    until,
};

use self::queries::asked_for;
use crate::sandbox;

const SOON: Duration = Duration::from_secs(15);

/// Figures that no process shows of itself: Prometheus makes them.
const OF_PROMETHEUS: [&str; 2] = ["up", "ALERTS"];
/// Labels that Prometheus gives to whatever it scrapes.
const OF_SCRAPING: [&str; 2] = ["job", "instance"];
/// What Grafana has in itself.
const PANELS: [&str; 4] = ["row", "stat", "state-timeline", "timeseries"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn monitoring(name: &str) -> PathBuf {
    root().join("k8s/monitoring").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files of a folder with this ending, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(monitoring(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} has no .{ending}");
    found
}

/// What a tool writes to standard output; a panic with all it said when it is not content.
fn tool(name: &str, arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> String {
    let output = Command::new(name)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{name}: {error}; tests/run installs it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}{problem}");
    said
}

/// An alert as its rule says.
#[derive(Default)]
struct Alert {
    severity: String,
    keys: BTreeSet<String>,
    runbook: String,
}

/// What the rules say, line by line: each key stands on a line of its own.
#[derive(Default)]
struct Rules {
    alerts: BTreeMap<String, Alert>,
    records: BTreeSet<String>,
    /// With what they belong to.
    queries: Vec<(String, String)>,
}

impl Rules {
    fn read() -> Self {
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

/// The queries of all dashboards, each with its panel's title; Grafana's variables are filled in.
fn dashboard_queries() -> Vec<(String, String)> {
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

#[test]
fn prometheus_takes_its_configuration_and_its_rules() {
    let config = monitoring("prometheus.yml");
    tool(
        "promtool",
        ["check".as_ref(), "config".as_ref(), config.as_os_str()],
    );
    let rules = files("rules", "yml");
    let rules = rules.iter().map(|path| path.as_os_str());
    let arguments = ["check".as_ref(), "rules".as_ref(), "--lint-fatal".as_ref()];
    tool("promtool", arguments.into_iter().chain(rules));
}

#[test]
fn alerts_fire_when_they_must_and_not_before() {
    let tests = files("tests", "yml");
    let tests = tests.iter().map(|path| path.as_os_str());
    tool(
        "promtool",
        ["test".as_ref(), "rules".as_ref()].into_iter().chain(tests),
    );
}

#[test]
fn each_alert_says_how_bad_it_is_and_what_to_do_and_was_tried_both_ways() {
    let rules = Rules::read();
    assert!(rules.alerts.len() > 20);
    let runbooks = read(&root().join("docs/runbooks.md"));
    let sections: BTreeSet<&str> = runbooks
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let told: BTreeSet<&str> = rules.alerts.keys().map(String::as_str).collect();
    assert_eq!(sections, told, "docs/runbooks.md has a section an alert");

    // A case is a query, a time and what is expected, in this order.
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for path in files("tests", "yml") {
        let text = read(&path);
        let mut asked = None;
        for line in text.lines() {
            if let Some((_, query)) = line.split_once("expr: ALERTS{alertname=\"") {
                asked = query.split_once('"').map(|(alert, _)| alert.to_owned());
            } else if line.trim() == "exp_samples: []" {
                silent.extend(asked.take());
            } else if line.trim() == "exp_samples:" {
                fires.extend(asked.take());
            }
        }
    }
    for (name, alert) in &rules.alerts {
        assert!(
            ["warning", "critical"].contains(&alert.severity.as_str()),
            "{name}: {:?}",
            alert.severity
        );
        for key in ["summary", "description"] {
            assert!(alert.keys.contains(key), "{name} has no {key}");
        }
        let runbook = format!("docs/runbooks.md#{}", name.to_lowercase());
        assert_eq!(alert.runbook, runbook, "{name}");
        assert!(fires.contains(name), "no case in which {name} fires");
        assert!(silent.contains(name), "no case in which {name} is silent");
    }
}

#[test]
fn alertmanager_takes_its_configuration_and_tells_the_right_people() {
    let config = monitoring("alertmanager.yml");
    tool("amtool", ["check-config".as_ref(), config.as_os_str()]);
    let file = format!("--config.file={}", config.display());
    for (name, alert) in Rules::read().alerts {
        let receiver = match alert.severity.as_str() {
            "critical" => "critical",
            _ if name.ends_with("BurnsSlowly") => "mail",
            _ => "warnings",
        };
        let (name, severity) = (
            format!("alertname={name}"),
            format!("severity={}", alert.severity),
        );
        let arguments = ["config", "routes", "test", &file, &name, &severity];
        assert_eq!(tool("amtool", arguments).trim(), receiver, "{name}");
    }
    let text = read(&config);
    // Names of alerts in the inhibitions that are no alerts inhibit nothing.
    let rules = Rules::read();
    for line in text
        .lines()
        .filter(|line| line.contains("_matchers: [alertname ="))
    {
        let name = line.split('"').nth(1).unwrap();
        assert!(rules.alerts.contains_key(name), "{name} is no alert");
    }
    for secret in ["password:", "api_url:", "auth_secret:"] {
        assert!(
            !text.contains(secret),
            "{secret} stands in a file of its own"
        );
    }
}

#[test]
fn dashboards_need_nothing_but_a_prometheus() {
    let mut uids = BTreeSet::new();
    for path in files("grafana", "json") {
        let board: Value = serde_json::from_str(&read(&path)).unwrap();
        let name = path.display();
        assert!(
            uids.insert(board["uid"].as_str().unwrap().to_owned()),
            "{name}"
        );
        assert!(board["__inputs"].is_null() && board["__requires"].is_null());
        let variables = board["templating"]["list"].as_array().unwrap();
        assert_eq!(variables[0]["name"], "datasource", "{name}");
        assert_eq!(variables[0]["query"], "prometheus", "{name}");
        let here = json!({"type": "prometheus", "uid": "${datasource}"});
        let mut ids = BTreeSet::new();
        for panel in board["panels"].as_array().unwrap() {
            let kind = panel["type"].as_str().unwrap();
            assert!(PANELS.contains(&kind), "{name}: {kind}");
            assert!(ids.insert(panel["id"].as_u64()), "{name}: {}", panel["id"]);
            if kind == "row" {
                continue;
            }
            assert_eq!(panel["datasource"], here, "{name}: {}", panel["title"]);
            for target in panel["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"], here, "{name}: {}", panel["title"]);
            }
        }
    }
    // Prometheus reads the queries as rules.
    let mut rules = String::from("groups: [{name: queries, rules: [\n");
    for (number, (_, query)) in dashboard_queries().iter().enumerate() {
        rules.push_str(&format!(
            "{},\n",
            json!({"record": format!("q:{number}"), "expr": query})
        ));
    }
    rules.push_str("]}]\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queries.yml");
    fs::write(&path, rules).unwrap();
    tool(
        "promtool",
        ["check".as_ref(), "rules".as_ref(), path.as_os_str()],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_that_is_asked_for_is_one_that_the_binary_shows() {
    let provider = Provider::start([
        Reply::tokens(["One ", "two ", "three."]),
        Reply::tokens(["One ", "two ", "three."]),
        Reply::Stream(vec![Step::Token("Half".into()), Step::Break]),
    ])
    .await;
    // Figures of certificates are there where there is one.
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("the authority");
    let ca = authority.write(folder.path());
    let shown = authority
        .issue(&["localhost", "127.0.0.1"])
        .write(folder.path());
    let troika = sandbox()
        .provider(&provider)
        .env("TROIKA_TLS__CERT", shown.cert.to_str().unwrap())
        .env("TROIKA_TLS__KEY", shown.key.to_str().unwrap())
        .env("TROIKA_TLS__CA", ca.to_str().unwrap())
        .start();
    let aloud = json!({"query": "Q", "chatbotId": DEMO_BOT, "enableTTS": true});
    ask(troika.gateway(), &aloud).await.all().await;
    ask(troika.gateway(), &aloud).await.all().await;
    ask(troika.gateway(), &question("Q")).await.all().await;
    until("every turn is counted", SOON, async || {
        let figures = Exposition::of(troika.admin()).await;
        figures.value("troika_turns_total", &[("outcome", "success")]) == Some(2.0)
            && figures.value("troika_turns_total", &[("outcome", "failure")]) == Some(1.0)
            && figures.value("troika_dependency_up", &[]).is_some()
    })
    .await;
    let figures = Exposition::of(troika.admin()).await;

    let rules = Rules::read();
    let mut queries = rules.queries;
    assert!(queries.len() > 40 && queries.iter().all(|(_, query)| !query.is_empty()));
    queries.extend(dashboard_queries());
    let mut missing = BTreeSet::new();
    for (of, query) in &queries {
        let asked = asked_for(query);
        assert!(!asked.is_empty(), "{of}: {query}");
        for (name, labels) in asked {
            if rules.records.contains(&name) || OF_PROMETHEUS.contains(&name.as_str()) {
                continue;
            }
            if figures.value(&name, &[]).is_none() {
                missing.insert(format!("{name}, asked for by {of}"));
                continue;
            }
            for label in labels {
                let given = OF_SCRAPING.contains(&label.as_str());
                if !given && figures.labels(&name, &label).is_empty() {
                    missing.insert(format!("{label} of {name}, asked for by {of}"));
                }
            }
        }
    }
    assert_eq!(missing, BTreeSet::new(), "in {}", figures.text);
    // The objective is read off a bucket's bound.
    let bounds = figures.labels("troika_first_token_seconds_bucket", "le");
    assert!(
        bounds.contains(&"1") || bounds.contains(&"1.0"),
        "{bounds:?}"
    );
}
