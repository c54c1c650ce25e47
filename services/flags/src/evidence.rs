//! Where the figures come from that rollouts are judged by. Names no wire.

use std::time::SystemTime;

use async_trait::async_trait;
use troika_rollouts::evidence::Evidence;

/// What is compared.
#[derive(Clone, Debug)]
pub(crate) struct Comparison {
    /// The flag's key.
    pub(crate) flag: String,
    /// The variant of those who are let in, and of those who are not.
    pub(crate) candidate: String,
    pub(crate) control: String,
    /// Turns that started before do not count.
    pub(crate) since: SystemTime,
}

/// A source of figures.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// The arms of a flag; `None` while the source is away or says what cannot be. Ends in bounded time.
    async fn compare(&self, comparison: Comparison) -> Option<Evidence>;
}
