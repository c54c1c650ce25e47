//! What every troika process needs and nothing of the domain: configuration, the error vocabulary,
//! lifecycle, gRPC servers and channels, request context, telemetry, figures and the port that shows them, guarded
//! calls out, connections, a database file, a cache of bytes.
//! It must not know what a conversation, a flag or a voice is.

pub mod admin;
pub mod cache;
pub mod channel;
pub mod config;
pub mod context;
pub mod deps;
pub mod email;
pub mod embedded;
pub mod error;
pub mod health;
pub mod lifecycle;
pub mod meters;
pub mod mongo;
pub mod origin;
pub mod outbound;
pub mod redis;
pub mod server;
pub mod telemetry;
pub mod tls;
