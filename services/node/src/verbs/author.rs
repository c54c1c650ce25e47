//! Who is at the terminal: named with every change of a flag or a rollout.

use troika_proto::flags::v1::Author;

use crate::exit::{Exit, Failure};

/// Who changes something, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Signed {
    /// Why: kept in the history
    #[arg(long, short, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Who you are, for the history; your user name when absent
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// The name of the person at the terminal, as the system knows it.
pub(crate) fn of_the_system() -> Option<String> {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
}

impl Signed {
    /// The author of a change.
    ///
    /// # Errors
    /// When nobody is named and the system knows no user either.
    pub(crate) fn author(&self) -> Result<Author, Failure> {
        let name = self.name.clone().or_else(of_the_system).ok_or_else(|| {
            Failure::new(Exit::Usage, "nobody is named for the history")
                .with_detail("say who you are with --as NAME")
        })?;
        Ok(Author {
            name,
            reason: self.reason.clone(),
        })
    }
}
