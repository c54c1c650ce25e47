//! Feature flags where they are asked: definitions, evaluation in process, and the snapshot that follows the
//! flags role. Asking is a look into memory: no call, no allocation, and nothing changes while the flags
//! role is away.

pub mod bucket;
pub mod built_in;
pub mod check;
pub mod context;
pub mod evaluate;
pub mod flag;
pub mod flagd;
pub mod follow;
pub mod snapshot;
pub mod wire;
