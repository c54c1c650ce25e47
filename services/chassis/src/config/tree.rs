//! The merged tree of settings before it becomes a type: layers, environment texts with their
//! readings, removal of what is wrong. It must not know which settings there are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{PREFIX, SEPARATOR, Sources};

/// The parts of a key: `chat.fallbacks.0.name`.
pub(super) type Path = Vec<String>;

/// What an environment variable can mean, the first reading that fits wins.
struct FromEnv {
    name: String,
    readings: std::vec::IntoIter<Value>,
}

/// Settings of all layers, merged.
pub(super) struct Tree {
    pub(super) root: Value,
    file: Value,
    from_env: BTreeMap<Path, FromEnv>,
    /// Elements taken out of lists, by their first position, so that paths stay those of the operator.
    removed: BTreeMap<Path, BTreeSet<usize>>,
}

impl Tree {
    /// Begins with the settings of a file.
    pub(super) fn new(file: Map<String, Value>) -> Self {
        Self {
            root: Value::Object(file.clone()),
            file: Value::Object(file),
            from_env: BTreeMap::new(),
            removed: BTreeMap::new(),
        }
    }

    /// Lays the environment over it. Gives the names that cannot be laid, with the reason.
    pub(super) fn lay_env(&mut self, sources: &Sources) -> Vec<(String, Path, String)> {
        let mut refused = Vec::new();
        let mut lay = |name: &str, path: Path, text: &str| {
            if let Err(problem) = self.set(name, &path, text) {
                refused.push((name.to_owned(), path, problem));
            }
        };
        let set = |name: &str| sources.env.get(name).filter(|text| !text.trim().is_empty());
        for alias in sources.aliases {
            if let Some(text) = set(alias.name) {
                lay(
                    alias.name,
                    alias.key.split('.').map(str::to_owned).collect(),
                    text,
                );
            }
        }
        for name in sources.env.keys() {
            let Some(key) = name
                .strip_prefix(PREFIX)
                .filter(|key| key.contains(SEPARATOR))
            else {
                continue;
            };
            if let Some(text) = set(name) {
                lay(
                    name,
                    key.split(SEPARATOR).map(str::to_lowercase).collect(),
                    text,
                );
            }
        }
        refused
    }

    fn set(&mut self, name: &str, path: &[String], text: &str) -> Result<(), String> {
        if path.iter().any(String::is_empty) {
            return Err(format!(
                "a part of the name is empty: write {PREFIX}<SECTION>{SEPARATOR}<KEY>"
            ));
        }
        let Some((last, sections)) = path.split_last() else {
            return Ok(());
        };
        let mut at = &mut self.root;
        for section in sections {
            let Value::Object(map) = at else {
                return Err(format!("`{section}` is no section"));
            };
            at = map
                .entry(section.clone())
                .or_insert_with(|| Value::Object(Map::new()));
        }
        let Value::Object(map) = at else {
            return Err("its section was set to a value before".to_owned());
        };
        let mut readings = readings(text).into_iter();
        map.insert(last.clone(), readings.next().unwrap_or_default());
        self.from_env.insert(
            path.to_vec(),
            FromEnv {
                name: name.to_owned(),
                readings,
            },
        );
        Ok(())
    }

    /// The environment name that set the key or a part of it.
    pub(super) fn env_name(&self, path: &[String]) -> Option<&str> {
        self.env_key(path)
            .and_then(|key| self.from_env.get(&key))
            .map(|from| from.name.as_str())
    }

    fn env_key(&self, path: &[String]) -> Option<Path> {
        (1..=path.len())
            .rev()
            .map(|end| path[..end].to_vec())
            .find(|key| self.from_env.contains_key(key))
    }

    /// Reads the environment text at exactly this path in its next way. False when there is none: where
    /// only a part of the value is wrong, the reading as a whole was right.
    pub(super) fn read_otherwise(&mut self, path: &[String]) -> bool {
        let Some(next) = self
            .from_env
            .get_mut(path)
            .and_then(|from| from.readings.next())
        else {
            return false;
        };
        self.removed.retain(|list, _| !list.starts_with(path));
        match self.at(path) {
            Some(value) => *value = next,
            None => return false,
        }
        true
    }

