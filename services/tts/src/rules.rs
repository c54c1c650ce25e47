//! Who may make which call: speech is open, as it is at the edge, wherever calls without a credential are.

use troika_identity::{Access::Anyone, Rules};

/// One line for each method of the role.
pub const RULES: Rules = &[
    ("troika.tts.v1.TTS/Synthesize", Anyone),
    ("troika.tts.v1.TTS/Speak", Anyone),
    ("troika.tts.v1.TTS/SynthesizeStream", Anyone),
    ("troika.tts.v1.TTS/ListVoices", Anyone),
];
