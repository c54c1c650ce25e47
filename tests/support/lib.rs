//! The test kit: the real binary in a sandbox, real servers beside it, a scripted model provider that
//! speaks the true wire, and a listener that reads event streams and their sound strictly. It must not know how troika
//! works inside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

pub mod certificates;
pub mod collector;
pub mod exposition;
pub mod google;
pub mod listener;
pub mod mail;
pub mod provider;
pub mod proxy;
pub mod raw_provider;
pub mod sandbox;
pub mod servers;
pub mod sound;

/// Waits until `holds` is true, looking every few milliseconds; panics with `what` after `limit`.
pub async fn until(what: &str, limit: std::time::Duration, mut holds: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// An HTTP client. Its TLS needs a provider, which the first client of a test installs.
pub fn http() -> reqwest::Client {
    // A second installation is refused, and changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Fetches a page.
pub async fn get(url: impl AsRef<str>) -> reqwest::Result<reqwest::Response> {
    http().get(url.as_ref()).send().await
}
