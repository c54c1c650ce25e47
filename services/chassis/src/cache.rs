//! A cache of bytes with a lifetime. A cache that fails is a miss, never an error: callers do the
//! work again.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

pub mod memory;
pub mod redis;

/// Keeps bytes for a while.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value, while it lives; `None` on a miss and on any failure.
    async fn get(&self, key: &str) -> Option<Bytes>;
    /// Keeps a value. Failures are logged and forgotten.
    async fn put(&self, key: &str, value: Bytes, lifetime: Duration);
}
