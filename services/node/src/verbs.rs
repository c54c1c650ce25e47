//! What the program can do besides running roles, one file a verb. A verb calls a running role over
//! gRPC; only `check` looks behind one.

pub(crate) mod admin;
pub(crate) mod alert;
pub(crate) mod audit;
pub(crate) mod author;
pub(crate) mod bots;
pub(crate) mod chat;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod flags;
pub(crate) mod knowledge;
pub(crate) mod read_document;
pub(crate) mod rollout;
pub(crate) mod say;
pub(crate) mod token;
pub(crate) mod top;
