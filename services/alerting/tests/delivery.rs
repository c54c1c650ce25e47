//! Messages over real sockets: a webhook and a mail server, and what goes wrong with them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};
use troika_alerting::{
    Alerting, Config, Figure, Reading, Readings, Severity, Window,
    config::{Email, RuleChange, Tls, Webhook},
    state::Silence,
};
use troika_chassis::config::{Problems, Sources, Validate};
use troika_tests::{mail::MailServer, servers};

/// A webhook that keeps what it is sent, and fails at first.
#[derive(Clone)]
struct Hook {
    sent: Arc<Mutex<Vec<Value>>>,
    count: watch::Sender<usize>,
    failed: watch::Sender<usize>,
    failures: usize,
}

impl Hook {
    async fn start(failures: usize) -> (Self, SocketAddr) {
        let hook = Self {
            sent: Arc::default(),
            count: watch::Sender::new(0),
            failed: watch::Sender::new(0),
            failures,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/services/T0/secret", post(Self::take))
            .with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (hook, address)
    }

    async fn take(State(hook): State<Self>, Json(message): Json<Value>) -> StatusCode {
        if *hook.failed.borrow() < hook.failures {
            hook.failed.send_modify(|failed| *failed += 1);
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        hook.sent.lock().unwrap().push(message);
        hook.count.send_modify(|count| *count += 1);
        StatusCode::OK
    }

    async fn messages(&self, wanted: usize) -> Vec<Value> {
        reaches(&self.count, wanted).await;
        self.sent.lock().unwrap().clone()
    }
}

async fn reaches(count: &watch::Sender<usize>, wanted: usize) {
    let mut count = count.subscribe();
    let waiting = count.wait_for(|count| *count >= wanted);
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap()
        .unwrap();
}

fn titles(message: &Value) -> Vec<&str> {
    let attachments = message["attachments"].as_array().unwrap();
    let titles = attachments.iter().map(|it| it["title"].as_str().unwrap());
    titles.collect()
}

fn webhook(address: SocketAddr) -> Webhook {
    Webhook {
        url: format!("http://{address}/services/T0/secret")
            .as_str()
            .into(),
        ..Webhook::default()
    }
}

fn email(address: SocketAddr) -> Email {
    Email {
        host: address.ip().to_string(),
        port: address.port(),
        tls: Tls::None,
        from: "troika <troika@example.com>".to_owned(),
        to: vec!["ops@example.com".to_owned(), "chief@example.com".to_owned()],
        ..Email::default()
    }
}

/// Every rule fires at once, and is over at once.
fn hasty(config: Config) -> Config {
    let rules = troika_alerting::rule::built_in();
    let change = |_| RuleChange {
        hold: Some(Duration::ZERO),
        keep: Some(Duration::ZERO),
        ..RuleChange::default()
    };
    Config {
        rules: rules.into_keys().map(|name| (name, change(()))).collect(),
        ..config
    }
}

/// Shows one value of errors, and nothing else.
struct Errors(f64);

impl Readings for Errors {
    fn read(&self, figure: Figure, _: Window) -> Option<Reading> {
        (figure == Figure::ErrorRate).then_some(Reading {
            value: self.0,
            turns: 100,
        })
    }
}

fn alerting(config: Config) -> Alerting {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Alerting::new(&config).unwrap()
}

#[tokio::test]
async fn what_fires_together_is_one_message_to_each_who_wants_to_know() {
    let (hook, address) = Hook::start(0).await;
    let mail = MailServer::start().await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(address),
        email: email(mail.address),
        ..Config::default()
    }));
    alerting.look(&Errors(50.0), SystemTime::now());
    let messages = hook.messages(1).await;
    assert_eq!(messages[0]["text"], "[CRITICAL] troika: 2 alerts");
    let attachments = messages[0]["attachments"].as_array().unwrap();
    assert_eq!(titles(&messages[0]), ["errors", "many_errors"]);
    assert_eq!(attachments[1]["color"], "danger");
    // Mail is for what is critical.
    let mails = mail.mails(1).await;
    // Long lines are folded on the way.
    let text = &mails[0].replace("=\r\n", "");
    assert!(
        text.contains("Subject: [CRITICAL] troika: More than 5 % of turns fail."),
        "{text}"
    );
    assert!(
        text.contains("RCPT TO:<ops@example.com>") && text.contains("RCPT TO:<chief@example.com>"),
        "{text}"
    );
    assert!(text.contains("Measured 50, the limit is 5."), "{text}");
    assert!(!text.contains("critical: errors"), "{text}");
    assert_eq!(alerting.firing(), 2);

    alerting.look(&Errors(0.0), SystemTime::now());
    let messages = hook.messages(2).await;
    assert_eq!(messages[1]["text"], "[RESOLVED] troika: 2 alerts");
    assert!(mail.mails(2).await[1].contains("Subject: [RESOLVED] troika: many_errors"));
    assert_eq!(alerting.firing(), 0);
}

