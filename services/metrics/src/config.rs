//! Settings of the metrics role.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

use crate::{ledger::SECONDS, turn::Turn};

/// Everything the metrics role can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the role listens for gRPC.
    pub listen: SocketAddr,
    /// Flags whose variants are counted apart for rollouts; what others say is not compared.
    pub max_flags: usize,
    /// Values of each dimension (bots, models, …) that are counted apart at once; further ones count as `other`.
    pub max_values: usize,
    /// What tokens cost, by the model's name; without it the cost of its turns is 0.
    pub prices: Prices,
    /// When the system counts as degraded and as unhealthy.
    pub health: Health,
    /// Who is told what, when something is wrong.
    pub alerts: troika_alerting::Config,
}

/// Prices by the model's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prices(pub BTreeMap<String, Price>);

/// In the operator's currency, for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Price {
    /// Of the prompt.
    pub input: f64,
    /// Of the answer.
    pub output: f64,
}

/// The limits of health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// How far back turns count.
    #[serde(with = "humantime_serde")]
    pub window: Duration,
    /// With fewer turns in the window their rates say nothing.
    pub min_turns: u64,
    /// Failed turns in per cent, above which the system is degraded, and unhealthy.
    pub degraded_error_rate: f64,
    /// As before.
    pub unhealthy_error_rate: f64,
    /// The mean time to the first token above which it is degraded, and unhealthy.
    #[serde(with = "humantime_serde")]
    pub degraded_first_token: Duration,
    /// As before.
    #[serde(with = "humantime_serde")]
    pub unhealthy_first_token: Duration,
    /// How long it must be worse before it is said to be.
    #[serde(with = "humantime_serde")]
    pub worse_after: Duration,
    /// How long it must be better, by a fifth of each limit, before it is said to be.
    #[serde(with = "humantime_serde")]
    pub better_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50054)),
            max_flags: 1000,
            max_values: 100,
            prices: Prices::default(),
            health: Health::default(),
            alerts: troika_alerting::Config::default(),
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            min_turns: 10,
            degraded_error_rate: 2.0,
            unhealthy_error_rate: 5.0,
            degraded_first_token: Duration::from_secs(1),
            unhealthy_first_token: Duration::from_secs(2),
            worse_after: Duration::from_secs(5),
            better_after: Duration::from_secs(30),
        }
    }
}

impl Prices {
    /// What a turn cost, in billionths.
    pub(crate) fn cost(&self, turn: &Turn) -> u64 {
        let Some(price) = self.0.get(&turn.model) else {
            return 0;
        };
        let (input, output) = (turn.prompt_tokens, turn.completion_tokens);
        let millionths = f64::from(input) * price.input + f64::from(output) * price.output;
        (millionths * 1e3).round() as u64
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.max_flags > 0, "max_flags", "must be at least 1");
        let some = (1..=10_000).contains(&self.max_values);
        problems.check(some, "max_values", "must be from 1 to 10000");
        for (model, price) in &self.prices.0 {
            let right = |price: f64| price.is_finite() && price >= 0.0;
            problems.check(
                right(price.input) && right(price.output),
                "prices",
                format!("the prices of {model} must be 0 or more"),
            );
        }
        self.health.check(&mut problems.at("health"));
        self.alerts.validate(&mut problems.at("alerts"));
    }
}

impl Health {
    fn check(&self, problems: &mut Problems) {
        problems.check(
            (1..=SECONDS).contains(&self.window.as_secs()) && self.window.subsec_nanos() == 0,
            "window",
            "must be whole seconds, at most 5m",
        );
        problems.check(
            0.0 < self.degraded_error_rate
                && self.degraded_error_rate <= self.unhealthy_error_rate
                && self.unhealthy_error_rate <= 100.0,
            "unhealthy_error_rate",
            "must be at least degraded_error_rate, and both from 0 to 100",
        );
        problems.check(
            !self.degraded_first_token.is_zero()
                && self.degraded_first_token <= self.unhealthy_first_token,
            "unhealthy_first_token",
            "must be at least degraded_first_token, and both longer than 0s",
        );
    }
}
