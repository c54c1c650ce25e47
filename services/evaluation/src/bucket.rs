//! Deals identifiers to buckets: always the same one, and those of a lower percentage stay in at a higher
//! one. Must not know what a bucket is for.

use md5::{Digest as _, Md5};

use crate::flag::BucketingMethod;

/// Buckets of the fractional method: percentages in steps of 0.001.
pub const BUCKETS: u32 = 100_000;

/// Buckets of the old backend.
const LEGACY_BUCKETS: u32 = 100;

/// What fits in here is hashed without an allocation.
const STACK: usize = 256;

/// MurmurHash3 (x86, 32 bit, seed 0) of salt and identifier, one after the other, as a text in CBOR: what flagd's
/// `fractional` hashes when its first element is `{"cat": [salt, identifier]}`
/// (<https://flagd.dev/architecture-decisions/fractional-non-string-rand-units/>).
pub fn hash(salt: &str, identifier: &str) -> u32 {
    let (header, header_length) = text_header(salt.len() + identifier.len());
    let parts = [
        &header[..header_length],
        salt.as_bytes(),
        identifier.as_bytes(),
    ];
    let length = parts.iter().map(|part| part.len()).sum();
    let mut stack = [0; STACK];
    let mut heap;
    let bytes = if length <= STACK {
        &mut stack[..length]
    } else {
        heap = vec![0; length];
        &mut heap[..]
    };
    let mut at = 0;
    for part in parts {
        bytes[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    // Reading from memory cannot fail.
    murmur3::murmur3_32(&mut &*bytes, 0).unwrap_or_default()
}

/// What CBOR writes before a text of that many bytes (RFC 8949, major type 3), and how many bytes that is.
fn text_header(length: usize) -> ([u8; 5], usize) {
    /// Major type 3, and the marks of a length in the one, two or four bytes that follow.
    const TEXT: u8 = 3 << 5;
    const ONE: u8 = TEXT | 24;
    const TWO: u8 = TEXT | 25;
    const FOUR: u8 = TEXT | 26;
    // Four gigabytes are in no identifier.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match length {
        0..24 => ([TEXT | d, 0, 0, 0, 0], 1),
        24..0x100 => ([ONE, d, 0, 0, 0], 2),
        0x100..0x1_0000 => ([TWO, c, d, 0, 0], 3),
        _ => ([FOUR, a, b, c, d], 5),
    }
}

/// Scales a hash to `buckets` buckets, by integers alone, as flagd's `fractional` does
/// (<https://flagd.dev/reference/specifications/custom-operations/fractional-operation-spec/>).
pub fn scale(hash: u32, buckets: u32) -> u32 {
    ((u64::from(hash) * u64::from(buckets)) >> 32) as u32
}

/// The old backend's bucket, 0 to 99: the first 8 hex digits of md5(identifier), modulo 100.
pub fn legacy(identifier: &str) -> u32 {
    let digest: [u8; 16] = Md5::digest(identifier.as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    u32::from_be_bytes([a, b, c, d]) % LEGACY_BUCKETS
}

/// Where an identifier falls, from 0 to below [`BUCKETS`], by either method.
pub fn bucket(method: BucketingMethod, salt: &str, identifier: &str) -> u32 {
    match method {
        BucketingMethod::Fractional => scale(hash(salt, identifier), BUCKETS),
        BucketingMethod::LegacyMd5 => legacy(identifier) * (BUCKETS / LEGACY_BUCKETS),
    }
}

/// How many buckets a percentage lets in.
pub fn threshold(percentage: f64) -> u32 {
    // A value out of range saturates, and NaN lets nobody in.
    (percentage * f64::from(BUCKETS / 100)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures that the clients' contract names.
    #[test]
    fn the_old_bucket_is_the_old_backends() {
        assert_eq!(legacy("user-1"), 19);
        assert_eq!(legacy("abc"), 72);
        assert_eq!(legacy("11111111-1111-4111-8111-111111111111"), 55);
    }

    /// As the public Python packages cbor2 and mmh3 give them; lengths on both sides of CBOR's steps.
    #[test]
    fn the_hash_is_murmur3_of_a_cbor_text() {
        assert_eq!(hash("", ""), 0x276e_becf);
        assert_eq!(hash("te", "st"), 0xe5b3_6fb7);
        assert_eq!(hash("Hello, ", "world!"), 0x566d_115a);
        assert_eq!(hash("", &"x".repeat(23)), 0x166e_c87a);
        assert_eq!(hash("", &"x".repeat(24)), 0x173f_9469);
        assert_eq!(hash("", &"x".repeat(300)), 0x18d6_d71c);
    }

    #[test]
    fn a_long_identifier_is_hashed_as_a_short_one() {
        let long = "x".repeat(3 * STACK);
        let (a, b) = long.split_at(100);
        assert_eq!(hash(a, b), hash("", &long));
    }

    #[test]
    fn thresholds_are_steps_of_a_thousandth() {
        assert_eq!(threshold(0.0), 0);
        assert_eq!(threshold(0.001), 1);
        assert_eq!(threshold(12.345), 12_345);
        assert_eq!(threshold(100.0), BUCKETS);
        assert_eq!(threshold(f64::NAN), 0);
        assert_eq!(threshold(-1.0), 0);
    }
}
