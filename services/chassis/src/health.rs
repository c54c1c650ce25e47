//! The standard gRPC health protocol: the service that tells, and the watch that listens. It must not
//! know what makes a role ready.

mod follow;
mod service;

pub use follow::follow;
pub(crate) use service::HealthService;

/// The messages, client and server of `grpc.health.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("grpc.health.v1");

    /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/health_descriptor.bin"));
}

/// Asks a process whether it takes calls.
pub mod client {
    pub use super::v1::health_client::HealthClient;
}
