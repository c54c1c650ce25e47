//! The accounts of those who run the system: passwords as Argon2id, limits on tries.