    /// Takes the value at a path out, so that its default stands in.
    pub(super) fn remove(&mut self, path: &[String]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let taken = self.removed.get(parents).cloned().unwrap_or_default();
        match self.at(parents) {
            Some(Value::Object(map)) => map.remove(last).is_some(),
            Some(Value::Array(list)) => {
                let Ok(first) = last.parse::<usize>() else {
                    return false;
                };
                let now = first - taken.range(..first).count();
                if taken.contains(&first) || now >= list.len() {
                    return false;
                }
                list.remove(now);
                self.removed
                    .entry(parents.to_vec())
                    .or_default()
                    .insert(first);
                true
            }
            _ => false,
        }
    }

    /// Turns positions in lists as they are now into the positions that the operator wrote.
    pub(super) fn as_written(&self, path: &[String]) -> Path {
        let mut written = Path::new();
        for part in path {
            let part = match (self.removed.get(&written), part.parse::<usize>()) {
                (Some(removed), Ok(now)) => (0..)
                    .filter(|index| !removed.contains(index))
                    .nth(now)
                    .unwrap_or(now)
                    .to_string(),
                _ => part.clone(),
            };
            written.push(part);
        }
        written
    }

    /// Whether the file sets anything at a path.
    pub(super) fn in_file(&self, path: &[String]) -> bool {
        let pointer: String = path.iter().map(|part| format!("/{part}")).collect();
        self.file.pointer(&pointer).is_some()
    }

    /// The keys below a path that the environment set.
    pub(super) fn env_keys_below(&self, path: &[String]) -> Vec<Path> {
        self.from_env
            .keys()
            .filter(|key| key.starts_with(path))
            .cloned()
            .collect()
    }

    /// The value at a path as it was written.
    fn at(&mut self, path: &[String]) -> Option<&mut Value> {
        let mut at = &mut self.root;
        for (depth, part) in path.iter().enumerate() {
            at = match at {
                Value::Object(map) => map.get_mut(part)?,
                Value::Array(list) => {
                    let first = part.parse::<usize>().ok()?;
                    let before = self
                        .removed
                        .get(&path[..depth])
                        .map_or(0, |taken| taken.range(..first).count());
                    list.get_mut(first - before)?
                }
                _ => return None,
            };
        }
        Some(at)
    }
}

/// The ways to read the text of an environment variable.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    // Quoted text stays as it is: a secret may begin and end with quotes of its own.
    if let Some(value) = toml_value(text.trim()).filter(|value| !value.is_string()) {
        readings.push(value);
    }
    readings.push(Value::String(text.to_owned()));
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    readings.push(items.map(|item| Value::String(item.to_owned())).collect());
    readings
}

fn toml_value(text: &str) -> Option<Value> {
    if text.contains('\n') {
        return None;
    }
    let mut table: Map<String, Value> = toml::from_str(&format!("value = {text}")).ok()?;
    // TOML has dates of its own, no setting has: they stay text.
    table.remove("value").filter(|value| {
        !value
            .as_object()
            .is_some_and(|map| map.keys().any(|key| key.starts_with('$')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_toml_then_as_text_then_as_a_list() {
        assert_eq!(
            readings("12"),
            [12.into(), Value::from("12"), vec!["12"].into()]
        );
        assert_eq!(readings("0.5")[0], 0.5);
        assert_eq!(readings("[1, 2]")[0], Value::from(vec![1, 2]));
        assert_eq!(
            readings("a, b"),
            [Value::from("a, b"), vec!["a", "b"].into()]
        );
        assert_eq!(readings("\"q\"")[0], "\"q\"");
        assert_eq!(readings("2026-01-01")[0], "2026-01-01");
        assert_eq!(readings("1 # no comment")[1], "1 # no comment");
    }

    #[test]
    fn removing_from_a_list_keeps_the_positions_as_written() {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Path>();
        let Value::Object(map) = serde_json::json!({"list": ["a", "b", "c"]}) else {
            unreachable!()
        };
        let mut tree = Tree::new(map);
        assert!(tree.remove(&path("list.0")));
        assert_eq!(tree.as_written(&path("list.0")), path("list.1"));
        assert!(tree.remove(&path("list.1")));
        assert!(!tree.remove(&path("list.1")));
        assert_eq!(tree.root, serde_json::json!({"list": ["c"]}));
    }
}
