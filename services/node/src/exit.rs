//! How the program ends: the exit codes that scripts rely on, and failures told in words. It must
//! not know which verb failed.

use std::{error::Error as StdError, process::ExitCode};

use troika_chassis::{
    config::ConfigErrors,
    error::{Code, Error},
};

use crate::output;

/// What the process's exit code says. The numbers are a contract with scripts and stand in `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done = 0,
    /// It was tried and failed.
    Failed = 1,
    /// The command line, the configuration or a value sent along is wrong.
    Usage = 2,
    /// The role that was to do it does not answer, or cannot work now.
    Unreachable = 3,
    /// The bot or document does not exist.
    NotFound = 4,
    /// Ctrl-C ended it.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Code> for Exit {
    fn from(code: Code) -> Self {
        match code {
            Code::InvalidArgument | Code::PayloadTooLarge => Self::Usage,
            Code::NotFound => Self::NotFound,
            Code::Unavailable | Code::DeadlineExceeded => Self::Unreachable,
            _ => Self::Failed,
        }
    }
}

/// Why a verb ends without having done its work: an exit code and words for a person.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    details: Vec<String>,
}

impl Failure {
    /// A failure that says what went wrong and, if it can, what to change.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            details: Vec::new(),
        }
    }

    /// An end with nothing left to say: everything was printed, or nobody reads any more.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// What an error and those behind it say, in one line.
    pub(crate) fn because(exit: Exit, what: &str, error: &dyn StdError) -> Self {
        Self::new(exit, format!("{what}: {}", chain(error)))
    }

    /// Adds a line below the message.
    pub(crate) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// The code the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The message and its details, a line each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.message.as_str()).chain(self.details.iter().map(String::as_str))
    }

    /// Prints the failure and gives the process's exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            output::error(&self.message);
            for detail in &self.details {
                output::aside(&format!("  {detail}"));
            }
        }
        self.exit.into()
    }
}

/// A role answered, and refused or failed: its own words, with what it found wrong field by field.
impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut failure = Self::new(error.code().into(), error.message());
        for violation in error.violations() {
            let said = &violation.message;
            if !error.message().contains(said.as_str()) {
                let named = said.starts_with(&violation.field);
                failure = failure.with_detail(if named {
                    said.clone()
                } else {
                    format!("{}: {said}", violation.field)
                });
            }
        }
        if let Some(after) = error.retry_after() {
            failure = failure.with_detail(format!(
                "try again in {}",
                humantime::format_duration(after)
            ));
        }
        failure
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        let count = errors.iter().count();
        let what = if count == 1 {
            "one problem".to_owned()
        } else {
            format!("{count} problems")
        };
        errors.iter().fold(
            Self::new(Exit::Usage, format!("the configuration has {what}")),
            |failure, error| failure.with_detail(error.to_string()),
        )
    }
}

/// An error and its sources in one line, each said once.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_code_has_an_exit_code_that_scripts_can_use() {
        for (code, exit) in [
            (Code::InvalidArgument, Exit::Usage),
            (Code::PayloadTooLarge, Exit::Usage),
            (Code::NotFound, Exit::NotFound),
            (Code::Unavailable, Exit::Unreachable),
            (Code::DeadlineExceeded, Exit::Unreachable),
            (Code::AlreadyExists, Exit::Failed),
            (Code::PermissionDenied, Exit::Failed),
            (Code::ResourceExhausted, Exit::Failed),
            (Code::Internal, Exit::Failed),
        ] {
            assert_eq!(Exit::from(code), exit, "{code:?}");
        }
    }

    #[test]
    fn the_exit_codes_are_the_documented_numbers() {
        let exits = [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::NotFound,
            Exit::Interrupted,
        ];
        assert_eq!(exits.map(|exit| exit as u8), [0, 1, 2, 3, 4, 130]);
    }

    #[test]
    fn what_a_role_found_wrong_is_told_field_by_field_and_once() {
        let error = Error::new(
            Code::InvalidArgument,
            "invalid",
            "The question cannot be asked: name is required",
        )
        .with_violation("query", "must not be empty", "string.empty")
        .with_violation("name", "name is required", "any.required")
        .with_violation("email", "email must be an address", "string.email");
        let failure = Failure::from(&error);
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(
            failure.lines().skip(1).collect::<Vec<_>>(),
            ["query: must not be empty", "email must be an address"]
        );
    }

    #[test]
    fn a_chain_says_each_thing_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("opening: denied")]
        struct Outer(#[source] Inner);
        #[derive(Debug, thiserror::Error)]
        #[error("denied")]
        struct Inner;
        assert_eq!(chain(&Outer(Inner)), "opening: denied");
    }
}
