//! `flagd.sync.v1` on the wire: definitions for clients that evaluate themselves.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use troika_evaluation::{flag::Flag, flagd::document};
use troika_identity::{Caller, Role};
use troika_proto::flagd::sync::v1::{
    FetchAllFlagsRequest, FetchAllFlagsResponse, GetMetadataRequest, GetMetadataResponse,
    SyncFlagsRequest, SyncFlagsResponse, flag_sync_service_server::FlagSyncService,
};

use crate::{book::Book, grpc::Watchers, state::State};

/// The service.
pub(crate) struct Sync {
    pub(crate) book: Arc<Book>,
    pub(crate) watchers: Watchers,
}

#[tonic::async_trait]
impl FlagSyncService for Sync {
    type SyncFlagsStream = Pin<Box<dyn Stream<Item = Result<SyncFlagsResponse, Status>> + Send>>;

    async fn sync_flags(
        &self,
        request: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let states = self.watchers.states(&self.book)?;
        let people = knows_people(&request);
        Ok(Response::new(Box::pin(states.map(move |state| {
            Ok(SyncFlagsResponse {
                flag_configuration: definitions(&state, people),
                sync_context: None,
            })
        }))))
    }

    async fn fetch_all_flags(
        &self,
        request: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        Ok(Response::new(FetchAllFlagsResponse {
            flag_configuration: definitions(&*self.book.now()?, knows_people(&request)),
        }))
    }

    async fn get_metadata(
        &self,
        _: Request<GetMetadataRequest>,
    ) -> Result<Response<GetMetadataResponse>, Status> {
        // Empty, and there: clients read into it.
        Ok(Response::new(GetMetadataResponse {
            metadata: Some(prost_types::Struct::default()),
        }))
    }
}

/// Lists name visitors by their ids and addresses: not for visitors and companies. A server that evaluates itself shows a
/// credential or an admin's token, or nothing, where nothing need be shown.
fn knows_people<T>(request: &Request<T>) -> bool {
    let caller = Caller::from_extensions(request.extensions());
    !matches!(caller.role, Role::Visitor | Role::User)
}

/// Without the lists whoever is on one is dealt to like everybody else.
fn definitions(state: &State, people: bool) -> String {
    if people {
        return document(state.flags.values()).to_string();
    }
    let unnamed = |flag: &Flag| Flag {
        blacklist: Default::default(),
        whitelist: Default::default(),
        ..flag.clone()
    };
    let flags: Vec<Flag> = state.flags.values().map(unnamed).collect();
    document(&flags).to_string()
}
