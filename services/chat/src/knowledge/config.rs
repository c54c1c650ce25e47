//! The bounds of the knowledge room: how documents are cut, searched, cached and imported. Knows
//! neither engines nor the wire.

use std::{path::PathBuf, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use troika_chassis::config::{Problems, Validate};

/// How documents are cut, searched, cached and imported.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Candidates that each search (words, vectors) offers.
    pub nearest: usize,
    /// Passages kept of both searches together.
    pub kept: usize,
    /// Passages that the prompt takes of those.
    pub in_prompt: usize,
    /// Words of one chunk.
    pub chunk_words: usize,
    /// Words that a chunk repeats of the one before.
    pub overlap_words: usize,
    /// How long the passages found for a question are kept.
    #[serde(with = "humantime_serde")]
    pub cache_lifetime: Duration,
    /// Memory that the search indexes of all bots may take together.
    pub index_cache: ByteSize,
    /// The largest document, as uploaded and as text.
    pub max_document: ByteSize,
    /// The longest time that reading the text out of one document may take.
    #[serde(with = "humantime_serde")]
    pub extraction_limit: Duration,
    /// The most memory that reading the text out of one document may take.
    pub extraction_memory: ByteSize,
    /// The program that reads documents in a process of its own. Not of this section: the process hands on itself.
    /// Without it, documents are read in this process.
    #[serde(skip)]
    pub reader: Option<PathBuf>,
    /// The longest silence of a sender during an upload.
    #[serde(with = "humantime_serde")]
    pub upload_silence: Duration,
    /// Imports that run at the same time.
    pub concurrent_imports: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            nearest: 16,
            kept: 8,
            in_prompt: 5,
            chunk_words: 300,
            overlap_words: 50,
            cache_lifetime: Duration::from_secs(600),
            index_cache: ByteSize::mib(256),
            max_document: ByteSize::mib(32),
            extraction_limit: Duration::from_secs(60),
            extraction_memory: ByteSize::mib(512),
            reader: None,
            upload_silence: Duration::from_secs(30),
            concurrent_imports: 4,
        }
    }
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        let counts = [
            ("nearest", self.nearest),
            ("kept", self.kept),
            ("in_prompt", self.in_prompt),
            ("chunk_words", self.chunk_words),
            ("concurrent_imports", self.concurrent_imports),
        ];
        for (key, count) in counts {
            if count == 0 {
                problems.push(key, "must be at least 1");
            }
        }
        if self.in_prompt > self.kept {
            problems.push("in_prompt", "must not exceed kept");
        }
        if self.overlap_words > self.chunk_words / 2 {
            problems.push("overlap_words", "must not exceed half of chunk_words");
        }
        let durations = [
            ("cache_lifetime", self.cache_lifetime),
            ("extraction_limit", self.extraction_limit),
            ("upload_silence", self.upload_silence),
        ];
        for (key, duration) in durations {
            if duration.is_zero() {
                problems.push(key, "must be longer than 0s");
            }
        }
        for (key, size) in [
            ("index_cache", self.index_cache),
            ("max_document", self.max_document),
        ] {
            if size.as_u64() == 0 {
                problems.push(key, "must be larger than 0 B");
            }
        }
        // Less would not even hold the document, what it unpacks to and its text.
        if self.extraction_memory.as_u64() < self.max_document.as_u64().saturating_mul(4) {
            problems.push(
                "extraction_memory",
                "must be at least four times max_document",
            );
        }
    }
}
