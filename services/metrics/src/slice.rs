//! The turns of some time, in all and by each dimension: what is kept in memory, stored and exchanged. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    figures::Figures,
    sessions::Sessions,
    turn::{Outcome, Turn},
};

/// What turns are told apart by. Stored by name: an old one is left alone, a new one is not found in old data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Streamed, or in one piece.
    Endpoint,
    /// The bot's id.
    Bot,
    /// The answer's language.
    Language,
    /// Success, failure or cancelled.
    Outcome,
    /// Who answered.
    Model,
    /// `flag=variant`.
    Variant,
}

impl Dimension {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::Endpoint,
        Self::Bot,
        Self::Language,
        Self::Outcome,
        Self::Model,
        Self::Variant,
    ];

    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Bot => "bot",
            Self::Language => "language",
            Self::Outcome => "outcome",
            Self::Model => "model",
            Self::Variant => "variant",
        }
    }
}

/// Where values beyond the most that are kept go.
pub(crate) const OTHER: &str = "other";

/// Figures by the values of one dimension.
pub(crate) type Values = BTreeMap<String, Figures>;

/// The turns of some time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Slice {
    pub(crate) total: Total,
    pub(crate) by: BTreeMap<Dimension, Values>,
}

/// All turns of some time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Total {
    pub(crate) figures: Figures,
    #[serde(skip_serializing_if = "Sessions::is_empty")]
    pub(crate) sessions: Sessions,
}

impl Total {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.figures.merge(&other.figures);
        self.sessions.merge(&other.sessions);
    }
}

impl Slice {
    /// Takes a turn in, keeping at most `most` values of each dimension: later ones count as `other`.
    pub(crate) fn add(&mut self, turn: &Turn, cost: u64, most: usize) {
        self.total.figures.add(turn, cost);
        if !turn.session.is_empty() {
            self.total.sessions.add(&turn.session);
        }
        let outcome = match turn.outcome {
            Outcome::Success => "success",
            Outcome::Failure { .. } => "failure",
            Outcome::Cancelled => "cancelled",
        };
        for (dimension, value) in [
            (Dimension::Endpoint, turn.endpoint.as_str()),
            (Dimension::Bot, turn.bot.as_str()),
            (Dimension::Language, turn.language.as_str()),
            (Dimension::Outcome, outcome),
            (Dimension::Model, turn.model.as_str()),
        ] {
            if !value.is_empty() {
                self.value(dimension, value, most).add(turn, cost);
            }
        }
        for (flag, variant, _) in &turn.exposures {
            let value = format!("{flag}={variant}");
            self.value(Dimension::Variant, &value, most).add(turn, cost);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self, most: usize) {
        self.total.merge(&other.total);
        for (dimension, values) in &other.by {
            self.merge_values(*dimension, values, most);
        }
    }

    pub(crate) fn merge_values(&mut self, dimension: Dimension, values: &Values, most: usize) {
        for (value, figures) in values {
            self.value(dimension, value, most).merge(figures);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by.is_empty()
            && self.total.sessions.is_empty()
            && self.total.figures == Figures::default()
    }

    fn value(&mut self, dimension: Dimension, value: &str, most: usize) -> &mut Figures {
        let values = self.by.entry(dimension).or_default();
        let known = values.contains_key(value);
        let value = if known || values.len() < most {
            value
        } else {
            OTHER
        };
        values.entry(value.to_owned()).or_default()
    }
}
