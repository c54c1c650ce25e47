//! Figures, not tests: what troika adds between a listener and the model. Prints added time to first
//! token, CPU per token of both processes and memory per open stream, each beside the same client going
//! straight to the same scripted provider.
//!
//! `cargo build --release && cargo run --release -p troika-tests --bin bench`; `voice` prints the figures of
//! the voice alone, `--binary PATH` names another troika. Everything runs on loopback and ends by itself.

use std::{path::PathBuf, time::Duration};

mod client;
mod process;
mod provider;
mod voice;

use client::{Load, Target};
use process::Processes;

/// Tokens of one answer.
const TOKENS: usize = 100;
/// From the provider's request to its first token.
const FIRST_TOKEN: Duration = Duration::from_millis(50);

/// Streams at once, and the pause between two tokens of one stream: 50 tokens a second as models give
/// them, fewer where two cores could not even carry the provider and the client beside troika.
const LOADS: [(usize, Duration); 3] = [
    (1, Duration::from_millis(20)),
    (100, Duration::from_millis(20)),
    (1000, Duration::from_millis(100)),
];

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut binary =
        PathBuf::from(std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".into()))
            .join("release/troika");
    let mut only_voice = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "provider" => return provider::serve().await,
            "voice" => only_voice = true,
            "--binary" => binary = arguments.next().map(PathBuf::from).unwrap_or_default(),
            other => fail(&format!(
                "unknown argument {other}; use voice, --binary PATH"
            )),
        }
    }
    if !binary.is_file() {
        fail(&format!(
            "{} is not there: cargo build --release makes it, --binary names another",
            binary.display()
        ));
    }
    if only_voice {
        return voice::measure(&binary).await;
    }
    print(&format!(
        "{TOKENS} tokens a stream, first token of the provider after {} ms\n",
        FIRST_TOKEN.as_millis()
    ));
    print(
        "streams  way       first token ms          added ms     CPU µs/token        KiB/stream       tokens lost",
    );
    print(
        "                   p50     p95     p99     p50   p95   gateway    chat     gateway    chat",
    );
    for (streams, pace) in LOADS {
        measure(&binary, streams, pace).await;
    }
    voice::measure(&binary).await;
}

/// One load, first straight, then through troika; new processes, so that memory starts from the same place.
async fn measure(binary: &std::path::Path, streams: usize, pace: Duration) {
    let processes = Processes::start(binary, pace).await;
    let load = |target| Load { target, streams };

    // One answer each way first: connections, caches and lazily made tables are no part of the figures.
    client::run(&Load {
        streams: 1,
        ..load(Target::Provider(processes.provider.clone()))
    })
    .await;
    client::run(&Load {
        streams: 1,
        ..load(Target::Gateway(processes.gateway.clone()))
    })
    .await;

    let straight = client::run(&load(Target::Provider(processes.provider.clone()))).await;
    let idle = processes.resident();
    let before = processes.cpu();
    let busy = tokio::spawn({
        let load = load(Target::Gateway(processes.gateway.clone()));
        async move { client::run(&load).await }
    });
    // All streams are open and most of the tokens still to come.
    tokio::time::sleep(client::RAMP + FIRST_TOKEN + pace * (TOKENS as u32 / 2)).await;
    let open = processes.resident();
    let through = busy.await.unwrap_or_else(|error| fail(&error.to_string()));
    let after = processes.cpu();

    let tokens = through.tokens.max(1) as f64;
    let cpu = |role: usize| (after[role] - before[role]).as_secs_f64() * 1e6 / tokens;
    let memory = |role: usize| (open[role] as f64 - idle[role] as f64) / 1024.0 / streams as f64;
    let lost = |got: usize| streams * TOKENS - got;
    print(&format!(
        "{streams:>7}  straight  {:>6.1}  {:>6.1}  {:>6.1}                                                            {:>11}",
        straight.first(0.5),
        straight.first(0.95),
        straight.first(0.99),
        lost(straight.tokens)
    ));
    print(&format!(
        "{streams:>7}  troika    {:>6.1}  {:>6.1}  {:>6.1}  {:>6.1}{:>6.1}   {:>7.1} {:>7.1}     {:>7.1} {:>7.1}   {:>11}",
        through.first(0.5),
        through.first(0.95),
        through.first(0.99),
        through.first(0.5) - straight.first(0.5),
        through.first(0.95) - straight.first(0.95),
        cpu(0),
        cpu(1),
        memory(0),
        memory(1),
        lost(through.tokens)
    ));
}

#[expect(
    clippy::print_stdout,
    reason = "printing figures is this program's job"
)]
fn print(line: &str) {
    println!("{line}");
}

#[expect(
    clippy::print_stderr,
    reason = "a program says on standard error why it ends"
)]
fn fail(reason: &str) -> ! {
    eprintln!("bench: {reason}");
    std::process::exit(1)
}
