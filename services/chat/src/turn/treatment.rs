//! What the flags say of a turn, asked once at its start: a change meanwhile does not alter the turn. Knows
//! which flags a turn asks, not what becomes of the answers.

use std::sync::LazyLock;

use troika_evaluation::{
    built_in::{self, AB_TEST, METRICS, STREAMING, TTS},
    context::Visitor,
    follow::Flags,
    snapshot::Snapshot,
};
use troika_proto::metrics::v1::Exposure;

use crate::question::Question;

static BUILT_IN: LazyLock<Snapshot> = LazyLock::new(|| Snapshot::new(0, built_in::flags()));

/// How a turn is treated.
#[derive(Clone, Debug)]
pub(crate) struct Treatment {
    /// The text is sent as it is written; else in one piece.
    pub(crate) streams: bool,
    /// The answer is spoken.
    pub(crate) speaks: bool,
    /// The outcome is told.
    pub(super) reports: bool,
    /// How the answer is asked for: `query` is streamed, `answer` comes in one piece.
    pub(super) endpoint: &'static str,
    /// What was asked, and what it said.
    pub(super) exposures: Vec<Exposure>,
}

impl Treatment {
    pub(super) fn of(flags: &Flags, question: &Question) -> Self {
        let session = question.named_session.then(|| question.session.to_string());
        let bot = question.bot.to_string();
        let visitor = Visitor {
            user_id: None,
            session_id: session.as_deref(),
            ip: question.client_address.as_deref(),
            chatbot_id: Some(&bot),
            language: question.language,
        };
        let snapshot = flags.now();
        let mut exposures = Vec::with_capacity(3);
        let mut says = |key: &str| {
            // Without a flag of that name it is as in the code.
            let known = snapshot.evaluate(key, &visitor);
            let Some(evaluation) = known.or_else(|| BUILT_IN.evaluate(key, &visitor)) else {
                return false;
            };
            exposures.push(Exposure {
                flag: key.to_owned(),
                variant: evaluation.variant.name.clone(),
                by_chance: evaluation.decided_by.is_by_chance(),
            });
            evaluation.is_on()
        };
        // Only who could get the one or the other was exposed to it.
        let streams = question.whole || says(STREAMING);
        let speaks = question.speak && says(TTS);
        if snapshot.flag(AB_TEST).is_some_and(|flag| flag.enabled) {
            says(AB_TEST);
        }
        // Not told as an exposure: who is not reported is not compared.
        let reports = snapshot.evaluate(METRICS, &visitor);
        Self {
            streams,
            speaks,
            reports: reports.is_none_or(|evaluation| evaluation.is_on()),
            endpoint: if question.whole { "answer" } else { "query" },
            exposures,
        }
    }

    /// What a flag said, where it was asked.
    pub(super) fn variant(&self, flag: &str) -> Option<&str> {
        let exposure = self.exposures.iter().find(|exposure| exposure.flag == flag);
        exposure.map(|exposure| exposure.variant.as_str())
    }
}
