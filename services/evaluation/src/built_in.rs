//! The flags that come with the product: there from the start, and what is asked when nothing else is known.

use serde_json::Value;

use crate::flag::{AbTest, Flag, FlagType, Share, Variant};

/// Whether answers stream; turned away, a visitor gets the answer in one piece.
pub const STREAMING: &str = "streaming";
/// Whether answers are spoken.
pub const TTS: &str = "tts";
/// Which of two experiences a visitor gets, while a test runs.
pub const AB_TEST: &str = "abTest";
/// Whether outcomes are reported.
pub const METRICS: &str = "metrics";

/// Their keys.
pub const KEYS: [&str; 4] = [STREAMING, TTS, AB_TEST, METRICS];

/// The flags as they are before anyone changed them: everything on for everybody, no test.
pub fn flags() -> [Flag; 4] {
    let variant = |name: &str| Variant {
        name: name.to_owned(),
        value: Value::String(name.to_owned()),
    };
    let share = |variant: &str| Share {
        variant: variant.to_owned(),
        weight: 50,
    };
    let ab_test = Flag {
        kind: FlagType::String,
        enabled: false,
        variants: vec![variant("treatment"), variant("control")],
        on_variant: "treatment".to_owned(),
        off_variant: "control".to_owned(),
        ab_test: Some(AbTest {
            enabled: true,
            shares: vec![share("treatment"), share("control")],
        }),
        ..Flag::boolean(AB_TEST, "Which of two experiences a visitor gets.", 0.0)
    };
    [
        Flag::boolean(
            STREAMING,
            "Answers stream word by word; off, they come in one piece.",
            100.0,
        ),
        Flag::boolean(TTS, "Answers are spoken; off, they are text alone.", 100.0),
        ab_test,
        Flag::boolean(METRICS, "Outcomes of turns are reported.", 100.0),
    ]
}
