//! The search index of one bot, in memory: BM25 over words and exact cosine over embeddings, fused by
//! reciprocal rank. Pure; knows neither stores nor endpoints.
//!
//! What counts as a match by words: a passage that shares at least one *content word* with the query,
//! that is a word that is no stop word (`terms.rs`). A query of stop words alone matches nothing by
//! words. By vectors, a passage counts whose cosine with the query is above 0.

use std::{collections::HashMap, sync::Arc};

use bm25::{Embedding as Weights, Scorer};

use super::Chunk;

mod terms;
mod vectors;

pub(crate) use terms::content_words;
use terms::{Language, Terms};
use vectors::Vectors;

/// Damps the first ranks in reciprocal rank fusion; the value of the method's authors.
const RANK_DAMPING: f32 = 60.0;

/// Content words of a query that count; the rest of a very long one hardly changes the order.
const QUERY_WORDS: usize = 64;

/// What one term costs in the scorer: an entry of the passage and one of the inverted index.
const TERM_BYTES: usize = 40;

/// A passage as indexed.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The text.
    pub content: Arc<str>,
    /// The document it came from.
    pub file_name: Arc<str>,
}

/// A passage that a search found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit<'a> {
    /// The passage.
    pub entry: &'a Entry,
    /// Its reciprocal ranks summed: comparable within one search only.
    pub score: f32,
}

/// A bot's chunks, ready to be searched.
pub struct Index {
    entries: Vec<Entry>,
    words: bm25::Embedder<u64, Terms>,
    scorer: Scorer<u32, u64>,
    vectors: Vectors,
    bytes: usize,
}

impl Index {
    /// Indexes chunks. Embeddings count when `model` made them: those of different models do not
    /// compare. Takes CPU time in proportion to the text.
    pub fn build(chunks: Vec<Chunk>, model: Option<&str>) -> Self {
        let vectors = Vectors::new(chunks.iter().map(|chunk| {
            let embedding = chunk.embedding.as_ref()?;
            (Some(embedding.model.as_str()) == model).then_some(&*embedding.vector)
        }));
        let terms = Terms::new(
            chunks
                .iter()
                .filter_map(|chunk| Language::of_tag(&chunk.language)),
        );
        let contents: Vec<&str> = chunks.iter().map(|chunk| chunk.content.as_str()).collect();
        let words =
            bm25::EmbedderBuilder::with_tokenizer_and_fit_to_corpus(terms, &contents).build();
        let mut scorer = Scorer::new();
        let mut bytes = vectors.bytes();
        for (id, content) in contents.iter().enumerate() {
            let weights = distinct(words.embed(content));
            bytes += content.len() + weights.len() * TERM_BYTES;
            scorer.upsert(&(id as u32), weights);
        }
        let mut names: HashMap<String, Arc<str>> = HashMap::new();
        let entries: Vec<Entry> = chunks
            .into_iter()
            .map(|chunk| Entry {
                content: chunk.content.into(),
                file_name: names
                    .entry(chunk.file_name)
                    .or_insert_with_key(|name| name.as_str().into())
                    .clone(),
            })
            .collect();
        // An empty index takes room too: there is one for every bot that somebody asks for.
        bytes += entries.len() * size_of::<Entry>() + size_of::<Self>();
        Self {
            entries,
            words,
            scorer,
            vectors,
            bytes,
        }
    }

    /// Whether it has vectors, so that an embedded query is of use.
    pub fn has_vectors(&self) -> bool {
        !self.vectors.is_empty()
    }

    /// The memory it takes, about.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The best `kept` passages out of the `nearest` by words and the `nearest` by vector, best first.
    /// Equals keep the order of the chunks.
    pub fn search(
        &self,
        query: &str,
        vector: Option<&[f32]>,
        nearest: usize,
        kept: usize,
    ) -> Vec<Hit<'_>> {
        let by_words = self.by_words(query, nearest);
        let by_vector = vector
            .map(|vector| self.vectors.nearest(vector, nearest))
            .unwrap_or_default();
        let mut scores: HashMap<u32, f32> = HashMap::new();
        for ranking in [by_words, by_vector] {
            for (rank, id) in ranking.into_iter().enumerate() {
                *scores.entry(id).or_default() += 1.0 / (RANK_DAMPING + rank as f32 + 1.0);
            }
        }
        let mut fused: Vec<(u32, f32)> = scores.into_iter().collect();
        fused.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        fused
            .into_iter()
            .take(kept)
            .filter_map(|(id, score)| {
                Some(Hit {
                    entry: self.entries.get(id as usize)?,
                    score,
                })
            })
            .collect()
    }

    fn by_words(&self, query: &str, nearest: usize) -> Vec<u32> {
        let mut weights = distinct(self.words.embed(query));
        weights.0.truncate(QUERY_WORDS);
        // The scorer returns passages that share a term, in no certain order among equals.
        let mut matches = self.scorer.matches(&weights);
        matches.retain(|found| found.score > 0.0);
        matches.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        matches
            .into_iter()
            .take(nearest)
            .map(|found| found.id)
            .collect()
    }
}

/// Each term once, in the order of first mention: the crate repeats a term's weight at each of its
/// places, which costs memory in a passage and counts a query's term twice.
fn distinct(weights: Weights<u64>) -> Weights<u64> {
    let mut seen = std::collections::HashSet::with_capacity(weights.len());
    Weights(
        weights
            .0
            .into_iter()
            .filter(|term| seen.insert(term.index))
            .collect(),
    )
}

#[cfg(test)]
mod tests;
