//! How often, and how much in a day, who asks, a bot and a company may, so that none of them crowds out the others. Counted
//! for all processes together. It must not know quotas, which are what was paid for, nor how a turn goes.

use serde::{Deserialize, Serialize};
use tracing::info;
use troika_chassis::{
    config::{Problems, Validate},
    error::{Code, Error},
    meters::Meters,
    redis::Redis,
};
use troika_identity::Caller;
use troika_limits::{Budget, Charge, Key, Limiter, Policy, Refusals, Reservation, counted};

use crate::bots::Bot;

/// The policies, as figures and the log call them: rates, then days.
const RATES: [&str; 2] = ["bot", "company"];
const DAYS: [&str; 3] = ["client_tokens", "bot_tokens", "company_tokens"];

/// What may be asked, besides what the edge allows an address and a subject.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Questions to one bot.
    pub bot: Policy,
    /// Questions to all bots of one company.
    pub company: Policy,
    /// Tokens in a day.
    pub daily_tokens: DailyTokens,
}

/// Tokens in a day of UTC, those of the prompt and of the answer; 0 is without a limit.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct DailyTokens {
    /// Of a subject of a token, else of an address.
    pub client: u64,
    /// Of a bot, whoever asks it.
    pub bot: u64,
    /// Of all bots of one company.
    pub company: u64,
}

impl Default for Config {
    fn default() -> Self {
        let minute = std::time::Duration::from_secs(60);
        Self {
            bot: Policy::new(1200, minute),
            company: Policy::new(3000, minute),
            daily_tokens: DailyTokens::default(),
        }
    }
}

impl Default for DailyTokens {
    fn default() -> Self {
        Self {
            client: 5_000_000,
            bot: 0,
            company: 0,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.bot.validate(&mut problems.at("bot"));
        self.company.validate(&mut problems.at("company"));
    }
}

/// Counts on all processes' common Redis, or in this process.
pub(crate) struct Allowances {
    limiter: Limiter,
    budget: Budget,
    config: Config,
    refusals: Refusals,
}

impl Allowances {
    /// Must be called within a Tokio runtime.
    pub(crate) fn new(config: Config, redis: Option<Redis>, meters: &Meters) -> Self {
        Self {
            limiter: Limiter::new(redis.clone()),
            budget: Budget::new(redis),
            config,
            refusals: Refusals::new(meters, RATES.into_iter().chain(DAYS)),
        }
    }

    /// Takes one question of bot and company, and reserves its tokens of the day. Dropping the call takes nothing that is not
    /// given back, but for the question.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) async fn take(
        &self,
        bot: &Bot,
        caller: &Caller,
        tokens: u64,
    ) -> Result<Reservation, Error> {
        let id = bot.id.to_string();
        let company = bot.company.as_deref();
        let (names, rates): (Vec<_>, Vec<_>) = [
            (RATES[0], Some(id.as_str()), self.config.bot),
            (RATES[1], company, self.config.company),
        ]
        .into_iter()
        .filter(|(.., policy)| !policy.is_off())
        .filter_map(|(what, who, policy)| Some((what, Charge::one(Key::new(what, who?), policy))))
        .unzip();
        let DailyTokens {
            client,
            bot: of_bot,
            company: of_company,
        } = self.config.daily_tokens;
        let client = (DAYS[0], who(caller), client);
        let (days, keys): (Vec<_>, Vec<_>) = [
            client,
            (DAYS[1], Some(id), of_bot),
            (DAYS[2], company.map(str::to_owned), of_company),
        ]
        .into_iter()
        .filter(|(.., most)| *most > 0)
        .filter_map(|(what, who, most)| Some((what, (Key::new(what, &who?), most))))
        .unzip();
        let (verdict, reserved) = futures::join!(
            self.limiter.take(&rates),
            self.budget.reserve(&keys, tokens)
        );
        if let Some(place) = verdict.refused {
            self.note(names[place], bot);
            return Err(Error::new(
                Code::ResourceExhausted,
                "rate_limited",
                "This chatbot is asked too much at the moment. Please try again in a moment.",
            )
            .with_retry_after(verdict.retry_after()));
        }
        reserved.map_err(|exhausted| {
            self.note(days[exhausted.place], bot);
            Error::new(
                Code::ResourceExhausted,
                "daily_budget_exhausted",
                "No more questions can be answered today. Please come back tomorrow.",
            )
            .with_retry_after(exhausted.retry_after)
        })
    }

    /// One more that was refused. Nothing of who asked is told.
    fn note(&self, policy: &'static str, bot: &Bot) {
        if let Some(untold) = self.refusals.note(policy) {
            info!(policy, bot = %bot.id, untold, "a question was refused: too many");
        }
    }
}

/// Whom a day is counted for: who showed who they are, else their address. Nobody where neither is known, and no process of
/// the system itself.
fn who(caller: &Caller) -> Option<String> {
    caller
        .principal()
        .or_else(|| Some(counted(caller.address?).to_string()))
}

#[cfg(test)]
mod tests;
