//! How often a client may ask: gateways that share a Redis, and what remains when it dies, hangs and comes back. All
//! clients here are one address. Rates come back so slowly that none does within a test.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use troika_tests::{
    exposition::Exposition,
    listener::{DEMO_BOT, Listening, ask, ask_with, question},
    provider::{Provider, Reply, Step},
    sandbox::{Sandbox, Troika},
    servers::{self, Server},
    until,
};

use crate::sandbox;

const LONG: Duration = Duration::from_secs(30);
const CLIENTS: usize = 200;

/// Three gateways on one chat role and one Redis.
struct House {
    gateways: Vec<Troika>,
    redis: Server,
    _chat: Troika,
}

/// A sandbox with one policy alone.
fn only(policy: &str, limit: u32) -> Sandbox {
    let mut sandbox = sandbox().limited();
    for other in ["API", "STREAM", "SPEECH", "USER", "INVALID"] {
        sandbox = sandbox.env(&format!("TROIKA_GATEWAY__LIMITS__{other}__LIMIT"), "0");
    }
    sandbox
        .env("TROIKA_GATEWAY__LIMITS__STREAMS_AT_ONCE", "0")
        .env(
            &format!("TROIKA_GATEWAY__LIMITS__{policy}__LIMIT"),
            limit.to_string(),
        )
        .env(&format!("TROIKA_GATEWAY__LIMITS__{policy}__PER"), "1day")
}

impl House {
    fn start(chat: &Sandbox, gateways: Sandbox) -> Self {
        let redis = servers::redis();
        let chat = chat.start_role("chat");
        let gateways = gateways
            .env("TROIKA_GATEWAY__CHAT", chat.chat())
            .env("REDIS_URL", format!("redis://127.0.0.1:{}", redis.port));
        Self {
            gateways: (0..3).map(|_| gateways.start_role("gateway")).collect(),
            redis,
            _chat: chat,
        }
    }

    /// So many clients at once, spread over the gateways: how many were let through.
    async fn crowd(&self, clients: usize) -> usize {
        let http = troika_tests::http();
        // A call that the gateway answers by itself.
        let asked = (0..clients).map(|client| {
            let gateway = self.gateways[client % 3].gateway();
            http.get(format!("{gateway}/api/metrics/feature-flags"))
                .send()
        });
        let answers = join_all(asked).await.into_iter();
        let statuses: Vec<u16> = answers.map(|it| it.unwrap().status().as_u16()).collect();
        assert!(
            statuses.iter().all(|status| [200, 429].contains(status)),
            "{statuses:?}"
        );
        statuses.iter().filter(|status| **status == 200).count()
    }
}

/// On a machine that has much to do Redis is not given up.
fn patient(sandbox: Sandbox) -> Sandbox {
    sandbox.env("TROIKA_REDIS__OPERATION_TIMEOUT", "20s")
}

