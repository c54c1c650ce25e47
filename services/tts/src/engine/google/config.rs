//! Settings of Google Cloud Text-to-Speech.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Secret, Validate};
use url::Url;

use super::credentials;

/// How Google is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Google Cloud credentials: the path of a JSON file, or the JSON itself. Empty: no voice of Google.
    /// "anonymous" asks a server at `endpoint` that wants none.
    pub credentials: Secret,
    /// Another server than texttospeech.googleapis.com, such as that of a region.
    pub endpoint: Option<Url>,
    /// Limit for the first sound of a voice that streams, with the connection.
    #[serde(with = "humantime_serde")]
    pub first_sound: Duration,
    /// Limit between two pieces of a stream.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// Limit for a whole answer of a voice that does not stream, with the connection.
    #[serde(with = "humantime_serde")]
    pub answer: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: Secret::from(""),
            endpoint: None,
            first_sound: Duration::from_secs(3),
            silence: Duration::from_secs(5),
            answer: Duration::from_secs(10),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        if !self.credentials.is_empty()
            && let Err(problem) = credentials::read(&self.credentials, self.endpoint.is_some())
        {
            problems.push("credentials", problem.to_string());
        }
        let reachable = self.endpoint.as_ref().is_none_or(|endpoint| {
            matches!(endpoint.scheme(), "http" | "https") && endpoint.has_host()
        });
        problems.check(
            reachable,
            "endpoint",
            "must be a web address such as https://eu-texttospeech.googleapis.com",
        );
        for (key, limit) in [
            ("first_sound", self.first_sound),
            ("silence", self.silence),
            ("answer", self.answer),
        ] {
            problems.check(!limit.is_zero(), key, "must be longer than 0s");
        }
    }
}
