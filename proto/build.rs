//! Generates the Rust side of the contract with protox: nobody needs protoc.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 3] = [
    "troika/chat/v1/turn_event.proto",
    "troika/chat/v1/chat_stream.proto",
    "troika/chat/v1/chatbots.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=troika");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("chat_descriptor.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".troika.chat.v1.ImportKnowledgeRequest.data")
        .compile_fds(descriptors)?;
    Ok(())
}
