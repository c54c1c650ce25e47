//! What is wrong with a configuration, said so that an operator knows what to change. It must never
//! show the value of a secret.

use std::fmt;

/// One wrong setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Such as `chat.model.first_token`; empty for the configuration as a whole.
    pub key: String,
    /// The environment name that set it, else the one that can.
    pub env: Option<String>,
    /// The file that set it, when a file did.
    pub file: Option<String>,
    /// What must change.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            env,
            file,
            problem,
        } = self;
        let place = match (file, env) {
            (Some(file), Some(env)) => format!("in {file}; environment: {env}"),
            (Some(file), None) => format!("in {file}"),
            (None, Some(env)) => env.clone(),
            (None, None) => String::new(),
        };
        match (key.is_empty(), place.is_empty()) {
            (true, true) => write!(f, "{problem}"),
            (true, false) => write!(f, "{place}: {problem}"),
            (false, true) => write!(f, "{key}: {problem}"),
            (false, false) => write!(f, "{key} ({place}): {problem}"),
        }
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub(crate) Vec<ConfigError>);

impl ConfigErrors {
    /// The errors, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A setting that turned out wrong when it was put to use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigProblem {
    /// Such as `mongodb.uri`.
    pub key: &'static str,
    /// What must change.
    pub problem: String,
}

impl ConfigProblem {
    /// Says what must change. The text must not contain a secret.
    pub fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }
}

/// Takes user names and passwords out of every address in the text: messages of parsers quote what
/// they could not read.
pub(crate) fn without_userinfo(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (before, after) = rest.split_at(scheme + "://".len());
        shown.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | '\''))
            .unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(at) => {
                shown.push_str("[redacted]");
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_messages_lose_user_and_password() {
        let shown =
            without_userinfo("invalid value: string \"redis://me:p@ss@host:x/1\" and http://a/b");
        assert_eq!(
            shown,
            "invalid value: string \"redis://[redacted]@host:x/1\" and http://a/b"
        );
    }
}
