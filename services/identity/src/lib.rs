//! Who asks: tokens and their keys, sessions of visitors, credentials between processes, and the door of a gRPC
//! server that holds every call to the rule of its method. It must not know what any call does.
//!
//! A [`Caller`] is who asks. At the edge it is made of a token ([`Verifier`]) or a session ([`Sessions`]); services behind it
//! believe what the edge says because of its credential ([`ServiceCredential`]), and hold whoever calls them directly to the
//! same rules ([`Doors`]).

mod access;
mod caller;
mod claims;
mod config;
mod door;
#[cfg(test)]
mod fuzz;
mod key_set;
mod keys;
mod refusal;
mod revocations;
mod secrets;
mod service;
mod session;
mod verifier;

pub use access::{Access, Rules};
pub use caller::{Caller, Role, SignedSession, Vouched};
pub use config::{Config, SHORTEST_SECRET};
pub use door::{Doors, SESSION, bearer};
pub use key_set::check_key_file;
pub use keys::{Algorithm, KeySetError};
pub use refusal::Refusal;
pub use secrets::Secrets;
pub use service::{CALLER, CREDENTIAL, ServiceCredential, Services, told};
pub use session::{Sessions, SignedIn};
pub use verifier::{Verified, Verifier};
