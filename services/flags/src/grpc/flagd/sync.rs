//! `flagd.sync.v1` on the wire: definitions for clients that evaluate themselves.

use std::{pin::Pin, sync::Arc};

use futures::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use troika_evaluation::flagd::document;
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
        _: Request<SyncFlagsRequest>,
    ) -> Result<Response<Self::SyncFlagsStream>, Status> {
        let states = self.watchers.states(&self.book)?;
        Ok(Response::new(Box::pin(states.map(|state| {
            Ok(SyncFlagsResponse {
                flag_configuration: definitions(&state),
                sync_context: None,
            })
        }))))
    }

    async fn fetch_all_flags(
        &self,
        _: Request<FetchAllFlagsRequest>,
    ) -> Result<Response<FetchAllFlagsResponse>, Status> {
        Ok(Response::new(FetchAllFlagsResponse {
            flag_configuration: definitions(&*self.book.now()?),
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

fn definitions(state: &State) -> String {
    document(state.flags.values()).to_string()
}
