//! `troika.flags.v1.Rollouts` on the wire.

mod conversion;

use std::{pin::Pin, sync::Arc};

use async_stream::stream;
use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use troika_chassis::error::Error;
use troika_identity::Caller;
use troika_proto::flags::v1::{self as wire, rollouts_server::Rollouts};

use super::{Watchers, limit};
use crate::{
    author::{checked, invalid},
    book::{Book, unavailable},
    controller::{Controller, Newest},
    rollouts::{self, Start},
    state::RolloutAt,
};

/// The service.
pub(crate) struct RolloutsService {
    pub(crate) book: Arc<Book>,
    pub(crate) controller: Arc<Controller>,
    pub(crate) watchers: Watchers,
}

impl RolloutsService {
    /// A rollout with the newest decision about it.
    fn shown(&self, at: &RolloutAt) -> wire::Rollout {
        shown(at, &self.controller.newest().borrow())
    }
}

fn shown(at: &RolloutAt, newest: &Newest) -> wire::Rollout {
    conversion::rollout(at, newest.get(&at.rollout.id))
}

#[tonic::async_trait]
impl Rollouts for RolloutsService {
    type WatchRolloutStream =
        Pin<Box<dyn Stream<Item = Result<wire::WatchRolloutResponse, Status>> + Send>>;

    async fn start_rollout(
        &self,
        request: Request<wire::StartRolloutRequest>,
    ) -> Result<Response<wire::StartRolloutResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let start = Start {
            flag: sent.flag,
            candidate: sent.candidate.trim().to_owned(),
            plan: conversion::plan(sent.plan).map_err(invalid)?,
            override_rejection: sent.override_rejection,
        };
        let at = rollouts::start(&self.book, start, author).await?;
        Ok(Response::new(wire::StartRolloutResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn pause_rollout(
        &self,
        request: Request<wire::PauseRolloutRequest>,
    ) -> Result<Response<wire::PauseRolloutResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let at = rollouts::change(&self.book, &sent.id, author, |rollout, now| {
            rollout.pause(now)
        })
        .await?;
        Ok(Response::new(wire::PauseRolloutResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn resume_rollout(
        &self,
        request: Request<wire::ResumeRolloutRequest>,
    ) -> Result<Response<wire::ResumeRolloutResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let at = rollouts::change(&self.book, &sent.id, author, |rollout, now| {
            rollout.resume(now)
        })
        .await?;
        Ok(Response::new(wire::ResumeRolloutResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn abort_rollout(
        &self,
        request: Request<wire::AbortRolloutRequest>,
    ) -> Result<Response<wire::AbortRolloutResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let at = rollouts::change(&self.book, &sent.id, author, |rollout, now| {
            rollout.abort(now)
        })
        .await?;
        Ok(Response::new(wire::AbortRolloutResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn set_step(
        &self,
        request: Request<wire::SetStepRequest>,
    ) -> Result<Response<wire::SetStepResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let at = rollouts::change(&self.book, &sent.id, author, |rollout, now| {
            rollout.set_step(sent.step as usize, now)
        })
        .await?;
        Ok(Response::new(wire::SetStepResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn approve_step(
        &self,
        request: Request<wire::ApproveStepRequest>,
    ) -> Result<Response<wire::ApproveStepResponse>, Status> {
        let caller = Caller::from_extensions(request.extensions());
        let sent = request.into_inner();
        let author = checked(&caller, sent.author)?;
        let at = rollouts::change(&self.book, &sent.id, author, |rollout, now| {
            rollout.approve(now)
        })
        .await?;
        Ok(Response::new(wire::ApproveStepResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn get_rollout(
        &self,
        request: Request<wire::GetRolloutRequest>,
    ) -> Result<Response<wire::GetRolloutResponse>, Status> {
        let at = rollouts::found(&*self.book.now()?, &request.into_inner().id)?;
        Ok(Response::new(wire::GetRolloutResponse {
            rollout: Some(self.shown(&at)),
        }))
    }

    async fn list_rollouts(
        &self,
        request: Request<wire::ListRolloutsRequest>,
    ) -> Result<Response<wire::ListRolloutsResponse>, Status> {
        let sent = request.into_inner();
        let flag = Some(sent.flag.as_str()).filter(|flag| !flag.is_empty());
        let found = rollouts::list(&*self.book.now()?, flag, limit(sent.limit)?);
        Ok(Response::new(wire::ListRolloutsResponse {
            rollouts: found.iter().map(|at| self.shown(at)).collect(),
        }))
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        let sent = request.into_inner();
        let limit = limit(sent.limit)?;
        let at = rollouts::found(&*self.book.now()?, &sent.id)?;
        let store = self.book.store();
        let found = store
            .decisions(&at.rollout.id, limit)
            .await
            .map_err(unavailable)?;
        Ok(Response::new(wire::ListDecisionsResponse {
            decisions: found.iter().map(conversion::decision).collect(),
        }))
    }

    async fn watch_rollout(
        &self,
        request: Request<wire::WatchRolloutRequest>,
    ) -> Result<Response<Self::WatchRolloutStream>, Status> {
        let id = request.into_inner().id;
        rollouts::found(&*self.book.now()?, &id)?;
        let states = self.watchers.states(&self.book)?;
        let rollouts = watched(states, self.controller.newest(), id);
        Ok(Response::new(Box::pin(rollouts.map(|rollout| {
            Ok(wire::WatchRolloutResponse {
                rollout: Some(rollout?),
            })
        }))))
    }
}

/// A rollout now, and again after each of its changes and decisions, until it is over.
fn watched(
    states: impl Stream<Item = Arc<crate::state::State>> + Send + 'static,
    mut newest: tokio::sync::watch::Receiver<Newest>,
    id: String,
) -> impl Stream<Item = Result<wire::Rollout, Error>> + Send + 'static {
    stream! {
        let mut states = Box::pin(states);
        let mut at: Option<RolloutAt> = None;
        let mut told: Option<wire::Rollout> = None;
        loop {
            tokio::select! {
                state = states.next() => match state {
                    Some(state) => at = state.rollouts.get(&id).cloned(),
                    None => return,
                },
                changed = newest.changed() => if changed.is_err() { return },
            }
            let Some(at) = &at else { continue };
            let now = shown(at, &newest.borrow_and_update());
            if told.as_ref() != Some(&now) {
                told = Some(now.clone());
                yield Ok(now);
            }
            if at.rollout.state.is_final() {
                return;
            }
        }
    }
}