#[tokio::test]
async fn one_that_fails_is_tried_again_with_what_came_meanwhile() {
    let (hook, address) = Hook::start(1).await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(address),
        ..Config::default()
    }));
    alerting.look(&Errors(50.0), SystemTime::now());
    reaches(&hook.failed, 1).await;
    alerting.look(&Errors(0.0), SystemTime::now());
    let messages = hook.messages(1).await;
    assert_eq!(messages[0]["text"], "[RESOLVED] troika: 2 alerts");
    let told = titles(&messages[0]);
    assert_eq!(told, ["errors", "many_errors", "errors", "many_errors"]);
}

#[tokio::test]
async fn what_is_silenced_while_it_waits_is_told_when_the_silence_is_over() {
    let (hook, address) = Hook::start(1).await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(address),
        ..Config::default()
    }));
    alerting.look(&Errors(50.0), SystemTime::now());
    reaches(&hook.failed, 1).await;
    let silence = Silence {
        id: "one".to_owned(),
        alert: "errors".to_owned(),
        until: SystemTime::now() + Duration::from_secs(3600),
        author: "ops".to_owned(),
        reason: "known".to_owned(),
    };
    alerting.change(|state| state.set_silences(vec![silence]));
    assert_eq!(titles(&hook.messages(1).await[0]), ["many_errors"]);
    alerting.change(|state| state.set_silences(Vec::new()));
    alerting.look(&Errors(50.0), SystemTime::now());
    assert_eq!(titles(&hook.messages(2).await[1]), ["errors"]);
}

#[tokio::test]
async fn one_that_hangs_delays_nobody_else_and_no_look() {
    let hanging = servers::hanging();
    let mail = MailServer::start().await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(hanging.local_addr().unwrap()),
        email: email(mail.address),
        ..Config::default()
    }));
    let began = Instant::now();
    alerting.look(&Errors(50.0), SystemTime::now());
    mail.mails(1).await;
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn more_messages_than_an_hour_may_have_go_out_together_later() {
    let (hook, address) = Hook::start(0).await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(address),
        max_messages: 3,
        ..Config::default()
    }));
    for round in 1..=10 {
        let value = if round % 2 == 1 { 50.0 } else { 0.0 };
        alerting.look(&Errors(value), SystemTime::now());
        if round <= 3 {
            hook.messages(round).await;
        }
    }
    let later = tokio::time::timeout(Duration::from_millis(300), hook.messages(4)).await;
    assert!(later.is_err(), "a fourth message within an hour");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60 * 60)).await;
    tokio::time::resume();
    let messages = hook.messages(4).await;
    assert_eq!(messages[3]["text"], "[RESOLVED] troika: 2 alerts");
    assert_eq!(titles(&messages[3]).len(), 14);
}

