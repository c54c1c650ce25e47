//! Who asks: tokens and their keys, sessions of visitors, credentials between processes, and the door of a gRPC
//! server that holds every call to the rule of its method. It must not know what any call does.

mod caller;

pub use caller::{Caller, Role};
