//! What the flags say of a turn, asked once at its start: a change meanwhile does not alter the turn. Knows
//! which flags a turn asks, not what becomes of the answers.

use troika_evaluation::{
    built_in::{AB_TEST, METRICS, STREAMING, TTS},
    context::Visitor,
    follow::Flags,
};
use troika_proto::metrics::v1::Exposure;

use crate::question::Question;

/// How a turn is treated.
#[derive(Clone, Debug)]
pub(crate) struct Treatment {
    /// The text is sent as it is written; else in one piece.
    pub(crate) streams: bool,
    /// The answer is spoken.
    pub(crate) speaks: bool,
    /// The outcome is told.
    pub(super) reports: bool,
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
            let Some(evaluation) = snapshot.evaluate(key, &visitor) else {
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
        Self {
            streams,
            speaks,
            reports: flags.is_on(METRICS, &visitor),
            exposures,
        }
    }

    /// What a flag said, where it was asked.
    pub(super) fn variant(&self, flag: &str) -> Option<&str> {
        let exposure = self.exposures.iter().find(|exposure| exposure.flag == flag);
        exposure.map(|exposure| exposure.variant.as_str())
    }
}
