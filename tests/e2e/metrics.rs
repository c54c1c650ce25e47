//! Figures end to end: turns of a known shape are told alike everywhere; several processes add up, and what dies or is
//! away costs nothing but itself.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use troika_proto::metrics::v1::{
    Dimension, GetHistoryRequest, GetSnapshotRequest, GetSnapshotResponse, Point, Window,
    metrics_client::MetricsClient,
};
use troika_tests::{
    exposition::Exposition,
    listener::{DEMO_BOT, ask, try_ask},
    mail::MailServer,
    provider::{Provider, Reply, Step},
    sandbox::{Sandbox, Troika},
    servers, until,
};
use uuid::Uuid;

use crate::{
    callers::{Called, as_admin},
    sandbox,
};

/// Turns that run at once.
const AT_ONCE: usize = 10;
/// How long figures may take to be everywhere.
const SOON: Duration = Duration::from_secs(15);

/// The provider does as the question says. The first token takes 100 ms, further ones 20 ms each.
async fn scripted() -> Provider {
    Provider::choosing(|asked| {
        let question = asked.messages().pop().map(|(_, text)| text);
        let question = question.unwrap_or_default();
        let mut steps = vec![Step::Wait(Duration::from_millis(100))];
        for token in ["Five ", "tokens ", "make ", "an ", "answer."] {
            steps.push(Step::Token(token.into()));
            steps.push(Step::Wait(Duration::from_millis(20)));
        }
        if question.contains("FAIL") {
            steps.push(Step::Break);
        } else if question.contains("LEAVE") {
            steps.push(Step::Hang);
        } else {
            steps.extend([
                Step::Finish("stop"),
                Step::Usage {
                    prompt: 100,
                    completion: 5,
                },
                Step::Done,
            ]);
        }
        Reply::Stream(steps)
    })
    .await
}

/// However often the provider fails, it is asked on: left alone, the bot's knowledge would answer in its place.
fn steady(provider: &Provider) -> Sandbox {
    sandbox()
        .provider(provider)
        .env("TROIKA_CHAT__MODEL__BREAKER__FAILURES", "1000")
}

fn question(kind: &str) -> Value {
    json!({ "query": format!("{kind} question"), "chatbotId": DEMO_BOT, "sessionId": Uuid::new_v4() })
}

/// Asks, and leaves where the kind says so. The answer's last event before `close`.
async fn turn(gateway: &str, kind: &str) -> Option<Value> {
    if kind == "LEAVE" {
        let mut listening = ask(gateway, &question(kind)).await;
        listening.wait_for("text").await;
        return None;
    }
    let events = try_ask(gateway, &question(kind)).await?;
    let last = events.iter().rev().find(|event| event.name != "close")?;
    Some(last.data.clone())
}

/// So many turns of each kind, mixed.
async fn turns(gateways: &[&str], kinds: &[(&str, usize)]) -> Vec<Value> {
    let all = kinds.iter().flat_map(|(kind, count)| vec![*kind; *count]);
    let gateways = gateways.iter().cycle();
    stream::iter(all.zip(gateways))
        .map(|(kind, gateway)| turn(gateway, kind))
        .buffer_unordered(AT_ONCE)
        .filter_map(async |answer| answer)
        .collect()
        .await
}

async fn json(url: String) -> Value {
    troika_tests::get(url).await.unwrap().json().await.unwrap()
}

