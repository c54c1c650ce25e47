//! Settings of the flags role.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use troika_chassis::{
    channel::{ChannelConfig, check_address},
    config::{Problems, Validate},
};
use url::Url;

/// Everything the flags role can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the role listens for gRPC.
    pub listen: SocketAddr,
    /// How often a store that others write to is read again: how late their changes come.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// Clients that watch at once; more are refused.
    pub max_watchers: usize,
    /// Rollouts.
    pub rollouts: Rollouts,
    /// Where the figures come from.
    pub metrics: Metrics,
}

/// How rollouts are steered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollouts {
    /// How often each is judged.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// How long the one who judges keeps the lease without renewing it.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
}

/// The metrics role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Its gRPC address.
    pub address: Url,
    /// How long it may take for the figures of a rollout.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// The connections to it.
    pub channel: ChannelConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50053)),
            // Well below the second within which a change must be everywhere.
            poll: Duration::from_millis(250),
            max_watchers: 10_000,
            rollouts: Rollouts::default(),
            metrics: Metrics::default(),
        }
    }
}

impl Default for Rollouts {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(5),
            lease: Duration::from_secs(15),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            address: local(),
            timeout: Duration::from_secs(2),
            channel: ChannelConfig {
                connections: 1,
                ..ChannelConfig::default()
            },
        }
    }
}

#[allow(clippy::expect_used)]
fn local() -> Url {
    Url::parse("http://127.0.0.1:50054").expect("the default address is a URL")
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        let second = Duration::from_secs(1);
        problems.check(
            !self.poll.is_zero() && self.poll <= second,
            "poll",
            "must be longer than 0s and at most 1s, or changes come late",
        );
        problems.check(self.max_watchers > 0, "max_watchers", "must be at least 1");
        self.rollouts.check(&mut problems.at("rollouts"));
        self.metrics.check(&mut problems.at("metrics"));
    }
}

impl Rollouts {
    fn check(&self, problems: &mut Problems) {
        problems.check(
            !self.interval.is_zero(),
            "interval",
            "must be longer than 0s",
        );
        problems.check(
            self.lease >= self.interval * 2,
            "lease",
            "must be at least twice the interval, or it is lost between two looks",
        );
    }
}

impl Metrics {
    fn check(&self, problems: &mut Problems) {
        check_address(problems, "address", &self.address);
        problems.check(!self.timeout.is_zero(), "timeout", "must be longer than 0s");
        self.channel.validate(&mut problems.at("channel"));
    }
}
