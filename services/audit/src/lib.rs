//! What was changed, by whom: a log that is appended to and read, and tells when it was rewritten. It knows who asks and
//! where entries lie; it must not know what the changes are.
//!
//! Whoever changes something takes an [`Intent`] first and says afterwards what became of it. Nothing here changes or
//! deletes an entry.

mod chain;
mod entry;
mod grpc;
mod log;
pub mod store;
mod writer;

pub use entry::{By, Change, Entry, Recorded};
pub use grpc::{AuditService, Readers, server};
pub use log::{AuditError, AuditLog, Intent, Verified};
