//! Rollouts end to end: a scripted provider, real turns, figures that travel, and a controller that decides. And
//! that nothing that dies makes a step skipped or repeated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use troika_evaluation::{bucket, flag::BucketingMethod};
use troika_proto::flags::v1::{
    Criteria, GetRolloutRequest, ListChangesRequest, ListDecisionsRequest, Plan, PlanStep, Rollout,
    RolloutState, StartRolloutRequest, flags_client::FlagsClient, rollouts_client::RolloutsClient,
};
use troika_tests::{
    listener::{DEMO_BOT, texts, try_ask},
    provider::{Provider, Reply, Step},
    proxy::Proxy,
    sandbox::{Sandbox, Troika},
    servers, until,
};
use uuid::Uuid;

use crate::{
    callers::{Called, as_admin},
    flags::{author, flags_of},
    sandbox,
};

/// Turns that run at once.
const AT_ONCE: usize = 12;
/// What a rollout of these tests may take.
const PATIENCE: Duration = Duration::from_secs(150);

fn controlled() -> Sandbox {
    sandbox()
        .env("TROIKA_FLAGS__ROLLOUTS__INTERVAL", "200ms")
        .env("TROIKA_FLAGS__ROLLOUTS__LEASE", "1s")
}

/// The provider does as the question says.
async fn scripted() -> Provider {
    Provider::choosing(|asked| {
        let question = asked
            .messages()
            .pop()
            .map(|(_, text)| text)
            .unwrap_or_default();
        let mut steps = Vec::new();
        if question.contains("SLOW") {
            steps.push(Step::Wait(Duration::from_millis(2500)));
        }
        steps.push(Step::Token("An ".into()));
        if question.contains("FAIL") {
            // The token must be on its way before the connection breaks.
            steps.extend([Step::Wait(Duration::from_millis(20)), Step::Break]);
            return Reply::Stream(steps);
        }
        let Reply::Stream(rest) = Reply::tokens(["answer."]) else {
            unreachable!()
        };
        Reply::Stream(steps.into_iter().chain(rest).collect())
    })
    .await
}

fn steps(steps: &[(f64, u64)]) -> Vec<PlanStep> {
    steps
        .iter()
        .map(|(percentage, milliseconds)| PlanStep {
            percentage: *percentage,
            bake: Duration::from_millis(*milliseconds).try_into().ok(),
        })
        .collect()
}

async fn start(client: &mut RolloutsClient<Called>, plan: Plan) -> Rollout {
    let request = StartRolloutRequest {
        flag: "streaming".to_owned(),
        candidate: "v2".to_owned(),
        plan: Some(plan),
        author: Some(author("tests")),
        override_rejection: false,
    };
    client
        .start_rollout(request)
        .await
        .unwrap()
        .into_inner()
        .rollout
        .unwrap()
}

async fn rollout(client: &mut RolloutsClient<Called>, id: &str) -> Option<Rollout> {
    let request = GetRolloutRequest { id: id.to_owned() };
    client.get_rollout(request).await.ok()?.into_inner().rollout
}

/// A session on one side of a percentage.
fn session(percentage: f64, is_in: bool) -> Option<String> {
    if (is_in && percentage <= 0.0) || (!is_in && percentage >= 100.0) {
        return None;
    }
    loop {
        let session = Uuid::new_v4().to_string();
        let bucket = bucket::bucket(BucketingMethod::Fractional, "streaming", &session);
        if (bucket < bucket::threshold(percentage)) == is_in {
            return Some(session);
        }
    }
}

fn question(query: &str, session: &str) -> Value {
    json!({"query": query, "chatbotId": DEMO_BOT, "sessionId": session, "enableTTS": false})
}

/// Asks for both arms at once: four of five for the candidate, with what each candidate asks.
async fn drive(
    gateway: &str,
    percentage: f64,
    turns: usize,
    query: impl Fn(usize) -> &'static str,
) {
    let questions = (0..turns).filter_map(|turn| {
        let is_in = turn % 5 != 0;
        let session = session(percentage, is_in)?;
        let query = if is_in { query(turn) } else { "Why?" };
        Some(question(query, &session))
    });
    stream::iter(questions)
        .for_each_concurrent(AT_ONCE, async |question| {
            try_ask(gateway, &question).await;
        })
        .await;
}

