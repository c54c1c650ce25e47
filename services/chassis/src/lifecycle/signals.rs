//! Signals of the operating system begin the drain. It must not know what is drained.

use super::Drain;

/// The exit code of a process that was told twice to stop.
const TOLD_TWICE: i32 = 130;

/// Begins the drain at the first SIGTERM or SIGINT. A second one ends the process at once, with
/// code 130 and nothing flushed. Must be called inside a tokio runtime.
pub fn on_signals(drain: Drain) {
    tokio::spawn(async move {
        if let Err(error) = listen(&drain).await {
            tracing::error!(%error, "signals cannot be received: the process will not drain when told to stop");
        }
    });
}

#[cfg(unix)]
async fn listen(drain: &Drain) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        told(drain, name);
    }
}

#[cfg(not(unix))]
async fn listen(drain: &Drain) -> std::io::Result<()> {
    loop {
        tokio::signal::ctrl_c().await?;
        told(drain, "Ctrl-C");
    }
}

fn told(drain: &Drain, signal: &str) {
    if drain.draining() {
        tracing::warn!(signal, "told to stop again: leaving at once");
        std::process::exit(TOLD_TWICE);
    }
    tracing::info!(signal, "told to stop");
    drain.begin();
}
