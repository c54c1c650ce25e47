//! The query of an address: named texts and numbers, with errors that say what to change. It must not know which
//! queries there are.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use url::form_urlencoded;

use crate::{body::wrong, problem::Problem};

/// What follows the question mark. What nobody asks for is ignored.
pub(crate) struct Query(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn read(text: &str) -> Self {
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The text of that name; an empty one counts as none.
    ///
    /// # Errors
    /// When it is given twice.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut given = self
            .0
            .iter()
            .filter(|(given, _)| given == name)
            .map(|(_, text)| text.as_str());
        let first = given.next();
        if given.next().is_some() {
            return Err(wrong(
                name,
                "any.unique",
                format!("{name} must be given at most once"),
            ));
        }
        Ok(first.filter(|text| !text.is_empty()))
    }

    /// The whole number of that name.
    ///
    /// # Errors
    /// When it is none, or given twice.
    pub(crate) fn number<N: TryFrom<u64>>(&self, name: &str) -> Result<Option<N>, Problem> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse()
            .ok()
            .and_then(|number: u64| N::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| {
                wrong(
                    name,
                    "number.integer",
                    format!("{name} must be a whole number that is not negative"),
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_found_by_name() {
        let query = Query::read("reason=too%20slow+now&limit=50&empty=&other");
        assert_eq!(query.text("reason").unwrap(), Some("too slow now"));
        assert_eq!(query.number("limit").unwrap(), Some(50_u32));
        assert_eq!(query.text("empty").unwrap(), None);
        assert_eq!(query.number::<u32>("empty").unwrap(), None);
        assert_eq!(query.text("absent").unwrap(), None);
    }

    #[test]
    fn what_is_no_number_and_what_is_given_twice_is_told_by_its_name() {
        for text in [
            "limit=-1",
            "limit=x",
            "limit=1.5",
            "limit=4294967296",
            "limit=NaN",
            "limit=1&limit=2",
        ] {
            let problem = Query::read(text)
                .number::<u32>("limit")
                .unwrap_err()
                .as_json();
            assert_eq!(problem["status"], 400, "{text}");
            assert_eq!(problem["details"][0]["field"], "limit", "{text}");
        }
    }
}
