//! The contract between troika's processes, generated from the `.proto` files beside it. It knows
//! messages and services, and nothing of what they are for.

/// Conversations with chatbots, and the bots themselves.
pub mod chat {
    /// Version 1 of the chat contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.chat.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/chat_descriptor.bin"));
    }
}

/// Speech.
pub mod tts {
    /// Version 1 of the speech contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.tts.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/tts_descriptor.bin"));
    }
}

/// Feature flags and their rollouts.
pub mod flags {
    /// Version 1 of the flags contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.flags.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/flags_descriptor.bin"));
    }
}

/// Who asks.
pub mod identity {
    /// Version 1 of the identity contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.identity.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/identity_descriptor.bin"));
    }
}

/// The accounts of those who run the system.
pub mod accounts {
    /// Version 1 of the accounts contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.accounts.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/accounts_descriptor.bin"));
    }
}

/// What was changed, by whom.
pub mod audit {
    /// Version 1 of the audit contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.audit.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/audit_descriptor.bin"));
    }
}

/// What happened.
pub mod metrics {
    /// Version 1 of the metrics contract.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
    pub mod v1 {
        tonic::include_proto!("troika.metrics.v1");

        /// The encoded `FileDescriptorSet` of this package, for gRPC reflection.
        pub const FILE_DESCRIPTOR_SET: &[u8] =
            include_bytes!(concat!(env!("OUT_DIR"), "/metrics_descriptor.bin"));
    }
}

/// flagd's public protocols, for OpenFeature's SDKs.
#[allow(
    missing_docs,
    unreachable_pub,
    deprecated,
    clippy::all,
    clippy::unwrap_used
)]
pub mod flagd {
    /// Evaluation by this service.
    pub mod evaluation {
        pub mod v1 {
            tonic::include_proto!("flagd.evaluation.v1");
        }
        pub mod v2 {
            tonic::include_proto!("flagd.evaluation.v2");
        }
    }

    /// Definitions for clients that evaluate themselves.
    pub mod sync {
        pub mod v1 {
            tonic::include_proto!("flagd.sync.v1");
        }
    }

    /// The encoded `FileDescriptorSet` of these packages, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/flagd_descriptor.bin"));
}
