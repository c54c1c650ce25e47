//! `troika read-document`: what the chat role starts for each document, so that one made to break its reader breaks
//! nothing else. It must not know how documents are read.

use troika_chat::knowledge::documents::{Format, apart};

use crate::exit::{Exit, Failure};

/// What is read, and in what bounds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ending of its name
    ending: String,
    /// The most bytes of it, and of its text
    most: u64,
    /// The most bytes of memory
    memory: u64,
    /// The most seconds
    seconds: u64,
}

/// # Errors
/// When there is no such format, or the process cannot be bounded.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let format = Format::of_file(&format!(".{}", args.ending))
        .ok_or_else(|| Failure::new(Exit::Usage, "there is no reader for this ending"))?;
    apart::serve(format, args.most, args.memory, args.seconds)
        .map_err(|error| Failure::because(Exit::Failed, "the document was not read", &error))
}
