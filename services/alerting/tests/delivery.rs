//! Messages over real sockets: a webhook and a mail server, and what goes wrong with them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch};
use troika_alerting::{
    Alerting, Config, Figure, Reading, Readings, Window,
    config::{Email, RuleChange, Tls, Webhook},
};
use troika_tests::{mail::MailServer, servers};

/// A webhook that keeps what it is sent, and fails at first.
#[derive(Clone)]
struct Hook {
    sent: Arc<Mutex<Vec<Value>>>,
    count: watch::Sender<usize>,
    failures: Arc<AtomicUsize>,
}

impl Hook {
    async fn start(failures: usize) -> (Self, SocketAddr) {
        let hook = Self {
            sent: Arc::default(),
            count: watch::Sender::new(0),
            failures: Arc::new(AtomicUsize::new(failures)),
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
        let left = hook.failures.load(Ordering::Relaxed);
        if left > 0 {
            hook.failures.store(left - 1, Ordering::Relaxed);
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        hook.sent.lock().unwrap().push(message);
        hook.count.send_modify(|count| *count += 1);
        StatusCode::OK
    }

    async fn messages(&self, wanted: usize) -> Vec<Value> {
        let mut count = self.count.subscribe();
        let waiting = count.wait_for(|count| *count >= wanted);
        tokio::time::timeout(Duration::from_secs(20), waiting)
            .await
            .unwrap()
            .unwrap();
        self.sent.lock().unwrap().clone()
    }
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
    let titles: Vec<_> = attachments
        .iter()
        .map(|it| it["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["errors", "many_errors"]);
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
async fn a_receiver_that_fails_is_tried_again() {
    let (hook, address) = Hook::start(1).await;
    let alerting = alerting(hasty(Config {
        webhook: webhook(address),
        ..Config::default()
    }));
    alerting.look(&Errors(50.0), SystemTime::now());
    assert_eq!(hook.messages(1).await.len(), 1);
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
    use troika_chassis::config::Problems;
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
