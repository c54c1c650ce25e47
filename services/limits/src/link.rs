//! Scripts on Redis: by their hash, with their text when the server does not know it, and one line in the log when the
//! server is away and when it is back. It must not know what a script does.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use fred::{interfaces::LuaInterface as _, types::FromValue};
use sha1::{Digest as _, Sha1};
use tracing::{info, warn};
use troika_chassis::redis::Redis;

/// A script and its name on the server.
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: hex::encode(Sha1::digest(text)),
        }
    }
}

/// Redis, if there is one. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Link {
    redis: Option<Redis>,
    away: Arc<AtomicBool>,
    /// What is counted, for the log.
    what: &'static str,
}

impl Link {
    pub(crate) fn new(redis: Option<Redis>, what: &'static str) -> Self {
        Self {
            redis,
            away: Arc::default(),
            what,
        }
    }

    /// Whether anybody could answer.
    pub(crate) fn is_there(&self) -> bool {
        self.redis.is_some()
    }

    /// Runs a script; `None` when there is no Redis or it gives no answer that can be used.
    pub(crate) async fn run<T: FromValue + Send>(
        &self,
        script: &Script,
        keys: Vec<String>,
        arguments: Vec<String>,
    ) -> Option<T> {
        let redis = self.redis.as_ref()?;
        let call = async {
            let known = redis
                .pool
                .evalsha(script.hash.clone(), keys.clone(), arguments.clone())
                .await;
            match known {
                // The server was started anew.
                Err(error) if error.details().starts_with("NOSCRIPT") => {
                    redis.pool.eval(script.text, keys, arguments).await
                }
                answer => answer,
            }
        };
        match redis.run(call).await {
            Ok(answer) => {
                if self.away.swap(false, Ordering::Relaxed) {
                    info!(
                        what = self.what,
                        "Redis is back: processes count together again"
                    );
                }
                Some(answer)
            }
            Err(error) => {
                if !self.away.swap(true, Ordering::Relaxed) {
                    warn!(
                        what = self.what,
                        %error,
                        "Redis does not count: each process counts by itself until it does"
                    );
                }
                None
            }
        }
    }
}
