//! Settings of the chat role.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};
use troika_evaluation::follow;

use crate::{allowance, embedder, knowledge, model, peers::tts, turn};

/// Everything the chat role can be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the role listens for gRPC.
    pub listen: SocketAddr,
    /// Make the demo bot on the first start of an embedded store.
    pub demo: bool,
    /// The language model.
    pub model: model::Config,
    /// The embeddings endpoint.
    pub embeddings: embedder::Config,
    /// Import and retrieval.
    pub knowledge: knowledge::Config,
    /// One turn.
    pub turn: turn::Config,
    /// How much may be asked.
    pub limits: allowance::Config,
    /// The speech service.
    pub tts: tts::Config,
    /// The flags role.
    pub flags: follow::Config,
    /// The metrics role.
    pub metrics: troika_reporting::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 50051)),
            demo: true,
            model: model::Config::default(),
            embeddings: embedder::Config::default(),
            knowledge: knowledge::Config::default(),
            turn: turn::Config::default(),
            limits: allowance::Config::default(),
            tts: tts::Config::default(),
            flags: follow::Config::default(),
            metrics: troika_reporting::Config::default(),
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        self.model.validate(&mut problems.at("model"));
        self.turn.validate(&mut problems.at("turn"));
        self.limits.validate(&mut problems.at("limits"));
        self.tts.validate(&mut problems.at("tts"));
        self.flags.validate(&mut problems.at("flags"));
        self.metrics.validate(&mut problems.at("metrics"));
        self.knowledge.validate(&mut problems.at("knowledge"));
        self.embeddings.validate(&mut problems.at("embeddings"));
    }
}
