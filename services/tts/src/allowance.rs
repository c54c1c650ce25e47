//! How much may be spoken in a day for one client, one bot, one company. Counted for all processes together. It must not know
//! engines and their quotas.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tracing::info;
use troika_chassis::{
    error::{Code, Error},
    meters::Meters,
    redis::Redis,
};
use troika_identity::Caller;
use troika_limits::{Budget, Key, Refusals, counted};

/// The policies, as figures and the log call them.
const POLICIES: [&str; 3] = ["client_characters", "bot_characters", "company_characters"];

/// Characters of speech in a day of UTC; 0 is without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Of a subject of a token, else of an address.
    pub client: u64,
    /// Of a bot, whoever listens.
    pub bot: u64,
    /// Of all bots of one company.
    pub company: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            client: 200_000,
            bot: 0,
            company: 0,
        }
    }
}

/// Counts on all processes' common Redis, or in this process. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Allowances {
    budget: Budget,
    config: Config,
    refusals: Refusals,
}

/// What one caller may have spoken.
pub(crate) struct Allowance {
    allowances: Allowances,
    policies: Vec<&'static str>,
    keys: Vec<(Key, u64)>,
}

impl Allowances {
    /// Must be called within a Tokio runtime.
    pub(crate) fn new(config: Config, redis: Option<Redis>, meters: &Meters) -> Self {
        Self {
            budget: Budget::new(redis),
            config,
            refusals: Refusals::new(meters, POLICIES),
        }
    }

    /// Of who asks: the bot and the company are those that a token names, or that chat tells of a turn.
    pub(crate) fn of(&self, caller: &Caller) -> Allowance {
        let Config {
            client,
            bot,
            company,
        } = self.config;
        let counted = [
            (who(caller), client),
            (caller.chatbot.clone(), bot),
            (caller.company.clone(), company),
        ];
        let (policies, keys) = POLICIES
            .into_iter()
            .zip(counted)
            .filter_map(|(policy, (who, most))| {
                let key = Key::new(policy, &who.filter(|_| most > 0)?);
                Some((policy, (key, most)))
            })
            .unzip();
        Allowance {
            allowances: self.clone(),
            policies,
            keys,
        }
    }
}

impl Allowance {
    /// Takes the characters of a text.
    ///
    /// # Errors
    /// When there are not so many left today; then nothing is taken.
    pub(crate) async fn spend(&self, text: &str) -> Result<(), Error> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let characters = text.chars().count() as u64;
        let taken = self.allowances.budget.reserve(&self.keys, characters);
        match taken.await {
            Ok(taken) => {
                taken.settle(characters);
                Ok(())
            }
            Err(exhausted) => {
                let policy = self.policies[exhausted.place];
                if let Some(untold) = self.allowances.refusals.note(policy) {
                    info!(policy, untold, "a text is not spoken: too much was today");
                }
                Err(Error::new(
                    Code::ResourceExhausted,
                    "daily_budget_exhausted",
                    "No more can be spoken today.",
                )
                .with_retry_after(exhausted.retry_after))
            }
        }
    }

    /// The sentences until the day's characters are used up, and whether they were.
    pub(crate) fn within<S>(
        self,
        sentences: S,
    ) -> (
        impl Stream<Item = String> + Send + use<S> + 'static,
        Arc<AtomicBool>,
    )
    where
        S: Stream<Item = String> + Send + 'static,
    {
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let sentences = async_stream::stream! {
            let mut sentences = std::pin::pin!(sentences);
            while let Some(sentence) = sentences.next().await {
                if self.spend(&sentence).await.is_err() {
                    ends.store(true, Ordering::Relaxed);
                    return;
                }
                yield sentence;
            }
        };
        (sentences, over)
    }
}

/// Whom a day is counted for: who showed who they are, else their address. No process of the system itself.
fn who(caller: &Caller) -> Option<String> {
    caller
        .principal()
        .or_else(|| Some(counted(caller.address?).to_string()))
}

#[cfg(test)]
mod tests;
