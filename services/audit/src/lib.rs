//! What was changed, by whom: a log that is appended to and read, and tells when it was rewritten.
