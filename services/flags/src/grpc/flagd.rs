//! flagd's protocols over the same flags, so that any OpenFeature SDK with a flagd provider works unchanged.

mod changed;
mod evaluation_v1;
mod evaluation_v2;
mod sync;

pub(crate) use evaluation_v1::EvaluationV1;
pub(crate) use evaluation_v2::EvaluationV2;
pub(crate) use sync::Sync;

use prost_types::{Struct, value::Kind};
use serde_json::Value;
use tonic::Status;
use troika_evaluation::wire::{to_wire_struct, to_wire_value};

use super::flags::context;
use crate::book::Book;

/// What a flag said, in flagd's terms.
struct Resolved {
    reason: String,
    variant: String,
    metadata: Option<Struct>,
}

/// Asks a flag. As flagd does: NOT_FOUND for one that is not there, and INVALID_ARGUMENT for one of another type.
fn resolve<T>(
    book: &Book,
    key: &str,
    asked: Option<Struct>,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<(T, Resolved), Status> {
    let (state, context) = (book.now()?, context(asked)?);
    let evaluation = state
        .snapshot()
        .evaluate(key, &context)
        .ok_or_else(|| Status::not_found("FLAG_NOT_FOUND"))?;
    let value =
        read(evaluation.value()).ok_or_else(|| Status::invalid_argument("TYPE_MISMATCH"))?;
    let resolved = Resolved {
        reason: evaluation.reason().name().to_owned(),
        variant: evaluation.variant.name.clone(),
        metadata: metadata(evaluation.flag.revision),
    };
    Ok((value, resolved))
}

fn metadata(revision: u64) -> Option<Struct> {
    let value = to_wire_value(&Value::from(revision));
    Some(Struct {
        fields: [("revision".to_owned(), value)].into(),
    })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// A number without a fraction.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
    })
}

fn object(value: &Value) -> Option<Struct> {
    match to_wire_value(value).kind? {
        Kind::StructValue(fields) => Some(fields),
        _ => None,
    }
}

/// A JSON object as Protobuf's own; empty for anything else.
fn structured(value: &Value) -> Struct {
    value.as_object().map(to_wire_struct).unwrap_or_default()
}
