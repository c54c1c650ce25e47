//! The parts of an upload: the header first, then pieces of the document.

use std::{error::Error as StdError, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use tokio::time::timeout;
use tonic::Status;
use troika_chassis::error::{Code, Error};
use troika_proto::chat::v1::{
    ImportHeader, ImportKnowledgeRequest, import_knowledge_request::Part,
};

use super::{failures::import_failure, faults::Faults};
use crate::knowledge::importer::ImportError;

/// The largest piece.
const LARGEST_PIECE: usize = 1 << 20;

/// The header: the first part, waited for no longer than `silence`.
pub(super) async fn header<S>(parts: &mut S, silence: Duration) -> Result<ImportHeader, Error>
where
    S: Stream<Item = Result<ImportKnowledgeRequest, Status>> + Unpin,
{
    let first = timeout(silence, parts.next())
        .await
        .map_err(|_| import_failure(ImportError::Stalled(silence)))?;
    let first = first
        .transpose()
        .map_err(|status| import_failure(ImportError::Upload(Box::new(status))))?;
    match first.and_then(|first| first.part) {
        Some(Part::Header(header)) => Ok(header),
        Some(Part::Data(_)) | None => Err(fault(
            "header",
            "any.required",
            "must be the first part of the upload",
        )),
    }
}

/// The pieces of the document, to the end or the first fault.
pub(super) fn pieces<S>(
    parts: S,
) -> impl Stream<Item = Result<Bytes, Box<dyn StdError + Send + Sync>>> + Send
where
    S: Stream<Item = Result<ImportKnowledgeRequest, Status>> + Send,
{
    // Parts that say nothing would keep the upload awake without end.
    parts
        .map(|part| match part?.part {
            Some(Part::Data(data)) if data.is_empty() => {
                Err(fault("data", "binary.min", "must not be empty").into())
            }
            Some(Part::Data(data)) if data.len() > LARGEST_PIECE => Err(fault(
                "data",
                "binary.max",
                "must be at most 1 MiB; send the document in smaller pieces",
            )
            .into()),
            Some(Part::Data(data)) => Ok(data),
            Some(Part::Header(_)) => Err(fault("header", "any.unknown", "must come once").into()),
            None => Err(fault(
                "data",
                "any.required",
                "is required in every part after the header",
            )
            .into()),
        })
        .scan(false, |ended, piece| {
            let after_end = *ended;
            *ended = piece.is_err();
            std::future::ready((!after_end).then_some(piece))
        })
}

fn fault(field: &str, kind: &str, message: &str) -> Error {
    let mut faults = Faults::default();
    faults.push(field, kind, message);
    faults
        .none()
        .err()
        .unwrap_or_else(|| Error::of(Code::InvalidArgument))
}
