//! How many different sessions there were, without keeping them. Pure.

use std::fmt;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

/// 2^12 registers: within 1.6 % in two of three cases (HyperLogLog's error is 1.04 / √registers), and exact for
/// small numbers.
const LG_REGISTERS: u8 = 12;

/// A set of sessions of which only its size can be told. Empty ones take no room.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Option<HllSketch>);

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sessions({})", self.count())
    }
}

impl Sessions {
    pub(crate) fn add(&mut self, session: &str) {
        if self.0.is_none() {
            self.0 = HllSketch::new(LG_REGISTERS, HllType::Hll8).ok();
        }
        if let Some(sketch) = &mut self.0 {
            sketch.update(session);
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0
            .as_ref()
            .map_or(0, |sketch| sketch.estimate().round() as u64)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All sessions of some sets.
    pub(crate) fn of<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sketches = sets.into_iter().filter_map(|set| set.0.as_ref());
        let Some(first) = sketches.next() else {
            return Self(None);
        };
        let Some(second) = sketches.next() else {
            return Self(Some(first.clone()));
        };
        let Ok(mut union) = HllUnion::new(LG_REGISTERS) else {
            return Self(None);
        };
        for sketch in [first, second].into_iter().chain(sketches) {
            union.update(sketch);
        }
        Self(Some(union.to_sketch(HllType::Hll8)))
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if !other.is_empty() {
            *self = Self::of([&*self, other]);
        }
    }
}

impl Serialize for Sessions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(sketch) => serializer.serialize_bytes(&sketch.serialize()),
            None => Err(S::Error::custom("empty sets are left out")),
        }
    }
}

impl<'de> Deserialize<'de> for Sessions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl serde::de::Visitor<'_> for Bytes {
            type Value = Sessions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sketch")
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Sessions, E> {
                let sketch = HllSketch::deserialize(bytes).map_err(E::custom)?;
                Ok(Sessions(Some(sketch)))
            }

            fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Sessions, E> {
                self.visit_bytes(&bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sessions: std::ops::Range<u32>) -> Sessions {
        let mut set = Sessions::default();
        sessions.for_each(|session| set.add(&format!("session {session}")));
        set
    }

    #[test]
    fn few_are_counted_exactly_and_many_within_two_hundredths() {
        assert_eq!(Sessions::default().count(), 0);
        assert_eq!(of(0..1).count(), 1);
        assert_eq!(of(0..50).count(), 50);
        let many = of(0..100_000).count() as f64;
        assert!((many / 100_000.0 - 1.0).abs() < 0.02, "{many}");
    }

    #[test]
    fn who_is_in_several_sets_counts_once() {
        let mut all = of(0..60);
        all.merge(&of(40..100));
        all.merge(&Sessions::default());
        assert_eq!(all.count(), 100);
        let many = Sessions::of([&of(0..30_000), &of(20_000..50_000), &of(0..10)]).count() as f64;
        assert!((many / 50_000.0 - 1.0).abs() < 0.03, "{many}");
    }

    #[test]
    fn a_set_is_read_back_as_it_was_stored() {
        for set in [of(0..3), of(0..10_000)] {
            let mut bytes = Vec::new();
            ciborium::into_writer(&set, &mut bytes).unwrap();
            let read: Sessions = ciborium::from_reader(bytes.as_slice()).unwrap();
            assert_eq!(read.count(), set.count());
        }
    }
}
