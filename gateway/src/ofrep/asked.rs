//! A question of OFREP: the context of who asks, with errors in the protocol's words. It must not know the flags.

use axum::extract::{FromRequest, Request};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};
use troika_evaluation::context::IDENTIFIERS;

use super::{
    Ofrep,
    answer::{ErrorCode, Refused},
};
use crate::{body::Json, problem::Problem};

/// Who asks. It may hold anything that JSON can say: only attributes that rules name are ever looked at.
pub(crate) struct Asked(pub(super) Map<String, Value>);

#[derive(Deserialize)]
struct Body {
    context: Map<String, Value>,
}

impl FromRequest<Ofrep> for Asked {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &Ofrep) -> Result<Self, Refused> {
        let Json(Body { context }) = Json::from_request(request, state).await.map_err(refused)?;
        check(&context)?;
        Ok(Self(context))
    }
}

/// A problem in the protocol's words.
fn refused(problem: Problem) -> Refused {
    let code = match (problem.code(), problem.field()) {
        ("malformed_json", _) => ErrorCode::ParseError,
        ("invalid_argument", Some(field)) if field.starts_with("context") => {
            ErrorCode::InvalidContext
        }
        ("too_many_values", _) => ErrorCode::InvalidContext,
        ("invalid_argument", _) => ErrorCode::ParseError,
        _ => ErrorCode::General,
    };
    Refused::new(problem.status(), code, problem.message())
}

/// An identifier that is there and unusable must not pass for the next one.
fn check(context: &Map<String, Value>) -> Result<(), Refused> {
    for name in IDENTIFIERS {
        match context.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) if text.is_empty() => {}
            Some(Value::String(_)) => break,
            Some(_) => {
                return Err(Refused::new(
                    StatusCode::BAD_REQUEST,
                    ErrorCode::InvalidContext,
                    format!("context.{name} must be a string"),
                ));
            }
        }
    }
    Ok(())
}
