//! Generates the Rust side of the contract with protox: nobody needs protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

/// The packages: a name for the descriptors that reflection serves, and the files.
const PACKAGES: [(&str, &[&str]); 8] = [
    (
        "chat",
        &[
            "troika/chat/v1/turn_event.proto",
            "troika/chat/v1/chat_stream.proto",
            "troika/chat/v1/chatbots.proto",
        ],
    ),
    ("tts", &["troika/tts/v1/tts.proto"]),
    (
        "flags",
        &[
            "troika/flags/v1/flag.proto",
            "troika/flags/v1/flags.proto",
            "troika/flags/v1/rollouts.proto",
        ],
    ),
    (
        "metrics",
        &[
            "troika/metrics/v1/metrics.proto",
            "troika/metrics/v1/alerts.proto",
        ],
    ),
    ("identity", &["troika/identity/v1/identity.proto"]),
    ("accounts", &["troika/accounts/v1/accounts.proto"]),
    ("audit", &["troika/audit/v1/audit.proto"]),
    (
        "flagd",
        &[
            "flagd/evaluation/v1/evaluation.proto",
            "flagd/evaluation/v2/evaluation.proto",
            "flagd/sync/v1/sync.proto",
        ],
    ),
];

/// Fields that carry so much that they are shared, not copied.
const LARGE: [&str; 5] = [
    ".troika.chat.v1.ImportKnowledgeRequest.data",
    ".troika.chat.v1.Audio.pcm",
    ".troika.chat.v1.SpokenAnswer.data",
    ".troika.tts.v1.Audio.pcm",
    ".troika.tts.v1.SynthesizeResponse.audio",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=troika");
    println!("cargo:rerun-if-changed=flagd");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for (name, files) in PACKAGES {
        let descriptors = protox::compile(files, ["."])?;
        fs::write(
            out.join(format!("{name}_descriptor.bin")),
            descriptors.encode_to_vec(),
        )?;
        // Its service is large, and fakes in tests serve what they are asked alone.
        let stubs = name == "metrics";
        let mut generator = tonic_prost_build::configure().generate_default_stubs(stubs);
        for field in LARGE {
            generator = generator.bytes(field);
        }
        generator.compile_fds(descriptors)?;
    }
    Ok(())
}
