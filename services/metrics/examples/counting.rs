//! What counting costs the metrics role: `cargo run --release -p troika-metrics --example counting`
//!
//! The real role on a real socket and its embedded file, told as chat tells it: batches of 256 turns with 200 gaps each,
//! three flags, of ten bots. The time is this whole process's CPU, the teller's side included.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant, SystemTime};

use tokio::net::TcpListener;
use troika_chassis::{
    deps::Deps,
    lifecycle::{Drain, Readiness},
    meters::Meters,
    server::{ServerConfig, serve_grpc},
};
use troika_proto::metrics::v1::{
    Dimension, Exposure, GetSnapshotRequest, Histogram, Outcome, ReportRequest, TurnOutcome,
    Window, metrics_client::MetricsClient,
};

const BATCH: u64 = 256;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let (readiness, drain) = (Readiness::default(), Drain::default());
    let deps = Deps {
        mongo: None,
        redis: None,
        max_message: 4 << 20,
        data_dir: folder.path().to_owned(),
        readiness: readiness.clone(),
        drain: drain.clone(),
        meters: Meters::new(),
    };
    let service = troika_metrics::build(troika_metrics::Config::default(), deps)
        .await
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        serve_grpc(
            listener,
            service,
            &ServerConfig::default(),
            readiness,
            drain,
        )
        .await
        .unwrap();
    });
    let mut client = MetricsClient::connect(address).await.unwrap();
    let mut number = 0;
    for batches in [100_u64, 400, 1600] {
        let before = cpu();
        let began = Instant::now();
        for _ in 0..batches {
            number += 1;
            let batch = ReportRequest {
                source: "teller".to_owned(),
                number,
                turns: (0..BATCH)
                    .map(|place| turn(number * BATCH + place))
                    .collect(),
                ..ReportRequest::default()
            };
            client.report(tokio_stream::iter([batch])).await.unwrap();
        }
        let turns = (batches * BATCH) as u32;
        println!(
            "{turns:>8} turns: {:>8.1?} CPU a turn, {:>8.0} turns a second",
            (cpu() - before) / turns,
            f64::from(turns) / began.elapsed().as_secs_f64(),
        );
    }
    for (name, window) in [
        ("5 minutes", Window::Window5Minutes),
        ("60 minutes", Window::Window60Minutes),
        ("lifetime", Window::Lifetime),
    ] {
        for by in [Dimension::Unspecified, Dimension::Bot] {
            let began = Instant::now();
            for _ in 0..100 {
                let request = GetSnapshotRequest {
                    window: window.into(),
                    by: by.into(),
                };
                client.get_snapshot(request).await.unwrap();
            }
            println!(
                "snapshot of {name:<10} {:<12} {:>8.1?}",
                by.as_str_name().trim_start_matches("DIMENSION_"),
                began.elapsed() / 100
            );
        }
    }
    let began = Instant::now();
    for _ in 0..1000 {
        client
            .get_health(troika_proto::metrics::v1::GetHealthRequest {})
            .await
            .unwrap();
    }
    println!(
        "health polled                      {:>8.1?}",
        began.elapsed() / 1000
    );
}

fn turn(number: u64) -> TurnOutcome {
    let exposure = |flag: &str| Exposure {
        flag: flag.to_owned(),
        variant: if number.is_multiple_of(4) {
            "off"
        } else {
            "on"
        }
        .to_owned(),
        by_chance: true,
    };
    let time = |milliseconds: u64| Duration::from_millis(milliseconds).try_into().ok();
    TurnOutcome {
        started_at: Some((SystemTime::now() - Duration::from_secs(4)).into()),
        outcome: Outcome::Success.into(),
        endpoint: "query".to_owned(),
        chatbot_id: format!("{:024}", number % 10),
        language: "en-IN".to_owned(),
        model: "gpt-4o-mini".to_owned(),
        session_id: format!("session {}", number / 3),
        turn_id: format!("turn {number}"),
        first_token: time(300 + number % 700),
        complete: time(4000 + number % 2000),
        queued: time(number % 5),
        gaps: Some(Histogram {
            index: (0..40).map(|bucket| 1100 + bucket).collect(),
            count: vec![5; 40],
        }),
        prompt_tokens: 900,
        completion_tokens: 200,
        words: 150,
        exposures: ["streaming", "tts", "abTest"].map(exposure).to_vec(),
        ..TurnOutcome::default()
    }
}

/// CPU time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // A hundred ticks a second on Linux.
    Duration::from_millis(ticks * 10)
}
