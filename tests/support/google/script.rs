//! What the server does with which call.

use std::time::Duration;

use tonic::Code;

use super::{Call, How};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection breaks before any answer; with it, every other call on it.
    Reset,
    /// Google's own error: in JSON with the HTTP status of the code, or as a gRPC status. Its message
    /// quotes the text, as Google's do.
    Refuse {
        /// The code.
        code: Code,
        /// When to come back: the header `Retry-After`, or gRPC's `RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// An HTTP status with a page, as of a proxy on the way.
    Proxy(u16),
    /// Nothing comes, while the connection stays open.
    HangBeforeSound,
    /// Half of the sound, then nothing more, while the connection stays open.
    HangAfterHalf,
    /// Half of the sound, then an error; in one piece, the connection breaks within the body.
    ErrorAfterHalf,
    /// Half of the sound, then a clean end; in one piece, a WAV head that tells the whole length.
    EndAfterHalf,
    /// All of the sound but its last byte, then a clean end.
    HalfASample,
    /// A clean end without any sound.
    NoSound,
    /// What is no answer at all, as a success.
    Garbage,
    /// In one piece: sound of 16 kHz, as its head says. A stream is as it should be.
    WrongRate,
}

impl Fault {
    /// UNAVAILABLE, 503.
    pub fn unavailable() -> Self {
        Self::refuse(Code::Unavailable)
    }

    /// RESOURCE_EXHAUSTED, 429.
    pub fn throttled(retry_after: Option<Duration>) -> Self {
        Self::Refuse {
            code: Code::ResourceExhausted,
            retry_after,
        }
    }

    /// PERMISSION_DENIED, 403.
    pub fn denied() -> Self {
        Self::refuse(Code::PermissionDenied)
    }

    /// INVALID_ARGUMENT, 400: for instance a voice that does not exist.
    pub fn invalid() -> Self {
        Self::refuse(Code::InvalidArgument)
    }

    /// UNIMPLEMENTED, 501: for instance a voice that does not stream.
    pub fn unimplemented() -> Self {
        Self::refuse(Code::Unimplemented)
    }

    /// Any code.
    pub fn refuse(code: Code) -> Self {
        Self::Refuse {
            code,
            retry_after: None,
        }
    }
}

/// What the server does with a call: all of the sound at once, unless something is set.
#[derive(Clone, Debug)]
pub struct Speech {
    /// Time before the first sound, or before any other answer.
    pub delay: Duration,
    /// Time between two pieces of a stream.
    pub pace: Duration,
    /// Length of a stream's pieces, as sound.
    pub piece: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

impl Default for Speech {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            pace: Duration::ZERO,
            piece: Duration::from_millis(100),
            fault: None,
        }
    }
}

impl Speech {
    /// Goes wrong in this way.
    pub fn with(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }

    /// The first sound comes after this time.
    pub fn after(delay: Duration) -> Self {
        Self {
            delay,
            ..Self::default()
        }
    }
}

/// Which calls a rule is for. Listings are no calls here, except for [`When::How`].
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// Every call.
    Always,
    /// The n-th call, counted from 1.
    Call(usize),
    /// The first n calls.
    First(usize),
    /// Calls for this voice.
    Voice(String),
    /// Calls that come this way.
    How(How),
    /// Calls whose text holds this.
    Text(String),
}

/// Rules for calls. Of those that fit a call, the first one counts; without one, it is served at once.
#[derive(Clone, Debug)]
pub struct Script {
    rules: Vec<(When, Speech)>,
    /// The names that a listing gives.
    pub voices: Vec<String>,
}

impl Default for Script {
    fn default() -> Self {
        let voices = [
            "en-IN-Chirp3-HD-Leda",
            "en-IN-Wavenet-A",
            "hi-IN-Standard-A",
        ];
        Self {
            rules: Vec::new(),
            voices: voices.map(str::to_owned).to_vec(),
        }
    }
}

impl Script {
    /// The same fault for every call.
    pub fn always(fault: Fault) -> Self {
        Self::default().on(When::Always, Speech::with(fault))
    }

    /// With one more rule, after those before.
    #[must_use]
    pub fn on(mut self, when: When, speech: Speech) -> Self {
        self.rules.push((when, speech));
        self
    }

    /// With these names of voices in a listing.
    #[must_use]
    pub fn offering<T: Into<String>>(mut self, voices: impl IntoIterator<Item = T>) -> Self {
        self.voices = voices.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn for_call(&self, call: &Call, before: &[Call]) -> Speech {
        let listing = |call: &Call| call.how == How::Listing;
        let number = 1 + before.iter().filter(|call| !listing(call)).count();
        let fits = |when: &When| match when {
            When::How(how) => call.how == *how,
            _ if listing(call) => false,
            When::Always => true,
            When::Call(place) => number == *place,
            When::First(calls) => number <= *calls,
            When::Voice(voice) => call.voice == *voice,
            When::Text(part) => call.text.contains(part),
        };
        let rule = self.rules.iter().find(|(when, _)| fits(when));
        rule.map(|(_, speech)| speech.clone()).unwrap_or_default()
    }
}
