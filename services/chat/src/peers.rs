//! The services that chat calls over gRPC: they, and what is served in `grpc.rs`, alone name tonic.

pub mod tts;
