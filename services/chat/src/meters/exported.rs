//! Turns by OpenTelemetry's names for generative models. Where no collector is configured they go nowhere. It must not
//! know how they leave.

use opentelemetry::{
    KeyValue,
    metrics::{Histogram, Meter},
};
use troika_proto::metrics::v1::{FailureKind, Outcome, TurnOutcome};

use super::time;
use crate::model::KNOWLEDGE_MODEL;

/// The bounds that the conventions advise, in seconds and tokens.
const FIRST_TOKEN: [f64; 16] = [
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
const PER_TOKEN: [f64; 13] = [
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5,
];
const DURATION: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// The instruments.
#[derive(Debug)]
pub(super) struct Exported {
    first_token: Histogram<f64>,
    per_token: Histogram<f64>,
    duration: Histogram<f64>,
    tokens: Histogram<u64>,
}

impl Exported {
    /// On the provider of the process, which must be there already.
    pub(super) fn new() -> Self {
        Self::on(&opentelemetry::global::meter("troika"))
    }

    fn on(meter: &Meter) -> Self {
        let seconds = |name: &'static str, help: &'static str, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(help)
                .with_boundaries(bounds.to_vec())
                .build()
        };
        Self {
            first_token: seconds(
                "gen_ai.server.time_to_first_token",
                "Time from the arrival of a question to the first token of its answer.",
                &FIRST_TOKEN,
            ),
            per_token: seconds(
                "gen_ai.server.time_per_output_token",
                "Time for each token of an answer after the first.",
                &PER_TOKEN,
            ),
            duration: seconds(
                "gen_ai.client.operation.duration",
                "Time from the arrival of a question to the end of its answer.",
                &DURATION,
            ),
            tokens: meter
                .u64_histogram("gen_ai.client.token.usage")
                .with_unit("{token}")
                .with_description("Tokens of a question and of its answer.")
                .with_boundaries(TOKENS.to_vec())
                .build(),
        }
    }

    /// A turn ended; `gaps` are seconds between tokens, each with how often.
    pub(super) fn turn(&self, outcome: &TurnOutcome, model: &str, gaps: &[(f64, u64)]) {
        // No model was asked, or none by a network.
        if outcome.kind() == FailureKind::Validation || outcome.model == KNOWLEDGE_MODEL {
            return;
        }
        let mut common = vec![
            KeyValue::new("gen_ai.operation.name", "chat"),
            KeyValue::new("gen_ai.provider.name", "openai"),
        ];
        if !model.is_empty() {
            common.push(KeyValue::new("gen_ai.request.model", model.to_owned()));
        }
        if let Some(first_token) = time(outcome.first_token) {
            self.first_token.record(first_token.as_secs_f64(), &common);
        }
        let count: u64 = gaps.iter().map(|(_, count)| count).sum();
        if outcome.outcome() == Outcome::Success && count > 0 {
            let sum: f64 = gaps.iter().map(|(gap, count)| gap * *count as f64).sum();
            self.per_token.record(sum / count as f64, &common);
        }
        for (kind, tokens) in [
            ("input", outcome.prompt_tokens),
            ("output", outcome.completion_tokens),
        ] {
            if tokens > 0 {
                let mut with = common.clone();
                with.push(KeyValue::new("gen_ai.token.type", kind));
                self.tokens.record(tokens.into(), &with);
            }
        }
        if let Some(complete) = time(outcome.complete) {
            match outcome.outcome() {
                Outcome::Success => {}
                Outcome::Cancelled => common.push(KeyValue::new("error.type", "cancelled")),
                Outcome::Failure | Outcome::Unspecified => {
                    common.push(KeyValue::new("error.type", outcome.failure.clone()));
                }
            }
            self.duration.record(complete.as_secs_f64(), &common);
        }
    }
}
