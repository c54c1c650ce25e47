//! Reading documents that others wrote: a field that is missing, null or of another type is as if it were
//! not there, so that one odd document costs its odd field and not the answer. Knows no collection.

use std::time::SystemTime;

use bson::{Bson, DateTime, RawBsonRef, RawDocument, oid::ObjectId};

use crate::bots::BotId;

/// A bot's id as the database writes it.
pub(super) fn object_id(bot: BotId) -> ObjectId {
    ObjectId::from_bytes(bot.0)
}

/// A time as the database writes it.
pub(super) fn date(time: SystemTime) -> DateTime {
    DateTime::from_system_time(time)
}

/// A text, or null.
pub(super) fn text_or_null(text: Option<&str>) -> Bson {
    text.map_or(Bson::Null, |text| Bson::String(text.to_owned()))
}

/// The lenient reading of one document.
pub(super) trait Fields {
    /// The value of a field.
    fn value(&self, name: &str) -> Option<RawBsonRef<'_>>;

    /// A text.
    fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.as_str().map(str::to_owned)
    }

    /// A text that says something.
    fn filled_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.trim().is_empty())
    }

    /// A number of whatever type.
    fn number(&self, name: &str) -> Option<f64> {
        number(self.value(name)?)
    }

    /// A whole number of whatever type, not negative.
    fn whole(&self, name: &str) -> Option<u64> {
        let number = self.number(name)?;
        // Above 2^53 a double does not tell its neighbours apart; nothing here counts so far.
        (0.0..=9_007_199_254_740_992.0)
            .contains(&number)
            .then_some(number as u64)
    }

    /// A whole number that fits 32 bits.
    fn small(&self, name: &str) -> Option<u32> {
        self.whole(name)
            .and_then(|number| u32::try_from(number).ok())
    }

    /// A date, or a text in the form of one.
    fn time(&self, name: &str) -> Option<SystemTime> {
        let date = match self.value(name)? {
            RawBsonRef::DateTime(date) => date,
            RawBsonRef::String(text) => DateTime::parse_rfc3339_str(text).ok()?,
            _ => return None,
        };
        Some(date.to_system_time())
    }

    /// The texts of a list.
    fn texts(&self, name: &str) -> Vec<String> {
        let Some(list) = self.value(name).and_then(RawBsonRef::as_array) else {
            return Vec::new();
        };
        list.into_iter()
            .filter_map(|item| item.ok()?.as_str().map(str::to_owned))
            .collect()
    }

    /// A vector of numbers; `None` when it is empty or holds anything else.
    fn vector(&self, name: &str) -> Option<Vec<f32>> {
        let list = self.value(name)?.as_array()?;
        let values: Option<Vec<f32>> = list
            .into_iter()
            .map(|item| Some(number(item.ok()?)? as f32))
            .collect();
        values.filter(|values| !values.is_empty())
    }

    /// When the document was made, as its id tells.
    fn made_at(&self) -> Option<SystemTime> {
        Some(
            self.value("_id")?
                .as_object_id()?
                .timestamp()
                .to_system_time(),
        )
    }

    /// The status in lower case; `None` when there is none.
    fn status(&self) -> Option<String> {
        match self.value("status")? {
            RawBsonRef::Null | RawBsonRef::Undefined => None,
            RawBsonRef::String(text) => Some(text.trim().to_lowercase()),
            RawBsonRef::Boolean(on) => Some(if on { "active" } else { "inactive" }.to_owned()),
            _ => Some("of unknown type".to_owned()),
        }
    }
}

impl Fields for RawDocument {
    fn value(&self, name: &str) -> Option<RawBsonRef<'_>> {
        self.get(name).ok().flatten()
    }
}

fn number(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Double(number) => number.is_finite().then_some(number),
        RawBsonRef::Int32(number) => Some(f64::from(number)),
        RawBsonRef::Int64(number) => Some(number as f64),
        RawBsonRef::Decimal128(number) => number
            .to_string()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    fn odd() -> RawDocumentBuf {
        rawdoc! {
            "text": "t", "blank": "  ", "int": 7, "long": 8_i64, "double": 9.0, "minus": -1, "null": null,
            "list": ["a", 1, "b"], "vector": [1, 2.5, 3_i64], "broken": [1.0, "x"], "empty": [],
            "date": DateTime::from_millis(1_500), "date_text": "1970-01-01T00:00:02Z",
        }
    }

    #[test]
    fn numbers_of_every_type_are_read() {
        let odd = odd();
        let read = |name| odd.whole(name);
        assert_eq!(
            [read("int"), read("long"), read("double")],
            [Some(7), Some(8), Some(9)]
        );
        assert_eq!(
            [read("minus"), read("null"), read("text"), read("missing")],
            [None; 4]
        );
    }

    #[test]
    fn a_field_of_another_type_is_as_if_it_were_missing() {
        let odd = odd();
        assert_eq!(
            [odd.text("int"), odd.text("null"), odd.filled_text("blank")],
            [None, None, None]
        );
        assert_eq!(odd.texts("list"), ["a", "b"]);
        assert_eq!(odd.texts("text"), Vec::<String>::new());
        assert_eq!(odd.vector("vector"), Some(vec![1.0, 2.5, 3.0]));
        assert_eq!(
            [
                odd.vector("broken"),
                odd.vector("empty"),
                odd.vector("text")
            ],
            [None, None, None]
        );
        assert!(odd.made_at().is_none());
    }

    #[test]
    fn dates_are_read_from_dates_and_from_text() {
        let odd = odd();
        let millis = |name| odd.time(name).map(|time| date(time).timestamp_millis());
        assert_eq!(
            [millis("date"), millis("date_text"), millis("text")],
            [Some(1_500), Some(2_000), None]
        );
    }
}
