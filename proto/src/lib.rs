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