/// An admin's token.
fn token(sandbox: &Sandbox) -> String {
    let output = sandbox.run(&["token", "--role", "admin"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn told_an_admin(url: String, token: &str) -> Value {
    let request = troika_tests::http().get(url).bearer_auth(token);
    request.send().await.unwrap().json().await.unwrap()
}

fn client(address: &str) -> MetricsClient<Called> {
    MetricsClient::new(as_admin(address))
}

async fn snapshot(address: &str, window: Window, by: Dimension) -> GetSnapshotResponse {
    let request = GetSnapshotRequest {
        window: window.into(),
        by: by.into(),
    };
    client(address)
        .get_snapshot(request)
        .await
        .unwrap()
        .into_inner()
}

/// Turns that the metrics role knows of, since counting began.
async fn known(address: &str) -> (u64, u64, u64) {
    let request = GetSnapshotRequest::default();
    match client(address).get_snapshot(request).await {
        Ok(answer) => {
            let total = answer.into_inner().total.unwrap();
            (total.successes, total.failures, total.cancelled)
        }
        Err(_) => (0, 0, 0),
    }
}

async fn knows(address: &str, turns: (u64, u64, u64)) {
    let began = Instant::now();
    loop {
        let now = known(address).await;
        if now == turns {
            return;
        }
        assert!(began.elapsed() < SOON, "{now:?} instead of {turns:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_of_a_known_shape_are_told_alike_in_every_surface() {
    let provider = scripted().await;
    let sandbox = steady(&provider);
    let prices = "[metrics.prices.gpt-4o-mini]\ninput = 0.15\noutput = 0.6\n";
    std::fs::write(sandbox.data().join("troika.toml"), prices).unwrap();
    let troika = sandbox.start();
    let (gateway, metrics) = (troika.gateway(), troika.metrics());
    let answers = turns(&[gateway], &[("GOOD", 90), ("FAIL", 5), ("LEAVE", 5)]).await;
    assert_eq!(answers.len(), 95);
    knows(metrics, (90, 5, 5)).await;

    // By gRPC, in every window.
    for window in [
        Window::Window1Minute,
        Window::Window5Minutes,
        Window::Window60Minutes,
        Window::Lifetime,
    ] {
        let told = snapshot(metrics, window, Dimension::Outcome).await;
        let total = told.total.unwrap();
        assert_eq!(
            (total.successes, total.failures, total.cancelled),
            (90, 5, 5),
            "{window:?}"
        );
        let errors = total.errors.unwrap();
        assert_eq!(
            (
                errors.openai,
                errors.network,
                errors.validation,
                errors.other
            ),
            (5, 0, 0, 0)
        );
        assert_eq!((total.prompt_tokens, total.completion_tokens), (9000, 450));
        assert!(
            (total.cost - 90.0 * (100.0 * 0.15 + 5.0 * 0.6) / 1e6).abs() < 1e-12,
            "{}",
            total.cost
        );
        assert_eq!(total.words, 450);
        assert_eq!(told.active_sessions, 100);
        let groups: Vec<(&str, u64)> = told
            .groups
            .iter()
            .map(|group| {
                (
                    group.value.as_str(),
                    group.figures.as_ref().unwrap().successes,
                )
            })
            .collect();
        assert_eq!(groups, [("success", 90), ("cancelled", 0), ("failure", 0)]);
    }

    // Percentiles against the turns themselves, one by one.
    let admin = token(&sandbox);
    let events = told_an_admin(
        format!("{gateway}/api/metrics/streaming/events?limit=1000"),
        &admin,
    )
    .await;
    assert_eq!(events["count"], 100);
    let events = events["events"].as_array().unwrap();
    let times = |name: &str, of: &dyn Fn(&Value) -> bool| {
        let mut times: Vec<f64> = events
            .iter()
            .filter(|event| of(event))
            .filter_map(|event| event["data"][name].as_f64())
            .collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let first_tokens = times("firstTokenLatency", &|_| true);
    let durations = times("duration", &|event| event["type"] == "success");
    assert_eq!((first_tokens.len(), durations.len()), (100, 90));
    assert!(first_tokens[0] >= 100.0, "{first_tokens:?}");
    let old = json(format!("{gateway}/api/metrics/streaming")).await;
    let latency = &old["metrics"]["latency"];
    for (name, times) in [("firstToken", &first_tokens), ("complete", &durations)] {
        for (percentile, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            let truth = times[((share * times.len() as f64).ceil() as usize).max(1) - 1];
            let told = latency[name][percentile].as_f64().unwrap();
            // The stated error, and the part of a millisecond that events leave out.
            assert!(
                (told - truth).abs() <= truth * 0.008 + 1.0,
                "{name} {percentile}: {told} for {truth}"
            );
        }
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        assert!((latency[name]["avg"].as_f64().unwrap() - mean).abs() <= 1.0);
    }

    // By the routes of old.
    let requests = &old["metrics"]["requests"];
    assert_eq!(
        *requests,
        json!({"total": 100, "successful": 90, "failed": 5, "cancelled": 5, "active": 0, "successRate": 94.74})
    );
    assert_eq!(old["metrics"]["errors"]["openai"], 5);
    assert_eq!(old["metrics"]["resources"]["totalTokens"], 9450);
    let summary = json(format!("{gateway}/api/metrics/streaming/summary")).await;
    assert_eq!(summary["summary"]["totalRequests"], 100);
    assert_eq!(summary["summary"]["successRate"], 94.74);
    assert_eq!(summary["summary"]["errorCount"], 5);

    // For Prometheus, by the old names and by those of the process.
    let text = troika_tests::get(format!("{gateway}/prometheus/metrics"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        r#"chatbot_requests_total{type="success"} 90"#,
        r#"chatbot_requests_total{type="failed"} 5"#,
        r#"chatbot_errors_total{type="openai"} 5"#,
        r#"chatbot_resources_total{type="tokens"} 9450"#,
        "chatbot_total_sessions 100",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    // The one name that the format's authors would not choose is what dashboards read.
    assert_eq!(
        Exposition::read(text).objections(),
        "chatbot_latency_milliseconds use base unit \"seconds\" instead of \"milliseconds\"\n"
    );
    let own = troika_tests::get(format!("{}/metrics", troika.admin()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let sum = |outcome: &str| -> f64 {
        own.lines()
            .filter(|line| {
                line.starts_with("troika_turns_total{")
                    && line.contains(&format!("outcome=\"{outcome}\""))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    assert_eq!(
        (sum("success"), sum("failure"), sum("cancelled")),
        (90.0, 5.0, 5.0)
    );

    // In a terminal.
    let top = sandbox.run(&["top", "--once", "--format", "json", "--addr", metrics]);
    let top: Value = serde_json::from_slice(&top.stdout).unwrap();
    let total = &top["snapshot"]["total"];
    assert_eq!(
        (&total["successes"], &total["failures"], &total["cancelled"]),
        (&json!(90), &json!(5), &json!(5))
    );
    assert!(
        (total["firstToken"]["p95"].as_f64().unwrap()
            - latency["firstToken"]["p95"].as_f64().unwrap())
        .abs()
            < 0.01
    );
    let top = sandbox.run(&["top", "--once", "--addr", metrics]);
    let top = String::from_utf8(top.stdout).unwrap();
    assert!(
        top.contains("94.74 % of 95 turns succeeded, 0 running, 5 cancelled"),
        "{top}"
    );

    // Strangers read names in place of sessions.
    let told = json(format!("{gateway}/api/metrics/streaming/events?limit=1000")).await;
    let names = |events: &[Value]| -> BTreeSet<String> {
        events
            .iter()
            .map(|event| event["data"]["sessionId"].as_str().unwrap().to_owned())
            .collect()
    };
    let (sessions, hashed) = (names(events), names(told["events"].as_array().unwrap()));
    assert_eq!((sessions.len(), hashed.len()), (100, 100));
    assert!(sessions.is_disjoint(&hashed));

    // Over time: this minute, or this and the one before, a second later.
    history(gateway, &admin, 90).await;
}

/// Waits until the last hour's history has so many successes.
async fn history(gateway: &str, admin: &str, successes: u64) {
    until("the history has them", SOON, async || {
        let history = told_an_admin(format!("{gateway}/api/metrics/history?range=1h"), admin).await;
        let points = history["points"].as_array().unwrap();
        let of = |point: &Value| point["figures"]["successes"].as_u64().unwrap();
        points.iter().map(of).sum::<u64>() == successes && points.len() <= 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_add_up_and_what_dies_takes_nothing_along() {
    let mongodb = servers::mongodb();
    let provider = scripted().await;
    let uri = format!("mongodb://127.0.0.1:{}/shop", mongodb.port);
    let shared = steady(&provider).env("MONGODB_URI", uri);
    // Two metrics replicas, three chats, two gateways.
    let ports = [servers::free_port(), servers::free_port()];
    let metrics_at = |port: u16| {
        shared
            .clone()
            .env("TROIKA_METRICS__LISTEN", format!("127.0.0.1:{port}"))
    };
    let mut replicas = ports.map(|port| metrics_at(port).start_role("metrics"));
    let addresses = ports.map(|port| format!("http://127.0.0.1:{port}"));
    let mut chats: Vec<Troika> = (0..3)
        .map(|place| {
            shared
                .clone()
                .env(
                    "TROIKA_CHAT__METRICS__ADDRESS",
                    addresses[place % 2].clone(),
                )
                .start_role("chat")
        })
        .collect();
    seed(&shared, &chats[0]);
    let gateways: Vec<Troika> = [0, 1, 2]
        .into_iter()
        .map(|place| {
            shared
                .clone()
                .env("TROIKA_GATEWAY__CHAT", chats[place].chat())
                .env("TROIKA_GATEWAY__METRICS", addresses[place % 2].clone())
                .start_role("gateway")
        })
        .collect();
    let edges: Vec<&str> = gateways.iter().map(Troika::gateway).collect();
    for edge in &edges {
        until("the gateway is ready", SOON, async || {
            troika_tests::get(format!("{edge}/ready"))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }
    turns(&edges, &[("GOOD", 30), ("FAIL", 6)]).await;
    for address in &addresses {
        knows(address, (30, 6, 0)).await;
    }
    let told = snapshot(
        &addresses[1],
        Window::Window5Minutes,
        Dimension::Unspecified,
    )
    .await;
    let roles: Vec<&str> = told
        .sources
        .iter()
        .map(|it| it.state.as_ref().unwrap().role.as_str())
        .collect();
    assert_eq!(
        roles,
        ["chat", "chat", "chat", "gateway", "gateway", "gateway"]
    );

    // A chat process dies: what it told stays, and it is missed.
    chats[2].kill();
    for address in &addresses {
        until("the dead process is missed", SOON, async || {
            let told = snapshot(address, Window::Lifetime, Dimension::Unspecified).await;
            told.sources
                .iter()
                .filter(|it| it.state.as_ref().unwrap().role == "chat")
                .count()
                == 2
        })
        .await;
        assert_eq!(known(address).await, (30, 6, 0));
    }
    // A question to the dead one is a failure of the network, and told by its gateway.
    assert!(turn(edges[2], "GOOD").await.is_none());
    for address in &addresses {
        knows(address, (30, 7, 0)).await;
    }

    // A metrics replica dies, in the middle of it: its senders wait for the next one.
    replicas[0].kill();
    turns(&edges[..2], &[("GOOD", 10)]).await;
    replicas[0] = metrics_at(ports[0]).start_role("metrics");
    for address in &addresses {
        knows(address, (40, 7, 0)).await;
    }
    // Each replica stores its last second within one more.
    until("the history has them", SOON, async || {
        let now = std::time::SystemTime::now();
        let history = GetHistoryRequest {
            from: Some((now - Duration::from_secs(3600)).into()),
            step: Some(prost_types::Duration {
                seconds: 60,
                nanos: 0,
            }),
            ..GetHistoryRequest::default()
        };
        let told = client(&addresses[0]).get_history(history).await.unwrap();
        let points = told.into_inner().points;
        let of = |point: &Point| point.figures.as_ref().unwrap().successes;
        points.iter().map(of).sum::<u64>() == 40
    })
    .await;

    // All of them at once: history and totals are still there.
    for replica in &mut replicas {
        replica.kill();
    }
    replicas = ports.map(|port| metrics_at(port).start_role("metrics"));
    for address in &addresses {
        knows(address, (40, 7, 0)).await;
        let told = snapshot(address, Window::Window60Minutes, Dimension::Bot).await;
        assert_eq!(
            told.groups
                .iter()
                .map(|it| it.figures.as_ref().unwrap().successes)
                .sum::<u64>(),
            40
        );
    }
    drop(replicas);
}

/// The demo bot in an empty database.
fn seed(sandbox: &Sandbox, chat: &Troika) {
    let output = sandbox
        .command(&["bots", "create", "--id", DEMO_BOT, "--name", "Shop"])
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_on_the_embedded_store_keeps_totals_history_and_events() {
    let provider = scripted().await;
    let sandbox = steady(&provider);
    let mut troika = sandbox.start();
    turns(&[troika.gateway()], &[("GOOD", 5), ("FAIL", 1)]).await;
    knows(troika.metrics(), (5, 1, 0)).await;
    troika.signal("TERM");
    assert_eq!(troika.exit(SOON), 0, "{}", troika.log());
    drop(troika);
    let troika = sandbox.start();
    assert_eq!(known(troika.metrics()).await, (5, 1, 0));
    turns(&[troika.gateway()], &[("GOOD", 2)]).await;
    knows(troika.metrics(), (7, 1, 0)).await;
    let admin = token(&sandbox);
    let events = json(format!("{}/api/metrics/streaming/events", troika.gateway())).await;
    assert_eq!(events["count"], 8);
    let reset = troika_tests::http()
        .post(format!("{}/api/metrics/streaming/reset", troika.gateway()))
        .bearer_auth(&admin);
    assert_eq!(reset.send().await.unwrap().status(), 200);
    knows(troika.metrics(), (0, 0, 0)).await;
    // A reset is not the end of history.
    history(troika.gateway(), &admin, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_goes_down_and_up_with_the_turns_and_says_when() {
    let provider = scripted().await;
    let troika = steady(&provider)
        .env("TROIKA_METRICS__HEALTH__WINDOW", "5s")
        .env("TROIKA_METRICS__HEALTH__WORSE_AFTER", "1s")
        .env("TROIKA_METRICS__HEALTH__BETTER_AFTER", "2s")
        .env("TROIKA_METRICS__HEALTH__DEGRADED_ERROR_RATE", "5")
        .env("TROIKA_METRICS__HEALTH__UNHEALTHY_ERROR_RATE", "30")
        .start();
    let url = format!("{}/api/metrics/health/streaming", troika.gateway());
    let status = async || {
        let answer = troika_tests::get(&url).await.unwrap();
        let code = answer.status().as_u16();
        (code, answer.json::<Value>().await.unwrap())
    };
    let becomes = async |wanted: &str, code: u16, kinds: &[(&str, usize)]| {
        let began = Instant::now();
        loop {
            turns(&[troika.gateway()], kinds).await;
            let (now, document) = status().await;
            if document["status"] == wanted {
                assert_eq!(now, code, "{document}");
                return document;
            }
            assert!(began.elapsed() < Duration::from_secs(40), "{document}");
        }
    };
    becomes("healthy", 200, &[("GOOD", 10)]).await;
    until("chat has said what it needs", SOON, async || {
        status().await.1["checks"]["mongodb"]["value"] == "unused"
    })
    .await;
    let (_, well) = status().await;
    assert!(well.get("issues").is_none(), "{well}");
    assert_eq!(well["checks"]["errorRate"]["status"], "pass");
    assert!(well["checks"]["activeStreams"]["value"].is_number());
    let worse = becomes("degraded", 200, &[("GOOD", 17), ("FAIL", 3)]).await;
    assert_eq!(worse["checks"]["errorRate"]["status"], "warn");
    assert!(
        worse["issues"][0].as_str().unwrap().contains("failed"),
        "{worse}"
    );
    let worst = becomes("unhealthy", 503, &[("GOOD", 5), ("FAIL", 15)]).await;
    assert_eq!(worst["success"], false);
    becomes("healthy", 200, &[("GOOD", 20)]).await;
    let (_, document) = status().await;
    let changes: Vec<(&str, &str)> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["from"].as_str().unwrap(), it["to"].as_str().unwrap()))
        .collect();
    assert_eq!(
        changes[changes.len() - 2..],
        [("degraded", "unhealthy"), ("healthy", "degraded")]
    );
    assert_eq!(changes[0].1, "healthy");
    let times: Vec<&str> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["at"].as_str().unwrap())
        .collect();
    assert!(
        times.is_sorted_by(|younger, older| younger >= older),
        "{times:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_reach_a_mail_server_and_a_webhook_and_say_when_it_is_over() {
    let provider = scripted().await;
    let mail = MailServer::start().await;
    let hook = Provider::choosing(|_| Reply::Json(json!({}))).await;
    let sandbox = steady(&provider)
        .env(
            "TROIKA_METRICS__ALERTS__WEBHOOK__URL",
            format!("{}/chat/completions", hook.url),
        )
        .env("TROIKA_METRICS__ALERTS__EMAIL__HOST", "127.0.0.1")
        .env(
            "TROIKA_METRICS__ALERTS__EMAIL__PORT",
            mail.address.port().to_string(),
        )
        .env("TROIKA_METRICS__ALERTS__EMAIL__TLS", "none")
        .env("TROIKA_METRICS__ALERTS__EMAIL__FROM", "troika@example.com")
        .env(
            "TROIKA_METRICS__ALERTS__EMAIL__TO",
            r#"["ops@example.com"]"#,
        )
        .env("TROIKA_METRICS__ALERTS__RULES__MANY_ERRORS__FOR", "1s")
        .env("TROIKA_METRICS__ALERTS__RULES__MANY_ERRORS__MIN_TURNS", "5");
    let troika = sandbox.start();
    let gateway = troika.gateway();
    let admin = token(&sandbox);
    let test = troika_tests::http()
        .post(format!("{gateway}/api/metrics/alerts/test"))
        .bearer_auth(&admin)
        .json(&json!({}));
    let answer: Value = test.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        answer["deliveries"],
        json!([
            {"receiver": "webhook", "delivered": true, "problem": ""},
            {"receiver": "email", "delivered": true, "problem": ""},
        ])
    );
    assert!(mail.mails(1).await[0].contains("Subject: [TEST] troika: alerts reach you"));

    let verb = sandbox.run(&[
        "alert",
        "test",
        "--receiver",
        "email",
        "--addr",
        troika.metrics(),
    ]);
    assert_eq!(
        (
            verb.status.code(),
            String::from_utf8_lossy(&verb.stdout).trim()
        ),
        (Some(0), "email: delivered")
    );
    mail.mails(2).await;

    turns(&[gateway], &[("FAIL", 10)]).await;
    let mails = mail.mails(3).await;
    assert!(
        mails[2].contains("More than 5 % of turns fail."),
        "{}",
        mails[2]
    );
    let listed = sandbox.run(&["alert", "list", "--addr", troika.metrics()]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("many_errors"));
    let alerts = told_an_admin(format!("{gateway}/api/metrics/alerts"), &admin).await;
    let firing = alerts["alerts"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "many_errors")
        .unwrap();
    assert_eq!(
        (&firing["state"], &firing["severity"]),
        (&json!("firing"), &json!("critical"))
    );
    let own = troika_tests::get(format!("{}/metrics", troika.admin()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        own.lines()
            .any(|line| line.starts_with("troika_alerts_firing ") && !line.ends_with(" 0")),
        "{own}"
    );

    // Silence is for all replicas, and can be lifted.
    let silence = troika_tests::http()
        .post(format!("{gateway}/api/metrics/alerts/silences"))
        .bearer_auth(&admin)
        .json(&json!({"alert": "many_errors", "seconds": 3600, "reason": "known"}));
    let silence = silence.send().await.unwrap();
    assert_eq!(silence.status(), 201);
    let silence: Value = silence.json().await.unwrap();
    until("the alert is silent", SOON, async || {
        let alerts = told_an_admin(format!("{gateway}/api/metrics/alerts"), &admin).await;
        alerts["alerts"]
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["silenced"] == true)
    })
    .await;
    let id = silence["id"].as_str().unwrap();
    let lift = troika_tests::http()
        .delete(format!("{gateway}/api/metrics/alerts/silences/{id}"))
        .bearer_auth(&admin);
    assert_eq!(lift.send().await.unwrap().status(), 204);
    let none = troika_tests::http()
        .get(format!("{gateway}/api/metrics/alerts"))
        .send()
        .await
        .unwrap();
    assert_eq!(none.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_metrics_role_no_turn_fails_and_none_is_slower() {
    let provider = scripted().await;
    let hanging = servers::hanging();
    let away = [servers::refusing(), hanging.local_addr().unwrap()];
    for address in away {
        let sandbox = steady(&provider);
        let chat = sandbox
            .clone()
            .env("TROIKA_CHAT__METRICS__ADDRESS", format!("http://{address}"))
            .start_role("chat");
        let gateway = sandbox
            .env("TROIKA_GATEWAY__CHAT", chat.chat())
            .env("TROIKA_GATEWAY__METRICS", format!("http://{address}"))
            .start_role("gateway");
        let edge = gateway.gateway();
        until("the gateway is ready", SOON, async || {
            troika_tests::get(format!("{edge}/ready"))
                .await
                .is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        let answers = turns(&[edge], &[("GOOD", 40)]).await;
        assert_eq!(answers.len(), 40);
        for answer in &answers {
            assert_eq!(answer["success"], true, "{answer}");
        }
        let mut first_tokens: Vec<u64> = answers
            .iter()
            .filter_map(|it| it["firstTokenLatency"].as_u64())
            .collect();
        first_tokens.sort_unstable();
        // The provider takes 100 ms of it; a wait for the role would be seconds.
        assert!(first_tokens[20] < 500, "{first_tokens:?}");
        // Who polls health hears at once that nobody knows.
        let began = Instant::now();
        let health = json(format!("{edge}/api/metrics/health/streaming")).await;
        assert_eq!(health["status"], "degraded");
        assert_eq!(health["checks"]["metrics"]["status"], "fail");
        assert!(began.elapsed() < Duration::from_secs(3));
        let streaming = troika_tests::get(format!("{edge}/api/metrics/streaming"))
            .await
            .unwrap();
        assert!(streaming.status().is_server_error());
    }
}