// The clock goes on by itself while nothing answers.
#[tokio::test(start_paused = true)]
async fn a_test_ends_though_nobody_answers() {
    let hanging = servers::hanging();
    let address = hanging.local_addr().unwrap();
    let alerting = alerting(Config {
        webhook: webhook(address),
        email: email(address),
        ..Config::default()
    });
    let began = tokio::time::Instant::now();
    let tested = alerting.test("").await;
    assert_eq!(tested.len(), 2);
    assert!(tested.iter().all(|it| it.problem.is_some()), "{tested:?}");
    assert!(!format!("{tested:?}").contains("secret"), "{tested:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn mail_is_sent_under_an_account_where_the_server_asks_for_one() {
    let mail = MailServer::with_account("troika@example.com", "pass word").await;
    let account = |password: &str| Config {
        email: Email {
            user: "troika@example.com".to_owned(),
            password: password.into(),
            ..email(mail.address)
        },
        ..Config::default()
    };
    let problem = |config| async { alerting(config).test("email").await.remove(0).problem };

    assert_eq!(problem(account("pass word")).await, None);
    let text = mail.mails(1).await.remove(0);
    for head in [
        "Subject: [TEST] troika: alerts reach you",
        "Auto-Submitted: auto-generated",
        "Message-ID: <",
    ] {
        assert!(text.contains(head), "{text}");
    }
    // A server's words may hold an account, a password, an address: none of them is repeated.
    assert_eq!(
        problem(account("wrong")).await.unwrap(),
        "the mail server refused the user or the password (code 535)"
    );
    let nobody = Config {
        email: Email {
            to: vec!["nobody@example.com".to_owned()],
            ..account("pass word").email
        },
        ..Config::default()
    };
    assert_eq!(
        problem(nobody).await.unwrap(),
        "the mail server refused the sender or a recipient (code 550)"
    );
    let stranger = Config {
        email: email(mail.address),
        ..Config::default()
    };
    assert_eq!(
        problem(stranger).await.unwrap(),
        "the mail server refused the user or the password (code 530)"
    );
}

#[tokio::test]
async fn no_password_is_sent_to_a_server_without_encryption() {
    let mail = MailServer::with_account("me", "password").await;
    for tls in [Tls::Starttls, Tls::Wrapped] {
        let tested = alerting(Config {
            email: Email {
                tls,
                user: "me".to_owned(),
                password: "password".into(),
                ..email(mail.address)
            },
            ..Config::default()
        })
        .test("")
        .await;
        assert!(tested[0].problem.is_some());
    }
    let heard = mail.heard();
    let revealing = |said: &&String| said.contains("AUTH") || said.contains("MAIL");
    assert!(!heard.iter().any(|said| revealing(&said)), "{heard:?}");
}

#[tokio::test]
async fn a_test_says_what_became_of_it_without_the_address() {
    let (hook, address) = Hook::start(0).await;
    let away = servers::refusing();
    let working = alerting(Config {
        webhook: webhook(address),
        email: email(away),
        ..Config::default()
    });
    let tested = working.test("").await;
    assert_eq!(tested.len(), 2);
    assert_eq!((tested[0].receiver, &tested[0].problem), ("webhook", &None));
    assert!(tested[1].problem.is_some());
    let text = hook.messages(1).await[0]["text"].to_string();
    assert!(text.contains("This is a test"), "{text}");
    assert_eq!(working.test("email").await.len(), 1);
    assert_eq!(working.test("nobody").await, []);

    let broken = alerting(Config {
        webhook: webhook(away),
        ..Config::default()
    });
    let problem = broken.test("").await[0].problem.clone().unwrap();
    assert!(
        !problem.contains("secret") && !problem.contains("services"),
        "{problem}"
    );
}

#[test]
fn settings_that_cannot_work_are_told() {
    let wrong = Config {
        rules: [("new".to_owned(), RuleChange::default())].into(),
        webhook: Webhook {
            url: "not an address".into(),
            ..Webhook::default()
        },
        email: Email {
            host: "mail.example".to_owned(),
            user: "me".to_owned(),
            ..Email::default()
        },
        ..Config::default()
    };
    let problems = Problems::of(&wrong);
    let keys: Vec<_> = problems.iter().map(|(key, _)| key).collect();
    assert_eq!(
        keys,
        [
            "rules",
            "webhook.url",
            "email.from",
            "email.to",
            "email.password"
        ]
    );
    assert!(Problems::of(&Config::default()).is_empty());
}

#[test]
fn rules_are_changed_switched_off_and_added_by_name() {
    let config: Config = serde_json::from_str(
        r#"{"rules": {"errors": {"threshold": 3, "for": "2m"}, "degraded": {"enabled": false},
            "slow": {"figure": "complete_p95", "window": "60m", "threshold": 9000, "summary": "Slow."}}}"#,
    )
    .unwrap();
    let rules = config.rules();
    assert_eq!(
        (rules["errors"].threshold, rules["errors"].hold.as_secs()),
        (3.0, 120)
    );
    assert_eq!(rules["errors"].min_turns, 20);
    assert!(!rules.contains_key("degraded"));
    assert_eq!(rules["slow"].window, Window::Hour);
}

/// As it stands in the whole configuration.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Whole {
    alerts: Config,
}

impl Validate for Whole {
    fn validate(&self, problems: &mut Problems) {
        self.alerts.validate(&mut problems.at("alerts"));
    }
}

#[test]
fn the_environment_changes_single_settings_of_a_rule_of_the_file() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("alerting.toml");
    let text = r#"
        [alerts.rules]
        errors = { threshold = 3.0, for = "2m" }
        slow = { figure = "complete_p95", window = "60m", threshold = 9000, summary = "Slow." }
    "#;
    std::fs::write(&file, text).unwrap();
    let env = [
        ("TROIKA_ALERTS__RULES__ERRORS__FOR", "30s"),
        ("TROIKA_ALERTS__RULES__NO_CHAT__ENABLED", "false"),
        ("TROIKA_ALERTS__RULES__SLOW__SEVERITY", "critical"),
        ("TROIKA_ALERTS__EMAIL__TO", "a@example.com,b@example.com"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources {
        file: Some(file),
        env: env.into(),
        aliases: &[],
    };
    let config = troika_chassis::config::load::<Whole>(&sources)
        .unwrap()
        .alerts;
    let rules = config.rules();
    let errors = &rules["errors"];
    assert_eq!((errors.threshold, errors.hold.as_secs()), (3.0, 30));
    assert_eq!(rules["slow"].severity, Severity::Critical);
    assert!(!rules.contains_key("no_chat"));
    assert_eq!(config.email.to, ["a@example.com", "b@example.com"]);
}

#[test]
fn secrets_do_not_print() {
    let config = Config {
        webhook: Webhook {
            url: "https://hooks.example/services/T0/token".into(),
            ..Webhook::default()
        },
        email: Email {
            password: "hunter2".into(),
            ..Email::default()
        },
        ..Config::default()
    };
    let printed = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
    assert!(
        !printed.contains("token") && !printed.contains("hunter2"),
        "{printed}"
    );
}
