//! What telling costs a turn: `cargo run --release -p troika-reporting --example telling`
//!
//! The gap after each token, and the outcome at the end, on the turn's own task: all that a visitor could wait for. The
//! metrics role is away, which is the worst case: outcomes are dropped and counted.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use troika_chassis::{lifecycle::Drain, meters::Meters};
use troika_proto::metrics::v1::{Exposure, TurnOutcome};
use troika_reporting::{Config, Gaps, Needs, Reporter, Situation};

const TURNS: u32 = 200_000;
const TOKENS: u64 = 200;

#[tokio::main]
async fn main() {
    let config = Config {
        address: "http://127.0.0.1:1".parse().unwrap(),
        ..Config::default()
    };
    let situation = Situation::new("chat", Needs::default(), || 0);
    let reporter = Reporter::start(&config, situation, &Meters::new(), Drain::default()).unwrap();

    let began = Instant::now();
    for _ in 0..TURNS / 10 {
        let mut gaps = Gaps::default();
        for token in 0..TOKENS {
            gaps.add(black_box(Duration::from_micros(20_000 + token * 37)));
        }
        black_box(&gaps);
    }
    let each = began.elapsed() / (TURNS / 10 * TOKENS as u32);
    println!("a token's gap noted:            {each:>10.1?}");

    let mut gaps = Gaps::default();
    for token in 0..TOKENS {
        gaps.add(Duration::from_micros(20_000 + token * 37));
    }
    let began = Instant::now();
    for _ in 0..TURNS / 10 {
        black_box(gaps.histogram());
    }
    println!(
        "{TOKENS} gaps as a histogram:        {:>10.1?}",
        began.elapsed() / (TURNS / 10)
    );

    let outcome = TurnOutcome {
        chatbot_id: "000000000000000000000001".to_owned(),
        session_id: "11111111-1111-4111-8111-111111111111".to_owned(),
        gaps: gaps.histogram(),
        exposures: vec![Exposure::default(); 3],
        ..TurnOutcome::default()
    };
    let outcomes = vec![outcome; TURNS as usize];
    let began = Instant::now();
    for outcome in outcomes {
        reporter.tell(outcome);
    }
    println!(
        "an outcome told, role away:     {:>10.1?}",
        began.elapsed() / TURNS
    );
    println!("dropped and counted:            {:>10}", reporter.dropped());
}
