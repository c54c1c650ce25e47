//! Settings of the speech role.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

use serde::{Deserialize, Serialize};
use troika_chassis::{
    config::{Problems, Validate},
    outbound::{BreakerConfig, RetryConfig},
};
use troika_evaluation::follow;

use crate::{
    allowance,
    engine::{espeak, google},
    quota, recordings, session,
    voices::{self, Voice},
};

/// Everything the speech role can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the role listens for gRPC.
    pub listen: SocketAddr,
    /// Turns and texts that are spoken at once; more are refused.
    pub max_sessions: usize,
    /// Google Cloud Text-to-Speech.
    pub google: google::Config,
    /// espeak-ng on this machine.
    pub espeak: espeak::Config,
    /// Names of voices for a language, in order, in place of the built-in ones.
    pub voices: BTreeMap<String, Vec<String>>,
    /// Order and pace of a turn's speech.
    pub pace: session::Config,
    /// What is kept of what was spoken.
    pub cache: recordings::Config,
    /// Calls to Google.
    pub quota: quota::Config,
    /// Characters in a day.
    pub daily_characters: allowance::Config,
    /// More tries with the same voice, before any sound.
    pub retry: RetryConfig,
    /// When a family of voices is left alone.
    pub breaker: BreakerConfig,
    /// The flags role.
    pub flags: follow::Config,
    /// The metrics role.
    pub metrics: troika_reporting::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50052)),
            max_sessions: 1000,
            google: google::Config::default(),
            espeak: espeak::Config::default(),
            voices: BTreeMap::new(),
            pace: session::Config::default(),
            cache: recordings::Config::default(),
            quota: quota::Config::default(),
            daily_characters: allowance::Config::default(),
            // Sound is waited for: one more try, at once.
            retry: RetryConfig {
                attempts: 1,
                ..RetryConfig::default()
            },
            breaker: BreakerConfig::default(),
            flags: follow::Config::default(),
            metrics: troika_reporting::Config::default(),
        }
    }
}

impl Config {
    /// The voices of a language, in order: the configured ones, else the built-in ones. Empty when the
    /// language is not served.
    pub fn voices_of(&self, language: &str) -> Vec<Voice> {
        let named =
            |names: &Vec<String>| names.iter().filter_map(|name| Voice::named(name)).collect();
        voices::resolve(language).map_or_else(Vec::new, |language| {
            self.voices
                .get(language)
                .map_or_else(|| voices::of(language), named)
        })
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        problems.check(self.max_sessions > 0, "max_sessions", "must be at least 1");
        for (language, names) in &self.voices {
            let mut at = problems.at("voices");
            if !voices::LANGUAGES.contains(&language.as_str()) {
                at.push(
                    language,
                    format!(
                        "is not served: write one of {}",
                        voices::LANGUAGES.join(", ")
                    ),
                );
            }
            for name in names {
                match Voice::named(name) {
                    Some(voice) if voice.language == language => {}
                    Some(voice) => at.push(
                        language,
                        format!("{name} speaks {}, not this language", voice.language),
                    ),
                    None => at.push(
                        language,
                        format!("{name} is no name of a voice: write one such as en-IN-Chirp3-HD-Leda or espeak-hi"),
                    ),
                }
            }
            at.check(
                !names.is_empty(),
                language.as_str(),
                "must name at least one voice",
            );
        }
        self.google.validate(&mut problems.at("google"));
        self.espeak.validate(&mut problems.at("espeak"));
        self.pace.validate(&mut problems.at("pace"));
        self.cache.validate(&mut problems.at("cache"));
        self.quota.validate(&mut problems.at("quota"));
        self.retry.validate(&mut problems.at("retry"));
        self.breaker.validate(&mut problems.at("breaker"));
        self.flags.validate(&mut problems.at("flags"));
        self.metrics.validate(&mut problems.at("metrics"));
    }
}
