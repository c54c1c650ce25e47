//! Turns the merged tree into a type and collects everything that is wrong on the way. It must not
//! know which settings there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path as FilePath,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::{
    ConfigError, ConfigErrors, Problems, Sources, Validate, env_name,
    errors::without_userinfo,
    tree::{Path, Tree},
};

/// Loads settings from all layers.
///
/// # Errors
///
/// Everything that is wrong, together: a file that cannot be read, values that do not fit, unknown
/// keys in the file and unknown `TROIKA_<SECTION>__<KEY>` names, and what [`Validate`] reports.
pub fn load<T: DeserializeOwned + Validate>(sources: &Sources) -> Result<T, ConfigErrors> {
    let mut errors = Errors {
        sources,
        found: Vec::new(),
    };
    let file = match &sources.file {
        Some(path) => read(path).unwrap_or_else(|problem| {
            errors.found.push(ConfigError {
                key: String::new(),
                env: None,
                file: Some(path.display().to_string()),
                problem,
            });
            Map::new()
        }),
        None => Map::new(),
    };
    let mut tree = Tree::new(file);
    for (name, path, problem) in tree.lay_env(sources) {
        errors.found.push(ConfigError {
            key: path.join("."),
            env: Some(name),
            file: None,
            problem,
        });
    }
    let value = extract::<T>(&mut tree, &mut errors);
    if let Some(value) = &value {
        let known: BTreeSet<String> = errors.found.iter().map(|error| error.key.clone()).collect();
        for (key, problem) in Problems::of(value)
            .iter()
            .filter(|(key, _)| !known.contains(*key))
        {
            errors.push(
                &tree,
                &key.split('.').map(str::to_owned).collect::<Path>(),
                problem.to_owned(),
            );
        }
    }
    match (value, errors.found.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => {
            errors.found.sort_by(|a, b| a.key.cmp(&b.key));
            Err(ConfigErrors(errors.found))
        }
    }
}

fn read(path: &FilePath) -> Result<Map<String, Value>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    // The message alone: what TOML shows otherwise quotes the line, and with it perhaps a secret.
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(0, |span| {
            text[..span.start.min(text.len())].matches('\n').count() + 1
        });
        format!("line {line} is not TOML: {}", error.message())
    })
}

/// Tries again without what was wrong, until the rest fits.
fn extract<T: DeserializeOwned>(tree: &mut Tree, errors: &mut Errors<'_>) -> Option<T> {
    let mut tried = BTreeMap::<Path, String>::new();
    let mut removed = Vec::<Path>::new();
    loop {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&tree.root, &mut track);
        let attempt = serde_ignored::deserialize(tracked, |path| unknown.push(parts(&path)));
        match attempt {
            Ok(value) => {
                for path in unknown {
                    errors.unknown(tree, &tree.as_written(&path));
                }
                return Some(value);
            }
            Err(error) => {
                let path = tree.as_written(&segments(&track.path()));
                let problem = better(tried.remove(&path), error.to_string());
                if tree.read_otherwise(&path) {
                    tried.insert(path, problem);
                    continue;
                }
                // Without its wrong part an element may be incomplete: that follows from what was told.
                let follows = removed.iter().any(|wrong| wrong.starts_with(&path));
                if !follows {
                    errors.push(tree, &path, explained(&problem));
                }
                if !tree.remove(&path) {
                    return None;
                }
                removed.push(path);
            }
        }
    }
}

/// Of the problems that the readings of one text have: what is wrong with a value tells more than that
/// its type does not fit.
fn better(before: Option<String>, now: String) -> String {
    match before {
        Some(before) if !before.starts_with("invalid type") || now.starts_with("invalid type") => {
            before
        }
        _ => now,
    }
}

/// Adds what serde's words leave out, and takes secrets in addresses away.
fn explained(problem: &str) -> String {
    let problem = without_userinfo(problem);
    for (words, example) in [
        (
            "expected a duration",
            "with its unit, such as 10s or 1m 30s",
        ),
        (
            "expected parsable string",
            "for a size with its unit, such as 4 MiB",
        ),
    ] {
        if let Some(before) = problem.strip_suffix(words) {
            return format!("{before}{words} {example}");
        }
    }
    problem
}

fn segments(path: &serde_path_to_error::Path) -> Path {
    let part = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(part).collect()
}

fn parts(path: &serde_ignored::Path<'_>) -> Path {
    use serde_ignored::Path as At;
    match path {
        At::Root => Path::new(),
        At::Seq { parent, index } => with(parent, index.to_string()),
        At::Map { parent, key } => with(parent, key.clone()),
        At::Some { parent } | At::NewtypeStruct { parent } | At::NewtypeVariant { parent } => {
            parts(parent)
        }
    }
}

fn with(parent: &serde_ignored::Path<'_>, part: String) -> Path {
    let mut path = parts(parent);
    path.push(part);
    path
}

struct Errors<'a> {
    sources: &'a Sources,
    found: Vec<ConfigError>,
}

impl Errors<'_> {
    /// A key that no setting has: the file's, and each that the environment made below it.
    fn unknown(&mut self, tree: &Tree, path: &[String]) {
        let mut paths = tree.env_keys_below(path);
        if paths.is_empty() || tree.in_file(path) {
            paths.push(path.to_vec());
        }
        for path in paths {
            self.push(
                tree,
                &path,
                "unknown key: check its spelling and its section".to_owned(),
            );
        }
    }

    fn push(&mut self, tree: &Tree, path: &[String], problem: String) {
        let key = path.join(".");
        let (env, file) = match tree.env_name(path) {
            Some(name) => (Some(name.to_owned()), None),
            None => (
                (!key.is_empty()).then(|| env_name(&key, self.sources.aliases)),
                self.sources
                    .file
                    .as_ref()
                    .filter(|_| tree.in_file(path))
                    .map(|file| file.display().to_string()),
            ),
        };
        self.found.push(ConfigError {
            key,
            env,
            file,
            problem,
        });
    }
}

#[cfg(test)]
mod tests;
