//! What has to happen so that a list of chunks becomes the content of a document. Pure: knows no engine,
//! so that every store decides alike.

use std::collections::{HashMap, HashSet};

use crate::knowledge::Chunk;

/// What a store tells of a chunk that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The document it belongs to.
    pub(super) file_name: String,
    /// Its place in that document.
    pub(super) position: u32,
    /// Whether it carries an embedding.
    pub(super) embedded: bool,
    /// It is there, but marked as deleted: importing it again brings it back.
    pub(super) retired: bool,
}

/// The steps of a replacement. Indexes point into the list of new chunks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be added.
    pub(super) add: Vec<usize>,
    /// To be written over a retired chunk of the same hash; counted as added.
    pub(super) revive: Vec<usize>,
    /// Known without an embedding, to take the new one's.
    pub(super) embed: Vec<usize>,
    /// Known in this document, at another position.
    pub(super) reposition: Vec<usize>,
    /// Hashes that leave the document.
    pub(super) remove: Vec<String>,
    /// Known already.
    pub(super) duplicates: u32,
}

impl Plan {
    /// Decides what makes `chunks` the content of `file_name`, where the bot holds `known` by hash.
    pub(super) fn new(known: &HashMap<String, Known>, file_name: &str, chunks: &[Chunk]) -> Self {
        let mut plan = Self::default();
        let mut wanted = HashSet::with_capacity(chunks.len());
        for (index, chunk) in chunks.iter().enumerate() {
            if !wanted.insert(chunk.hash.as_str()) {
                plan.duplicates += 1; // the same text twice in one document
                continue;
            }
            match known.get(&chunk.hash) {
                None => plan.add.push(index),
                Some(held) if held.retired => plan.revive.push(index),
                Some(held) => {
                    plan.duplicates += 1;
                    if !held.embedded && chunk.embedding.is_some() {
                        plan.embed.push(index);
                    }
                    if held.file_name == file_name && held.position != chunk.position {
                        plan.reposition.push(index);
                    }
                }
            }
        }
        plan.remove = known
            .iter()
            .filter(|(hash, held)| {
                !held.retired && held.file_name == file_name && !wanted.contains(hash.as_str())
            })
            .map(|(hash, _)| hash.clone())
            .collect();
        plan.remove.sort_unstable();
        plan
    }

    /// Whether nothing would change.
    pub(super) fn is_empty(&self) -> bool {
        self.add.is_empty()
            && self.revive.is_empty()
            && self.embed.is_empty()
            && self.reposition.is_empty()
            && self.remove.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::knowledge::Embedding;

    fn chunk(hash: &str, position: u32, embedded: bool) -> Chunk {
        Chunk {
            hash: hash.into(),
            content: hash.into(),
            file_name: "new".into(),
            position,
            language: String::new(),
            embedding: embedded.then(|| Embedding {
                model: "m".into(),
                vector: Arc::from([1.0_f32].as_slice()),
            }),
            imported_at: SystemTime::UNIX_EPOCH,
        }
    }

    fn held(file_name: &str, position: u32, embedded: bool) -> Known {
        Known {
            file_name: file_name.into(),
            position,
            embedded,
            retired: false,
        }
    }

    #[test]
    fn the_same_content_again_changes_nothing() {
        let known = HashMap::from([
            ("a".into(), held("f", 0, true)),
            ("b".into(), held("f", 1, false)),
        ]);
        let plan = Plan::new(&known, "f", &[chunk("a", 0, true), chunk("b", 1, false)]);
        assert!(plan.is_empty());
        assert_eq!(plan.duplicates, 2);
    }

    #[test]
    fn a_retired_chunk_comes_back_instead_of_being_a_duplicate() {
        let known = HashMap::from([(
            "a".into(),
            Known {
                retired: true,
                ..held("f", 0, true)
            },
        )]);
        let plan = Plan::new(&known, "f", &[chunk("a", 0, true)]);
        assert_eq!(
            (plan.revive.as_slice(), plan.duplicates),
            ([0].as_slice(), 0)
        );
    }

    proptest! {
        /// After the steps, the document holds exactly the new chunks that no other document holds,
        /// and planning again finds nothing to do.
        #[test]
        fn carrying_out_a_plan_reaches_the_wanted_content(
            old in prop::collection::hash_map("[a-h]", (prop::bool::ANY, 0..4_u32, prop::bool::ANY, prop::bool::ANY), 0..8),
            new in prop::collection::vec(("[a-h]", 0..4_u32, prop::bool::ANY), 0..8),
        ) {
            let mut known: HashMap<String, Known> = old
                .into_iter()
                .map(|(hash, (ours, position, embedded, retired))| {
                    let file_name = if ours { "new" } else { "other" }.to_owned();
                    (hash, Known { file_name, position, embedded, retired })
                })
                .collect();
            let chunks: Vec<Chunk> = new.iter().map(|(hash, position, embedded)| chunk(hash, *position, *embedded)).collect();
            let elsewhere: HashSet<String> = known
                .iter()
                .filter(|(_, held)| held.file_name == "other" && !held.retired)
                .map(|(hash, _)| hash.clone())
                .collect();

            let plan = Plan::new(&known, "new", &chunks);
            prop_assert_eq!(plan.add.len() + plan.revive.len() + plan.duplicates as usize, chunks.len());
            for index in plan.add.iter().chain(&plan.revive) {
                let chunk = &chunks[*index];
                known.insert(chunk.hash.clone(), held("new", chunk.position, chunk.embedding.is_some()));
            }
            for index in &plan.embed {
                known.get_mut(&chunks[*index].hash).unwrap().embedded = true;
            }
            for index in &plan.reposition {
                known.get_mut(&chunks[*index].hash).unwrap().position = chunks[*index].position;
            }
            for hash in &plan.remove {
                known.remove(hash);
            }

            let document: HashSet<String> = known
                .iter()
                .filter(|(_, held)| held.file_name == "new" && !held.retired)
                .map(|(hash, _)| hash.clone())
                .collect();
            let wanted: HashSet<String> = chunks
                .iter()
                .map(|chunk| chunk.hash.clone())
                .filter(|hash| !elsewhere.contains(hash))
                .collect();
            prop_assert_eq!(document, wanted);
            prop_assert!(Plan::new(&known, "new", &chunks).is_empty());
        }
    }
}
