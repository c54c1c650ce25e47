//! A scripted audit log, wherever one is asked for, and the gateway in front of it. It asserts nothing by itself.

use std::{
    any::Any,
    sync::{Arc, Mutex},
};

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::MetadataMap};
use troika_chassis::error::Error;
use troika_gateway::Config;
use troika_proto::audit::v1::{
    Entry, ListEntriesRequest, ListEntriesResponse, VerifyRequest, VerifyResponse,
    audit_server::{Audit, AuditServer},
};

use super::{FakeChat, House, ending};

/// What the log says, and what it was asked.
#[derive(Clone, Default)]
pub(crate) struct FakeAudit(Arc<Known>);

#[derive(Default)]
struct Known {
    entries: Mutex<Vec<Entry>>,
    verified: Mutex<VerifyResponse>,
    refusal: Mutex<Option<Refusal>>,
    asked: Mutex<Vec<Box<dyn Any + Send>>>,
    metadata: Mutex<MetadataMap>,
}

type Refusal = Box<dyn Fn() -> Error + Send>;

impl FakeAudit {
    /// Tells these entries.
    pub(crate) fn telling(entries: Vec<Entry>) -> Self {
        let log = Self::default();
        *log.0.entries.lock().unwrap() = entries;
        log
    }

    /// Says this of itself from now on.
    pub(crate) fn is(&self, verified: VerifyResponse) {
        *self.0.verified.lock().unwrap() = verified;
    }

    /// Refuses everything.
    pub(crate) fn refuses(&self, refusal: impl Fn() -> Error + Send + 'static) {
        *self.0.refusal.lock().unwrap() = Some(Box::new(refusal));
    }

    /// The questions of this type, the oldest first.
    pub(crate) fn asked<Q: Clone + 'static>(&self) -> Vec<Q> {
        let asked = self.0.asked.lock().unwrap();
        asked
            .iter()
            .filter_map(|question| question.downcast_ref())
            .cloned()
            .collect()
    }

    /// What came along with the last question.
    pub(crate) fn metadata(&self) -> MetadataMap {
        self.0.metadata.lock().unwrap().clone()
    }

    /// A gateway that finds this log where `place` says.
    pub(crate) async fn house(&self, place: impl FnOnce(&mut Config, url::Url)) -> House {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server =
            tonic::transport::Server::builder().add_service(AuditServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let chat = FakeChat::streaming(|_| ending(Vec::new()));
        House::start_with(chat, |config| {
            place(config, format!("http://{address}").parse().unwrap());
        })
        .await
    }

    fn answer<Q: Send + 'static, A>(
        &self,
        request: Request<Q>,
        answer: A,
    ) -> Result<Response<A>, Status> {
        *self.0.metadata.lock().unwrap() = request.metadata().clone();
        self.0
            .asked
            .lock()
            .unwrap()
            .push(Box::new(request.into_inner()));
        match &*self.0.refusal.lock().unwrap() {
            Some(refusal) => Err(refusal().into()),
            None => Ok(Response::new(answer)),
        }
    }
}

#[tonic::async_trait]
impl Audit for FakeAudit {
    async fn list_entries(
        &self,
        request: Request<ListEntriesRequest>,
    ) -> Result<Response<ListEntriesResponse>, Status> {
        let entries = self.0.entries.lock().unwrap().clone();
        self.answer(request, ListEntriesResponse { entries })
    }

    async fn verify(
        &self,
        request: Request<VerifyRequest>,
    ) -> Result<Response<VerifyResponse>, Status> {
        let verified = *self.0.verified.lock().unwrap();
        self.answer(request, verified)
    }
}
