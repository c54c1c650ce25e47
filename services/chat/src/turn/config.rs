//! Settings of a turn.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// The characters after which every answer ends at the latest.
pub(crate) const MAX_ANSWER_CHARACTERS: u32 = 2000;

/// How long a turn may take and how large it may get, unless a bot narrows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Limit for a whole turn.
    #[serde(with = "humantime_serde")]
    pub total: Duration,
    /// Longest wait for history and knowledge; what is late is left out of the prompt.
    #[serde(with = "humantime_serde")]
    pub context: Duration,
    /// Longest wait for the answer to be stored before the turn says that it is not.
    #[serde(with = "humantime_serde")]
    pub save: Duration,
    /// Messages of history in the prompt.
    pub history_messages: u32,
    /// Characters of an answer, at most 2000.
    pub answer_characters: u32,
    /// Turns that run at once in one process; more are refused.
    pub max_running: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(120),
            context: Duration::from_secs(1),
            save: Duration::from_secs(2),
            history_messages: 10,
            answer_characters: MAX_ANSWER_CHARACTERS,
            max_running: 5000,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        for (key, limit) in [
            ("total", self.total),
            ("context", self.context),
            ("save", self.save),
        ] {
            if limit.is_zero() {
                problems.push(key, "must be longer than 0s");
            }
        }
        if !(1..=MAX_ANSWER_CHARACTERS).contains(&self.answer_characters) {
            problems.push(
                "answer_characters",
                format!("must be from 1 to {MAX_ANSWER_CHARACTERS}"),
            );
        }
        if self.history_messages > 50 {
            problems.push("history_messages", "must be at most 50");
        }
        if self.max_running == 0 {
            problems.push("max_running", "must be at least 1");
        }
    }
}
