//! The figures and the alerts at the command line: what scripts read of them, and how they end.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdout, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use troika_tests::{
    listener::{DEMO_BOT, try_ask},
    provider::{Provider, Reply},
    sandbox::Sandbox,
    servers,
};
use uuid::Uuid;

use crate::sandbox;

/// How long figures may take to be everywhere, and a verb to end.
const SOON: Duration = Duration::from_secs(15);

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// One look of a window.
fn look(sandbox: &Sandbox, metrics: &str, window: &str) -> Value {
    let arguments = [
        "top", "--once", "--format", "json", "--window", window, "--addr", metrics,
    ];
    let output = sandbox.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let text = out(&output);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Names and kinds without what is measured.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        other => other.clone(),
    }
}

/// `troika top` as it runs, read line by line.
struct Watching {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(sandbox: &Sandbox, metrics: &str) -> Self {
        let mut child = sandbox
            .command(&["top", "--format", "json", "--interval", "250ms"])
            .args(["--addr", metrics])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            errors: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    fn look(&mut self) -> Value {
        let line = self.lines.next().unwrap().unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The exit code after Ctrl-C.
    fn interrupted(mut self) -> Option<i32> {
        servers::signal(self.child.id(), "INT");
        // Whoever writes into a full pipe cannot end.
        for line in self.lines.by_ref() {
            drop(line.unwrap());
        }
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_are_those_of_the_turns_that_were_asked() {
    let provider = Provider::choosing(|_| Reply::tokens(["An ", "answer."])).await;
    let sandbox = sandbox().provider(&provider);
    let troika = sandbox.start();
    for number in 0..7 {
        let question = json!({
            "query": format!("Question {number}?"),
            "chatbotId": DEMO_BOT,
            "sessionId": Uuid::new_v4(),
            "enableTTS": false,
        });
        try_ask(troika.gateway(), &question).await.unwrap();
    }
    let began = Instant::now();
    let told = loop {
        let told = look(&sandbox, troika.metrics(), "5m");
        if told["summary"]["totalRequests"] == 7 {
            break told;
        }
        assert!(began.elapsed() < SOON, "{told}");
    };
    let total = &told["snapshot"]["total"];
    assert_eq!(total["successes"], 7, "{told}");
    assert_eq!(total["failures"], 0);
    assert_eq!(total["firstToken"]["count"], 7);
    assert_eq!(total["complete"]["count"], 7);
    assert_eq!(told["snapshot"]["activeSessions"], 7);
    assert_eq!(told["events"].as_array().unwrap().len(), 7);
    assert_eq!(told["events"][0]["type"], "success");
    for window in ["1m", "60m", "lifetime"] {
        let told = look(&sandbox, troika.metrics(), window);
        assert_eq!(told["summary"]["totalRequests"], 7, "{window}");
    }

    // Programs that read the gateway can read this.
    let token = sandbox.run(&["token", "--role", "admin"]);
    let figures = troika_tests::http()
        .get(format!("{}/api/metrics/figures", troika.gateway()))
        .bearer_auth(out(&token).trim());
    let figures: Value = figures.send().await.unwrap().json().await.unwrap();
    assert_eq!(shape(&told["snapshot"]), shape(&figures));

    // The same for a person, in blocks where there is no terminal.
    let block = sandbox.run(&["top", "--once", "--addr", troika.metrics()]);
    assert_eq!(block.status.code(), Some(0), "{}", errors(&block));
    let text = out(&block);
    assert!(
        text.contains("100.00 % of 7 turns succeeded, 0 running"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn a_metrics_role_that_is_away_is_told_with_the_code_of_all_verbs() {
    let sandbox = sandbox();
    let away = servers::refusing().to_string();
    for arguments in [&["top"][..], &["top", "--once"], &["alert", "list"]] {
        let output = sandbox
            .command(arguments)
            .args(["--addr", &away])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(
            errors(&output).contains(&format!("no metrics role answers at http://{away}")),
            "{}",
            errors(&output)
        );
        assert_eq!(out(&output), "");
    }
}

#[test]
fn who_watches_is_told_since_when_the_role_is_lost_and_sees_it_come_back() {
    let port = servers::free_port();
    let metrics = sandbox().env("TROIKA_METRICS__LISTEN", format!("127.0.0.1:{port}"));
    let mut role = metrics.start_role("metrics");
    let mut watching = Watching::start(&metrics, role.metrics());
    watching.look();
    role.kill();
    let told = watching.errors.next().unwrap().unwrap();
    assert!(
        told.starts_with("warning: the metrics role is away since 20"),
        "{told}"
    );
    // Looks that were told before it died may still wait in the pipe; that it is back is said beside them.
    let _role = metrics.start_role("metrics");
    let told = watching.errors.next().unwrap().unwrap();
    assert!(told.starts_with("the metrics role is back"), "{told}");
    watching.look();
    assert_eq!(watching.interrupted(), Some(0));
}

#[test]
fn silences_are_listed_until_they_are_lifted() {
    let sandbox = sandbox();
    let role = sandbox.start_role("metrics");
    let alert = |arguments: &[&str]| {
        let mut command = sandbox.command(&["alert"]);
        command.args(arguments).args(["--addr", role.metrics()]);
        command.output().unwrap()
    };
    let none = alert(&["list"]);
    assert_eq!(none.status.code(), Some(0), "{}", errors(&none));
    assert!(!out(&none).contains("SILENCE"), "{}", out(&none));

    let silenced = alert(&[
        "silence",
        "slow_first_token",
        "--for",
        "1h",
        "--reason",
        "the provider moves",
        "--as",
        "tests",
    ]);
    assert_eq!(silenced.status.code(), Some(0), "{}", errors(&silenced));
    let id = out(&silenced).trim().to_owned();
    let listed = out(&alert(&["list"]));
    for told in [
        id.as_str(),
        "slow_first_token",
        "tests",
        "the provider moves",
    ] {
        assert!(listed.contains(told), "{told} in {listed}");
    }

    assert_eq!(alert(&["lift", &id]).status.code(), Some(0));
    let lifted = out(&alert(&["list"]));
    assert!(!lifted.contains("SILENCE"), "{lifted}");
    let unknown = alert(&["silence", "no_such_rule", "--for", "1h", "--as", "tests"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", errors(&unknown));
}

#[test]
fn a_test_without_a_receiver_says_what_to_set() {
    let sandbox = sandbox();
    let role = sandbox.start_role("metrics");
    let tested = sandbox.run(&["alert", "test", "--addr", role.metrics()]);
    assert_eq!(tested.status.code(), Some(1));
    for key in ["metrics.alerts.webhook.url", "metrics.alerts.email.host"] {
        assert!(errors(&tested).contains(key), "{}", errors(&tested));
    }
}

#[test]
fn a_test_that_does_not_arrive_is_a_failure() {
    let nobody = servers::refusing();
    let sandbox = sandbox().env(
        "TROIKA_METRICS__ALERTS__WEBHOOK__URL",
        format!("http://{nobody}/hook"),
    );
    let role = sandbox.start_role("metrics");
    let tested = sandbox.run(&["alert", "test", "--addr", role.metrics()]);
    assert_eq!(tested.status.code(), Some(1), "{}", errors(&tested));
    assert!(
        out(&tested).starts_with("webhook: NOT delivered: "),
        "{}",
        out(&tested)
    );
    assert!(
        errors(&tested).contains("1 receiver did not get it"),
        "{}",
        errors(&tested)
    );
}
