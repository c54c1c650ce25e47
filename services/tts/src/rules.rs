//! Who may make which call.

use troika_identity::{
    Access::{Anyone, Known},
    Rules,
};

/// One line for each method of the role.
pub const RULES: Rules = &[
    ("troika.tts.v1.TTS/Synthesize", Known),
    ("troika.tts.v1.TTS/Speak", Known),
    ("troika.tts.v1.TTS/SynthesizeStream", Known),
    ("troika.tts.v1.TTS/ListVoices", Anyone),
];