/// Drives turns until the rollout is over; the percentages that were seen on the way.
async fn until_over(
    client: &mut RolloutsClient<Called>,
    gateway: &str,
    id: &str,
    query: impl Fn(&Rollout, usize) -> &'static str,
) -> Rollout {
    let began = Instant::now();
    loop {
        assert!(
            began.elapsed() < PATIENCE,
            "{:#?}",
            rollout(client, id).await
        );
        let Some(now) = rollout(client, id).await else {
            continue;
        };
        match now.state() {
            RolloutState::Running => {
                drive(gateway, now.percentage, 60, |turn| query(&now, turn)).await;
            }
            _ => return now,
        }
    }
}

/// The percentages a rollout set, in order, by the log.
async fn percentages(client: &mut FlagsClient<Called>, id: &str) -> Vec<f64> {
    let request = ListChangesRequest {
        key: "streaming".to_owned(),
        limit: Some(500),
        before_revision: None,
    };
    let changes = client
        .list_changes(request)
        .await
        .unwrap()
        .into_inner()
        .changes;
    let of_it = changes
        .into_iter()
        .rev()
        .filter(|change| change.rollout_id == id);
    of_it
        .filter_map(|change| Some(change.after?.percentage))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_candidate_goes_all_the_way_to_100() {
    let provider = scripted().await;
    let troika = controlled().provider(&provider).start();
    let mut rollouts = RolloutsClient::new(as_admin(troika.flags()));
    let all = [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 100.0];
    let plan = Plan {
        steps: steps(&all.map(|percentage| (percentage, 500))),
        ..Plan::default()
    };
    let started = start(&mut rollouts, plan).await;
    let over = until_over(&mut rollouts, troika.gateway(), &started.id, |_, _| "Why?").await;
    assert_eq!(over.state(), RolloutState::Completed, "{over:#?}");
    let mut flags = flags_of(&troika).await;
    assert_eq!(percentages(&mut flags, &started.id).await, all);

    // Each advance stands on its figures: about 300 clean samples at least.
    let request = ListDecisionsRequest {
        id: started.id,
        limit: Some(500),
    };
    let decisions = rollouts
        .list_decisions(request)
        .await
        .unwrap()
        .into_inner()
        .decisions;
    let advances: Vec<_> = decisions
        .iter()
        .filter(|decision| decision.verdict == 1)
        .collect();
    assert_eq!(advances.len(), all.len());
    for decision in advances {
        let candidate = decision.candidate.as_ref().unwrap();
        assert!(candidate.successes >= 299, "{candidate:?}");
        assert!(candidate.error_rate_upper.unwrap() < 0.01);
        assert!(!decision.reasons.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_per_cent_errors_from_the_third_step_on_are_rolled_back_in_every_process() {
    let provider = scripted().await;
    let sandbox = controlled().provider(&provider);
    let metrics = sandbox.start_role("metrics");
    let sandbox = sandbox
        .env("TROIKA_FLAGS__METRICS__ADDRESS", metrics.metrics())
        .env("TROIKA_CHAT__METRICS__ADDRESS", metrics.metrics());
    let flags = sandbox.start_role("flags");
    let sandbox = sandbox
        .env("TROIKA_CHAT__FLAGS__ADDRESS", flags.flags())
        .env("TROIKA_GATEWAY__FLAGS", flags.flags());
    let chat = sandbox.start_role("chat");
    let gateway = sandbox
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .start_role("gateway");
    let mut rollouts = RolloutsClient::new(as_admin(flags.flags()));
    let plan = Plan {
        steps: steps(&[
            (5.0, 500),
            (10.0, 500),
            (25.0, 500),
            (50.0, 500),
            (100.0, 500),
        ]),
        ..Plan::default()
    };
    let started = start(&mut rollouts, plan).await;
    let first_failure = std::sync::OnceLock::new();
    let asked = AtomicUsize::new(0);
    let over = until_over(&mut rollouts, gateway.gateway(), &started.id, |now, _| {
        let fails = now.step >= 2 && asked.fetch_add(1, Ordering::Relaxed) % 20 == 7;
        if fails {
            first_failure.get_or_init(Instant::now);
            return "FAIL, please";
        }
        "Why?"
    })
    .await;
    assert_eq!(over.state(), RolloutState::RolledBack, "{over:#?}");
    assert_eq!((over.step, over.percentage), (2, 0.0));
    let decision = over.last_decision.unwrap();
    assert!(
        decision
            .reasons
            .iter()
            .any(|reason| reason.code == "error_rate"),
        "{decision:#?}"
    );
    let mut client = flags_of(&flags).await;
    assert_eq!(
        percentages(&mut client, &started.id).await,
        [5.0, 10.0, 25.0, 0.0]
    );

    // In effect at chat and at the gateway: whoever streamed before gets one piece now.
    let was_in = question("Why?", &session(5.0, true).unwrap());
    until("chat knows", Duration::from_secs(10), async || {
        try_ask(gateway.gateway(), &was_in)
            .await
            .is_some_and(|events| texts(&events).len() == 1)
    })
    .await;
    let told = troika_tests::get(format!("{}/api/metrics/feature-flags", gateway.gateway()));
    let told: Value = told.await.unwrap().json().await.unwrap();
    assert_eq!(told["flags"]["streaming"]["rolloutPercentage"], 0.0);
    println!(
        "from the first failure to the rollback in effect: {:?}, after {} candidate turns of that step",
        first_failure.get().unwrap().elapsed(),
        asked.load(Ordering::Relaxed)
    );

    // It is not tried again without a person.
    let again = StartRolloutRequest {
        flag: "streaming".to_owned(),
        candidate: "v2".to_owned(),
        plan: None,
        author: Some(author("tests")),
        override_rejection: false,
    };
    let refused = rollouts.start_rollout(again.clone()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Aborted, "{refused:?}");
    let by_a_person = StartRolloutRequest {
        override_rejection: true,
        ..again
    };
    rollouts.start_rollout(by_a_person).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_first_tokens_of_the_candidate_are_rolled_back() {
    let provider = scripted().await;
    let troika = controlled().provider(&provider).start();
    let mut rollouts = RolloutsClient::new(as_admin(troika.flags()));
    let plan = Plan {
        steps: steps(&[(10.0, 500), (100.0, 500)]),
        ..Plan::default()
    };
    let started = start(&mut rollouts, plan).await;
    let over = until_over(
        &mut rollouts,
        troika.gateway(),
        &started.id,
        |_, _| "SLOW, please",
    )
    .await;
    assert_eq!(over.state(), RolloutState::RolledBack, "{over:#?}");
    let decision = over.last_decision.unwrap();
    assert!(
        decision
            .reasons
            .iter()
            .any(|reason| reason.code == "first_token"),
        "{decision:#?}"
    );
    assert!(decision.candidate.unwrap().first_token_ms.unwrap() > 2400.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_hits_both_arms_holds_and_blames_nobody() {
    let provider = Provider::start([Reply::Stream(vec![
        Step::Token("An ".into()),
        Step::Wait(Duration::from_millis(20)),
        Step::Break,
    ])])
    .await;
    let troika = controlled().provider(&provider).start();
    let mut rollouts = RolloutsClient::new(as_admin(troika.flags()));
    let plan = Plan {
        steps: steps(&[(50.0, 500), (100.0, 500)]),
        ..Plan::default()
    };
    let started = start(&mut rollouts, plan).await;
    let seen = async |client: &mut RolloutsClient<Called>| {
        let now = rollout(client, &started.id).await.unwrap();
        assert_eq!(now.state(), RolloutState::Running, "{now:#?}");
        let decision = now.last_decision.unwrap_or_default();
        decision
            .reasons
            .iter()
            .any(|reason| reason.code == "both_arms")
    };
    let began = Instant::now();
    // Both arms alike: half of those asked are the candidate's.
    while !seen(&mut rollouts).await {
        assert!(began.elapsed() < PATIENCE);
        for is_in in [true, false].repeat(15) {
            let session = session(50.0, is_in).unwrap();
            try_ask(troika.gateway(), &question("Why?", &session)).await;
        }
    }
}

/// Every role apart, two flags replicas on one store that can die, and a network that can be cut.
struct Cluster {
    sandbox: Sandbox,
    replicas: [Troika; 2],
    mongodb: servers::Server,
    to_metrics: Proxy,
    gateway: Troika,
    _others: [Troika; 2],
    _provider: Provider,
}

async fn cluster() -> Cluster {
    let provider = scripted().await;
    let mongodb = servers::mongodb();
    let plain = controlled().provider(&provider);
    let metrics = plain.start_role("metrics");
    let to_metrics = Proxy::to_url(metrics.metrics()).await;
    let on_mongo = controlled()
        .env(
            "MONGODB_URI",
            format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
        )
        .env("TROIKA_MONGODB__OPERATION_TIMEOUT", "1s")
        .env("TROIKA_MONGODB__SERVER_SELECTION_TIMEOUT", "1s")
        .env("TROIKA_FLAGS__METRICS__ADDRESS", to_metrics.url());
    let replicas = [on_mongo.start_role("flags"), on_mongo.start_role("flags")];
    // Chat follows the second replica, which stays.
    let plain = plain
        .env("TROIKA_CHAT__METRICS__ADDRESS", metrics.metrics())
        .env("TROIKA_CHAT__FLAGS__ADDRESS", replicas[1].flags())
        .env("TROIKA_GATEWAY__FLAGS", replicas[1].flags());
    let chat = plain.start_role("chat");
    let gateway = plain
        .env("TROIKA_GATEWAY__CHAT", chat.chat())
        .start_role("gateway");
    Cluster {
        sandbox: on_mongo,
        replicas,
        mongodb,
        to_metrics,
        gateway,
        _others: [metrics, chat],
        _provider: provider,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_no_step_is_skipped_and_none_repeated() {
    let mut cluster = cluster().await;
    let mut rollouts = RolloutsClient::new(as_admin(cluster.replicas[1].flags()));
    let all = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0];
    let plan = Plan {
        steps: steps(&all.map(|percentage| (percentage, 300))),
        // Loose figures: this is about dying, and twenty samples a step are enough for it.
        criteria: Some(Criteria {
            advance_error_rate: Some(0.2),
            rollback_error_rate: Some(0.5),
            advance_success_rate: Some(0.6),
            rollback_success_rate: Some(0.4),
            min_samples: Some(20),
            ..Criteria::default()
        }),
        ..Plan::default()
    };
    let started = start(&mut rollouts, plan).await;
    let id = started.id.clone();
    let step = Arc::new(AtomicUsize::new(0));
    let turns = tokio::spawn({
        let (gateway, step) = (cluster.gateway.gateway().to_owned(), step.clone());
        async move {
            loop {
                let at = step.load(Ordering::Relaxed);
                drive(&gateway, all[at], 20, |_| "Why?").await;
            }
        }
    });
    let reached = async |client: &mut RolloutsClient<Called>, wanted: usize| {
        until("the step is reached", PATIENCE, async || {
            let now = rollout(client, &id).await;
            now.is_some_and(|now| {
                step.store(now.step as usize, Ordering::Relaxed);
                now.step as usize >= wanted || now.state() == RolloutState::Completed
            })
        })
        .await;
    };

    // One of the two judges; both are killed in turn, so the one that does is.
    reached(&mut rollouts, 1).await;
    cluster.replicas[0].kill();
    reached(&mut rollouts, 2).await;
    cluster.replicas[0] = cluster.sandbox.start_role("flags");
    cluster.replicas[1].signal("STOP");
    let mut other = RolloutsClient::new(as_admin(cluster.replicas[0].flags()));
    reached(&mut other, 3).await;
    // Back from a long sleep it still believes that it judges: the log knows better.
    cluster.replicas[1].signal("CONT");
    reached(&mut rollouts, 4).await;
    cluster.mongodb.kill();
    drive(cluster.gateway.gateway(), 50.0, 40, |_| "Why?").await;
    cluster.mongodb.restart_mongodb();
    reached(&mut rollouts, 5).await;
    cluster.to_metrics.cut();
    drive(cluster.gateway.gateway(), 60.0, 40, |_| "Why?").await;
    cluster.to_metrics.open();
    reached(&mut rollouts, 7).await;
    until("the rollout is over", PATIENCE, async || {
        rollout(&mut rollouts, &id)
            .await
            .is_some_and(|now| now.state() == RolloutState::Completed)
    })
    .await;
    turns.abort();
    let mut flags = flags_of(&cluster.replicas[1]).await;
    assert_eq!(percentages(&mut flags, &id).await, all);
}
