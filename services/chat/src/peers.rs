//! The services that chat calls over gRPC: they, and what is served in [`crate::grpc`], alone name tonic.

pub mod tts;
