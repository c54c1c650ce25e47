//! Text as it is written, cut into sentences and made speakable. Pure logic: no I/O, no clock. It must
//! not know who writes the text or who speaks it.
//!
//! ```
//! use troika_sentences::Segmenter;
//!
//! let mut segmenter = Segmenter::new("en-IN");
//! let mut spoken = Vec::new();
//! for token in ["It costs ", "₹1,234", ".50", ". **Ask", "** Dr. Rao", "!"] {
//!     spoken.extend(segmenter.push(token).iter().map(|sentence| sentence.spoken().to_owned()));
//! }
//! spoken.extend(segmenter.finish().iter().map(|sentence| sentence.spoken().to_owned()));
//! assert_eq!(spoken, ["It costs ₹1,234.50.", "Ask Dr. Rao!"]);
//! ```

mod abbreviations;
mod boundary;
mod cut;
pub mod language;
mod segmenter;
mod speakable;

pub use cut::split_to_bytes;
pub use segmenter::{Segmenter, Sentence, sentences};
pub use speakable::speakable;
