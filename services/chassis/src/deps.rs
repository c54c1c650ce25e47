//! What a process hands to each role it runs. It must not know what a role does with it.

use std::path::PathBuf;

use crate::{
    lifecycle::{Drain, Readiness},
    meters::Meters,
    mongo::Mongo,
    redis::Redis,
};

/// The shared parts of one process. Cloning is cheap; every clone is the same part.
#[derive(Clone, Debug)]
pub struct Deps {
    /// The document store, when one is configured.
    pub mongo: Option<Mongo>,
    /// The cache server, when one is configured.
    pub redis: Option<Redis>,
    /// The largest gRPC message a role takes, in bytes.
    pub max_message: usize,
    /// The folder for embedded stores.
    pub data_dir: PathBuf,
    /// The readiness of the role that is built.
    pub readiness: Readiness,
    /// The drain of the process.
    pub drain: Drain,
    /// The figures of the process.
    pub meters: Meters,
}
