//! Clients that mean harm, against the real binary: slow ones, silent ones, ones that send too much and ones
//! that send what breaks readers. A visitor asks on meanwhile: each of its questions is answered, on a new
//! connection, and the memory of the process stays below a bound that is stated here. What the attack cost is
//! printed: `cargo test -p troika --test e2e -- hostile --nocapture`.

mod bodies;
mod confined;
mod connections;
mod documents;
mod http2;
mod idle;
mod sockets;
mod visitor;

use troika_tests::{
    memory,
    provider::{Provider, Reply},
    sandbox::{Sandbox, Troika},
};

/// A sandbox whose bounds on one address, from which all of a test comes, are out of the way: what is left is
/// what holds when an attack comes from everywhere.
fn from_everywhere(provider: &Provider) -> Sandbox {
    crate::sandbox()
        .provider(provider)
        .env("TROIKA_GATEWAY__RATE_LIMIT_IP_WHITELIST", "127.0.0.0/8")
        .env("RUST_LOG", "error")
}

/// A provider that answers at once.
async fn provider() -> Provider {
    Provider::start([Reply::tokens(["A short ", "answer."])]).await
}

/// What an attack may cost.
struct Bound {
    troika: u32,
    before: u64,
    mebibytes: u64,
}

impl Bound {
    /// The process may grow by so many MiB from now on, at its highest.
    fn of(troika: &Troika, mebibytes: u64) -> Self {
        Self {
            troika: troika.id(),
            before: memory::resident(troika.id()),
            mebibytes,
        }
    }

    /// Prints what it grew by, and panics when that is too much.
    fn holds(&self, attack: &str) {
        let grown = memory::peak(self.troika).saturating_sub(self.before) >> 20;
        println!(
            "{attack}: memory {} MiB before, {grown} MiB more at its highest",
            self.before >> 20
        );
        assert!(
            grown <= self.mebibytes,
            "{attack}: {grown} MiB more, and {} MiB were allowed",
            self.mebibytes
        );
    }
}
