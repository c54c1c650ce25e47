//! The wire in: the only room of this crate, beside the role's assembly, that names tonic.

pub(crate) mod chat_stream;
pub(crate) mod chatbots;
