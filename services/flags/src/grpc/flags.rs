//! `troika.flags.v1.Flags` on the wire.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use futures::{Stream, StreamExt as _};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status};
use troika_chassis::error::{Error, Violation};
use troika_evaluation::{
    context::Context as _,
    evaluate::Evaluation,
    flag::Flag,
    wire::{self as conversion, to_wire_value},
};
use troika_identity::Caller;
use troika_proto::flags::v1::{self as wire, flags_server::Flags};

use super::{Watchers, limit};
use crate::{
    author::{checked, invalid},
    book::{Book, flag_not_found},
    flags,
    log::Entry,
};

/// Largest context, in attributes.
const MOST_ATTRIBUTES: usize = 200;

/// The service.
pub(crate) struct FlagsService {
    pub(crate) book: Arc<Book>,
    pub(crate) watchers: Watchers,
    /// Following the log and judging rollouts: they live as long as the service.
    pub(crate) _tasks: Arc<[AbortOnDropHandle<()>; 2]>,
}

#[tonic::async_trait]
impl Flags for FlagsService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::Snapshot, Status>> + Send>>;

    async fn list_flags(
        &self,
        _: Request<wire::ListFlagsRequest>,
    ) -> Result<Response<wire::ListFlagsResponse>, Status> {
        let wire::Snapshot { revision, flags } = flags::snapshot(&self.book.now()?);
        Ok(Response::new(wire::ListFlagsResponse { flags, revision }))
    }

    async fn get_flag(
        &self,
        request: Request<wire::GetFlagRequest>,
    ) -> Result<Response<wire::GetFlagResponse>, Status> {
        let flag = flags::found(&*self.book.now()?, &request.into_inner().key)?;
        Ok(Response::new(wire::GetFlagResponse {
            flag: Some((&flag).into()),
        }))
    }

    async fn create_flag(
        &self,
        request: Request<wire::CreateFlagRequest>,
    ) -> Result<Response<wire::CreateFlagResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let flag = flags::create(&self.book, read(sent.flag)?, author).await?;
        Ok(Response::new(wire::CreateFlagResponse {
            flag: Some((&flag).into()),
        }))
    }

    async fn update_flag(
        &self,
        request: Request<wire::UpdateFlagRequest>,
    ) -> Result<Response<wire::UpdateFlagResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let flag = read(sent.flag)?;
        let flag = flags::update(&self.book, flag, sent.expected_revision, author).await?;
        Ok(Response::new(wire::UpdateFlagResponse {
            flag: Some((&flag).into()),
        }))
    }

    async fn delete_flag(
        &self,
        request: Request<wire::DeleteFlagRequest>,
    ) -> Result<Response<wire::DeleteFlagResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        flags::delete(&self.book, &sent.key, sent.expected_revision, author).await?;
        Ok(Response::new(wire::DeleteFlagResponse {}))
    }

    async fn switch_flag(
        &self,
        request: Request<wire::SwitchFlagRequest>,
    ) -> Result<Response<wire::SwitchFlagResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let stored = self.book.switch(&sent.key, sent.enabled, author).await?;
        let flag = flags::found(&*self.book.now()?, &sent.key)?;
        Ok(Response::new(wire::SwitchFlagResponse {
            flag: Some((&flag).into()),
            stored,
        }))
    }

    async fn set_percentage(
        &self,
        request: Request<wire::SetPercentageRequest>,
    ) -> Result<Response<wire::SetPercentageResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let flag = flags::set_percentage(&self.book, &sent.key, sent.percentage, author).await?;
        Ok(Response::new(wire::SetPercentageResponse {
            flag: Some((&flag).into()),
        }))
    }

    async fn list_changes(
        &self,
        request: Request<wire::ListChangesRequest>,
    ) -> Result<Response<wire::ListChangesResponse>, Status> {
        let sent = request.into_inner();
        let key = Some(sent.key.as_str()).filter(|key| !key.is_empty());
        let before = sent.before_revision.unwrap_or(u64::MAX);
        let found = flags::changes(&self.book, key, before, limit(sent.limit)?).await?;
        Ok(Response::new(wire::ListChangesResponse {
            changes: found.into_iter().filter_map(change).collect(),
        }))
    }

    async fn restore_flag(
        &self,
        request: Request<wire::RestoreFlagRequest>,
    ) -> Result<Response<wire::RestoreFlagResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let (revision, expected) = (sent.revision, sent.expected_revision);
        let flag = flags::restore(&self.book, &sent.key, revision, expected, author).await?;
        Ok(Response::new(wire::RestoreFlagResponse {
            flag: Some((&flag).into()),
        }))
    }

    async fn evaluate(
        &self,
        request: Request<wire::EvaluateRequest>,
    ) -> Result<Response<wire::EvaluateResponse>, Status> {
        let sent = request.into_inner();
        let (state, context) = (self.book.now()?, context(sent.context)?);
        let evaluation = state
            .snapshot()
            .evaluate(&sent.key, &context)
            .ok_or_else(|| flag_not_found(&sent.key))?;
        Ok(Response::new(wire::EvaluateResponse {
            evaluation: Some(said(&evaluation)),
        }))
    }

    async fn evaluate_all(
        &self,
        request: Request<wire::EvaluateAllRequest>,
    ) -> Result<Response<wire::EvaluateAllResponse>, Status> {
        let context = context(request.into_inner().context)?;
        let state = self.book.now()?;
        let evaluations = state
            .flags
            .keys()
            .filter_map(|key| state.snapshot().evaluate(key, &context))
            .map(|evaluation| said(&evaluation))
            .collect();
        Ok(Response::new(wire::EvaluateAllResponse {
            evaluations,
            revision: state.revision,
        }))
    }

    async fn explain(
        &self,
        request: Request<wire::ExplainRequest>,
    ) -> Result<Response<wire::ExplainResponse>, Status> {
        let sent = request.into_inner();
        let (state, context) = (self.book.now()?, context(sent.context)?);
        let explained = state
            .snapshot()
            .explain(&sent.key, &context, SystemTime::now())
            .ok_or_else(|| flag_not_found(&sent.key))?;
        let steps = explained.steps.iter().map(|finding| wire::Step {
            name: finding.step.name().to_owned(),
            decided: finding.decided,
            finding: finding.found.clone(),
        });
        Ok(Response::new(wire::ExplainResponse {
            evaluation: Some(said(&explained.evaluation)),
            steps: steps.collect(),
            identifier_from: explained.identifier_from.unwrap_or_default().to_owned(),
            bucket: explained.bucket,
        }))
    }

    async fn watch(
        &self,
        _: Request<wire::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let states = self.watchers.states(&self.book)?;
        Ok(Response::new(Box::pin(
            states.map(|state| Ok(flags::snapshot(&state))),
        )))
    }
}

