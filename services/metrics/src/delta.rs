//! What happened within a second or so, as replicas tell each other and as it is stored; and what it adds up to. Pure.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use troika_proto::metrics::v1::SourceState;

use crate::{
    slice::{Dimension, Slice},
    turn::{FailureKind, Outcome, Turn},
    window::Dealt,
};

/// What one replica was told within a second or so.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Delta {
    pub(crate) replica: String,
    /// Rises by one with each of a replica's.
    pub(crate) number: u64,
    /// The second in which it was closed.
    pub(crate) at: u64,
    /// Since which reset it counts.
    pub(crate) epoch: u64,
    pub(crate) slice: Slice,
    pub(crate) dealt: Vec<Dealt>,
    pub(crate) events: Vec<Event>,
    pub(crate) sources: Vec<Heard>,
}

impl Delta {
    /// Nothing happened but that sources live.
    pub(crate) fn is_quiet(&self) -> bool {
        self.slice.is_empty() && self.dealt.is_empty() && self.events.is_empty()
    }
}

/// A source that said something.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) name: String,
    pub(crate) at: SystemTime,
    /// A `SourceState`, as on the wire.
    #[serde(with = "on_the_wire")]
    pub(crate) state: SourceState,
}

/// A turn that ended, to be shown among the newest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: SystemTime,
    pub(crate) end: EventEnd,
    pub(crate) session: String,
    pub(crate) turn: String,
    pub(crate) bot: String,
    pub(crate) first_token: Option<Duration>,
    pub(crate) first_audio: Option<Duration>,
    pub(crate) duration: Option<Duration>,
    pub(crate) words: u32,
    pub(crate) audio_chunks: u32,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EventEnd {
    Success,
    Cancelled,
    Failure { kind: FailureKind, code: String },
}

impl Event {
    /// Of a turn that was told at a time; `at` is when it ended.
    pub(crate) fn of(turn: &Turn, now: SystemTime) -> Self {
        let ended = turn
            .started_at
            .checked_add(turn.complete.unwrap_or_default());
        Self {
            at: ended.map_or(now, |at| at.min(now)),
            end: match turn.outcome {
                Outcome::Success => EventEnd::Success,
                Outcome::Cancelled => EventEnd::Cancelled,
                Outcome::Failure { kind, .. } => EventEnd::Failure {
                    kind,
                    code: turn.code.clone(),
                },
            },
            session: turn.session.clone(),
            turn: turn.id.clone(),
            bot: turn.bot.clone(),
            first_token: turn.first_token,
            first_audio: turn.first_audio,
            duration: turn.complete,
            words: turn.words,
            audio_chunks: turn.audio_chunks,
        }
    }
}

/// How long a time a rollup is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// 60 s.
    Minute,
    /// 60 min.
    Hour,
    /// Since a reset, which is its time.
    Life,
}

impl Resolution {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Life => "life",
        }
    }

    /// How long it is kept.
    pub fn kept(self) -> Option<Duration> {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Minute => Some(2 * DAY),
            Self::Hour => Some(90 * DAY),
            Self::Life => None,
        }
    }
}

/// Which part of a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All turns.
    Total,
    /// By their endpoint, bot, and so on.
    By(Dimension),
    /// The arms of flags, by when turns started.
    Arms,
}

impl Part {
    /// As it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::By(dimension) => dimension.name(),
            Self::Arms => "arms",
        }
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let by = Dimension::ALL.into_iter().map(Self::By);
        [Self::Total, Self::Arms].into_iter().chain(by)
    }
}

/// What a replica was told in a minute, in an hour, or ever.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollup {
    /// How long a time it is of.
    pub resolution: Resolution,
    /// Which part.
    pub part: Part,
    /// Its first second; of a life, when it began.
    pub at: u64,
    /// Whose.
    pub replica: String,
    /// The newest delta that is in it.
    pub number: u64,
    /// As the role writes it.
    pub data: Vec<u8>,
}

/// As it is stored.
pub(crate) fn written(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into memory what has string keys cannot fail.
    if let Err(error) = ciborium::into_writer(value, &mut bytes) {
        tracing::error!(%error, "figures cannot be written");
    }
    bytes
}

/// `None`, and a line in the log, of what cannot be read.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    ciborium::from_reader(bytes)
        .inspect_err(
            |error| tracing::warn!(%error, "stored figures cannot be read: they are left out"),
        )
        .ok()
}

mod on_the_wire {
    use prost::Message as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};
    use troika_proto::metrics::v1::SourceState;

    pub(super) fn serialize<S: Serializer>(
        state: &SourceState,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        state.encode_to_vec().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SourceState, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        SourceState::decode(bytes.as_slice()).map_err(D::Error::custom)
    }
}
