//! How often clients may ask, as operators set it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};
use troika_limits::{Policy, PolicyChange};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The `[gateway.limits]` section. A limit of 0 is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct LimitsConfig {
    /// Calls of the API, for each address.
    pub api: Policy,
    /// Questions, for each address.
    pub stream: Policy,
    /// Texts to speak, for each address.
    pub speech: Policy,
    /// Questions, for each subject of a token.
    pub user: Policy,
    /// Requests that cannot be taken, for each address.
    pub invalid: Policy,
    /// Streams at the same time, for each subject or else address.
    pub streams_at_once: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            api: Policy::new(100, MINUTE),
            stream: Policy::new(30, MINUTE),
            speech: Policy::new(10, MINUTE),
            user: Policy::new(100, HOUR),
            invalid: Policy::new(60, MINUTE),
            streams_at_once: 10,
        }
    }
}

impl Validate for LimitsConfig {
    fn validate(&self, problems: &mut Problems) {
        for (key, policy) in [
            ("api", &self.api),
            ("stream", &self.stream),
            ("speech", &self.speech),
            ("user", &self.user),
            ("invalid", &self.invalid),
        ] {
            policy.validate(&mut problems.at(key));
        }
        problems.check(
            self.streams_at_once <= 10_000,
            "streams_at_once",
            "must be at most 10000; 0 is without a limit",
        );
    }
}

/// What an operator wrote: each policy may be changed in part.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    api: PolicyChange,
    stream: PolicyChange,
    speech: PolicyChange,
    user: PolicyChange,
    invalid: PolicyChange,
    streams_at_once: Option<u32>,
}

impl From<Written> for LimitsConfig {
    fn from(written: Written) -> Self {
        let default = Self::default();
        Self {
            api: written.api.over(default.api),
            stream: written.stream.over(default.stream),
            speech: written.speech.over(default.speech),
            user: written.user.over(default.user),
            invalid: written.invalid.over(default.invalid),
            streams_at_once: written.streams_at_once.unwrap_or(default.streams_at_once),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_keeps_its_default() {
        let read: LimitsConfig =
            serde_json::from_value(serde_json::json!({"user": {"limit": 7}})).unwrap();
        let expected = LimitsConfig {
            user: Policy::new(7, HOUR),
            ..LimitsConfig::default()
        };
        assert_eq!(read, expected);
        let written = serde_json::to_value(&read).unwrap();
        assert_eq!(
            serde_json::from_value::<LimitsConfig>(written).unwrap(),
            read
        );
    }

    #[test]
    fn what_cannot_be_counted_is_told_with_its_policy() {
        let mut config = LimitsConfig {
            streams_at_once: 10_001,
            ..LimitsConfig::default()
        };
        config.speech.per = Duration::ZERO;
        let problems = Problems::of(&config);
        let keys: Vec<&str> = problems.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["speech.per", "streams_at_once"]);
    }
}
