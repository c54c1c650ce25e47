//! Numbers as clients in JavaScript write them: whole ones without a fraction. It must not know what is counted.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Whole numbers up to here are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number that is written `25`, and not `25.0`. What is no number is null.
#[derive(Clone, Copy, Debug, PartialEq, ToSchema)]
#[schema(value_type = f64)]
pub(crate) struct Plain(pub(crate) f64);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(number) = *self;
        if number.fract() == 0.0 && number.abs() <= EXACT {
            return serializer.serialize_i64(number as i64);
        }
        serializer.serialize_f64(number)
    }
}

/// Writes a field as [`Plain`].
pub(crate) fn plain<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    Plain(*number).serialize(serializer)
}

/// Writes a field as [`Plain`], or null when it is absent.
pub(crate) fn optional<S: Serializer>(
    number: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    number.map(Plain).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_no_fraction_and_others_keep_theirs() {
        for (number, json) in [
            (25.0, "25"),
            (0.0, "0"),
            (-1.0, "-1"),
            (0.001, "0.001"),
            (12.5, "12.5"),
            (1e300, "1e+300"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(serde_json::to_string(&Plain(number)).unwrap(), json);
        }
    }
}
