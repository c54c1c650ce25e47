//! Files in URLs of their own (RFC 2397). It must not know what is in them.

use std::fmt;

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Serialize, Serializer};

/// A file as `data:audio/mpeg;base64,…`. It is written straight into what it becomes part of: files may
/// hold many megabytes.
pub(crate) struct DataUrl {
    /// The file's media type.
    pub(crate) content_type: String,
    /// The file.
    pub(crate) bytes: Bytes,
}

impl fmt::Display for DataUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base64 = Base64Display::new(&self.bytes, &STANDARD);
        write!(formatter, "data:{};base64,{base64}", self.content_type)
    }
}

impl Serialize for DataUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Its type and its length; what somebody says is personal.
impl fmt::Debug for DataUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "DataUrl({}, {} bytes)",
            self.content_type,
            self.bytes.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_type_and_its_base64() {
        let url = DataUrl {
            content_type: "audio/mpeg".to_owned(),
            bytes: Bytes::from_static(b"sound"),
        };
        assert_eq!(url.to_string(), "data:audio/mpeg;base64,c291bmQ=");
        assert_eq!(
            serde_json::to_string(&url).unwrap(),
            r#""data:audio/mpeg;base64,c291bmQ=""#
        );
        assert_eq!(format!("{url:?}"), "DataUrl(audio/mpeg, 5 bytes)");
    }
}
