//! What is wrong with values that have the right type. It must not know which values there are.

use std::ops::{Deref, DerefMut};

/// Settings that can tell what is wrong with them.
pub trait Validate {
    /// Reports every problem; what is not reported is right.
    fn validate(&self, problems: &mut Problems);
}

/// Collects problems under the keys they belong to.
///
/// ```
/// # use troika_chassis::config::{Problems, Validate};
/// # struct Pool { size: u32 }
/// # struct Config { pool: Pool }
/// impl Validate for Config {
///     fn validate(&self, problems: &mut Problems) {
///         self.pool.validate(&mut problems.at("pool"));
///     }
/// }
/// impl Validate for Pool {
///     fn validate(&self, problems: &mut Problems) {
///         problems.check(self.size > 0, "size", "must be at least 1");
///     }
/// }
/// let config = Config { pool: Pool { size: 0 } };
/// assert_eq!(Problems::of(&config).to_string(), "pool.size: must be at least 1");
/// ```
#[derive(Debug, Default)]
pub struct Problems {
    scope: Vec<String>,
    found: Vec<(String, String)>,
}

impl Problems {
    /// The problems of one value.
    pub fn of<T: Validate + ?Sized>(value: &T) -> Self {
        let mut problems = Self::default();
        value.validate(&mut problems);
        problems
    }

    /// Problems of a section: what is reported through the scope belongs under `key`.
    pub fn at(&mut self, key: impl Into<String>) -> Scope<'_> {
        self.scope.push(key.into());
        Scope { problems: self }
    }

    /// Reports what must change, such as "must be at least 1". An empty key means the section itself.
    pub fn push(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        let key = key.into();
        let parts = self
            .scope
            .iter()
            .map(String::as_str)
            .chain(Some(key.as_str()))
            .filter(|part| !part.is_empty());
        let path = parts.collect::<Vec<_>>().join(".");
        self.found.push((path, problem.into()));
    }

    /// Reports the problem unless the value is right.
    pub fn check(&mut self, right: bool, key: impl Into<String>, problem: impl Into<String>) {
        if !right {
            self.push(key, problem);
        }
    }

    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Each key with its problem, in the order they were reported.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found
            .iter()
            .map(|(key, problem)| (key.as_str(), problem.as_str()))
    }
}

/// One line for each problem.
impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (key, problem)) in self.found.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{key}: {problem}")?;
        }
        Ok(())
    }
}

/// A section that problems are reported for, until it is dropped.
#[derive(Debug)]
pub struct Scope<'a> {
    problems: &'a mut Problems,
}

impl Deref for Scope<'_> {
    type Target = Problems;

    fn deref(&self) -> &Problems {
        self.problems
    }
}

impl DerefMut for Scope<'_> {
    fn deref_mut(&mut self) -> &mut Problems {
        self.problems
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.problems.scope.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end() {
        let mut problems = Problems::default();
        problems
            .at("chat")
            .at("model")
            .push("name", "must not be empty");
        problems.at("chat").push("", "is not complete");
        problems.push("data_dir", "must not be empty");
        let keys: Vec<_> = problems.iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["chat.model.name", "chat", "data_dir"]);
    }
}