/// Redis is given up soon, and asked again soon.
fn hasty(sandbox: Sandbox) -> Sandbox {
    sandbox
        .env("TROIKA_REDIS__BREAKER__OPEN_FOR", "200ms")
        .env("TROIKA_REDIS__BREAKER__OPEN_FOR_MAX", "200ms")
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clients_at_three_gateways_are_given_exactly_the_limit_and_forged_addresses_gain_nothing()
 {
    let house = House::start(&sandbox(), patient(only("STREAM", 40)));
    let asked = (0..CLIENTS).map(|client| {
        let gateway = house.gateways[client % 3].gateway().to_owned();
        async move {
            let forged = format!("198.51.100.{client}");
            let headers = [
                ("x-forwarded-for", forged.as_str()),
                ("x-real-ip", forged.as_str()),
                ("forwarded", "for=198.51.100.7"),
            ];
            ask_with(&gateway, &question("What is troika?"), &headers).await
        }
    });
    let (taken, refused): (Vec<Listening>, Vec<Listening>) = join_all(asked)
        .await
        .into_iter()
        .partition(|answer| answer.status == 200);
    assert_eq!((taken.len(), refused.len()), (40, CLIENTS - 40));
    for answer in &taken {
        assert_eq!(
            answer.headers["ratelimit-policy"],
            r#""stream";q=40;w=86400"#
        );
    }
    let mut left: Vec<u32> = taken
        .iter()
        .map(|it| {
            it.headers["ratelimit-remaining"]
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    left.sort_unstable();
    assert_eq!(
        left,
        (0..40).collect::<Vec<u32>>(),
        "each was told what was left after it"
    );
    let counted: f64 = join_all(house.gateways.iter().map(|it| Exposition::of(it.admin())))
        .await
        .iter()
        .filter_map(|figures| figures.value("troika_limit_refusals_total", &[("policy", "stream")]))
        .sum();
    assert_eq!(counted as usize, CLIENTS - 40);
    for answer in refused {
        assert_eq!(answer.status, 429);
        let wait: u64 = answer.headers["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=86_400 / 40).contains(&wait), "{wait}");
        let document = answer.body().await;
        assert_eq!(document["status"], 429);
        assert_eq!(document["code"], "rate_limited");
        assert_eq!(
            document["error"],
            "Streaming rate limit exceeded. Please wait before starting a new stream."
        );
    }
    let log: String = house.gateways.iter().map(Troika::log).collect();
    assert!(log.contains("a request was refused"), "{log}");
    assert!(!log.contains("198.51.100"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_and_returns_empty_costs_nobody_an_answer_and_lets_through_no_more_than_the_slack()
 {
    let limit = 30;
    let mut house = House::start(&sandbox(), hasty(only("API", limit)));
    let before = house.crowd(12).await;
    assert_eq!(before, 12);

    house.redis.kill();
    let meanwhile = house.crowd(CLIENTS).await;
    // Each gateway knows at least of what it let through itself, and at most of all that was.
    assert!(meanwhile <= 3 * limit as usize - before, "{meanwhile}");
    assert!(meanwhile >= 3 * (limit as usize - before), "{meanwhile}");
    assert_eq!(
        house.crowd(CLIENTS).await,
        0,
        "alone they keep the limit too"
    );

    house.redis.restart_redis();
    let mut after = 0;
    until("all gateways count together again", LONG, async || {
        after += house.crowd(3).await;
        let is_back = |gateway: &Troika| gateway.log().contains("Redis is back");
        house.gateways.iter().all(is_back)
    })
    .await;
    after += house.crowd(CLIENTS).await;
    assert_eq!(after, 0, "nobody forgot what was used up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_fails_nobody_and_the_limit_holds_at_each_gateway() {
    let house = House::start(&sandbox(), hasty(only("API", 30)));
    assert_eq!(house.crowd(3).await, 3);
    house.redis.freeze();
    let begun = Instant::now();
    let meanwhile = house.crowd(CLIENTS).await;
    assert!(meanwhile <= 3 * 30, "{meanwhile}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    house.redis.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_taken_are_counted_apart_and_lock_no_neighbour_out() {
    let sandbox = patient(only("API", 2))
        .env("TROIKA_GATEWAY__LIMITS__INVALID__LIMIT", "4")
        .env("TROIKA_GATEWAY__LIMITS__INVALID__PER", "1day");
    let house = House::start(&crate::sandbox(), sandbox);
    let broken = json!({"query": "", "chatbotId": DEMO_BOT});
    for client in 0..4 {
        let answer = ask(house.gateways[client % 3].gateway(), &broken).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.headers["ratelimit-remaining"], "2",
            "nothing was used up"
        );
    }
    let refused = ask(house.gateways[0].gateway(), &broken).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.body().await["code"], "too_many_invalid_requests");
    assert_eq!(house.crowd(10).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_frees_its_slot_for_all_gateways() {
    let hang = || Reply::Stream(vec![Step::Token("Half".into()), Step::Hang]);
    let provider = Provider::start((0..20).map(|_| hang())).await;
    let gateways = patient(only("API", 0)).env("TROIKA_GATEWAY__LIMITS__STREAMS_AT_ONCE", "2");
    let house = House::start(&sandbox().provider(&provider), gateways);
    let open = async |gateway: usize| {
        let mut listening = ask(house.gateways[gateway].gateway(), &question("Q")).await;
        if listening.status == 200 {
            listening.wait_for("text").await;
        }
        listening
    };
    let (one, two) = (open(0).await, open(1).await);
    assert_eq!((one.status, two.status), (200, 200));
    let refused = open(2).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body().await["code"], "too_many_streams");

    drop(one);
    let mut three = None;
    until("the slot is free", LONG, async || {
        three = Some(open(2).await).filter(|it| it.status == 200);
        three.is_some()
    })
    .await;
    assert_eq!(open(0).await.status, 429);
    drop((two, three));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_there_without_being_asked_for_and_health_and_pages_have_none() {
    let troika = sandbox().limited().start();
    let asked = ask(troika.gateway(), &question("Q")).await;
    assert_eq!(
        asked.headers["ratelimit-policy"],
        r#""api";q=100;w=60, "stream";q=30;w=60"#
    );
    assert_eq!(asked.headers["ratelimit-limit"], "30");
    assert_eq!(asked.headers["ratelimit-remaining"], "29");
    assert_eq!(asked.headers["ratelimit-reset"], "2");
    for path in ["/health", "/ready", "/api/metrics/health/streaming", "/"] {
        let answer = troika_tests::get(format!("{}{path}", troika.gateway()))
            .await
            .unwrap();
        assert!(!answer.headers().contains_key("ratelimit-limit"), "{path}");
    }
}