fn read(sent: Option<wire::Flag>) -> Result<Flag, Error> {
    let missing = || {
        invalid(vec![Violation {
            field: "flag".to_owned(),
            kind: "any.required".to_owned(),
            message: "flag is required".to_owned(),
        }])
    };
    conversion::flag(sent.ok_or_else(missing)?).map_err(invalid)
}

/// Who asks, within bounds.
pub(crate) fn context(sent: Option<prost_types::Struct>) -> Result<prost_types::Struct, Error> {
    let context = sent.unwrap_or_default();
    if context.fields.len() > MOST_ATTRIBUTES {
        return Err(invalid(vec![Violation {
            field: "context".to_owned(),
            kind: "object.max".to_owned(),
            message: format!("context must have at most {MOST_ATTRIBUTES} attributes"),
        }]));
    }
    // An identifier that is there and unusable must not pass for another one.
    for name in troika_evaluation::context::IDENTIFIERS {
        use troika_evaluation::context::Attribute;
        if matches!(context.attribute(name), Some(attribute) if !matches!(attribute, Attribute::Text(_)))
        {
            return Err(invalid(vec![Violation {
                field: format!("context.{name}"),
                kind: "string.base".to_owned(),
                message: format!("context.{name} must be a text"),
            }]));
        }
    }
    Ok(context)
}

fn said(evaluation: &Evaluation<'_>) -> wire::Evaluation {
    wire::Evaluation {
        key: evaluation.flag.key.clone(),
        value: Some(to_wire_value(evaluation.value())),
        variant: evaluation.variant.name.clone(),
        reason: evaluation.reason().name().to_owned(),
        decided_by: evaluation.decided_by.name().to_owned(),
        revision: evaluation.flag.revision,
    }
}

fn change(entry: Entry) -> Option<wire::Change> {
    let flag = entry.flag?;
    Some(wire::Change {
        revision: entry.revision,
        at: Some(entry.at.into()),
        author: Some(wire::Author {
            name: entry.author.name,
            reason: entry.author.reason,
        }),
        key: flag.key,
        before: flag.before.as_ref().map(Into::into),
        after: flag.after.as_ref().map(Into::into),
        rollout_id: entry.rollout.map(|rollout| rollout.id).unwrap_or_default(),
    })
}
