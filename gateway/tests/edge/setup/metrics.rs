//! A scripted metrics role and the gateway in front of it. It asserts nothing by itself.

use std::{
    any::Any,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::StreamExt as _;
use http::Response as HttpResponse;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{Request, Response, Status, Streaming, codegen::BoxStream, metadata::MetadataMap};
use troika_chassis::error::Error;
use troika_gateway::Config;
use troika_proto::metrics::v1::{
    self as wire,
    alerts_server::{Alerts, AlertsServer},
    metrics_server::{Metrics, MetricsServer},
};

use super::{FakeChat, House, PATIENCE, ending, flags::as_admin, request};

/// What the scripted metrics role tells, and what it saw.
#[derive(Clone)]
pub(crate) struct FakeMetrics(Arc<Known>);

struct Known {
    told: Mutex<Told>,
    looks: watch::Sender<wire::WatchSummaryResponse>,
    refusal: Mutex<Option<Refusal>>,
    hangs: AtomicBool,
    asked: Mutex<Vec<Box<dyn Any + Send>>>,
    metadata: Mutex<MetadataMap>,
    /// Calls that arrived, beside reports.
    questions: watch::Sender<usize>,
    /// Streams of figures that somebody reads.
    watched: watch::Sender<usize>,
}

type Refusal = Box<dyn Fn() -> Error + Send>;

/// The answers.
#[derive(Clone, Default)]
pub(crate) struct Told {
    pub(crate) snapshot: wire::GetSnapshotResponse,
    pub(crate) summary: wire::GetSummaryResponse,
    pub(crate) events: Vec<wire::Event>,
    pub(crate) health: wire::GetHealthResponse,
    pub(crate) points: Vec<wire::Point>,
    pub(crate) alerts: wire::ListAlertsResponse,
    pub(crate) silence: wire::ActiveSilence,
    pub(crate) deliveries: Vec<wire::Delivery>,
}

impl FakeMetrics {
    /// Knows nothing yet.
    pub(crate) fn new() -> Self {
        Self::telling(|_| {})
    }

    /// Tells what `change` has said.
    pub(crate) fn telling(change: impl FnOnce(&mut Told)) -> Self {
        let role = Self(Arc::new(Known {
            told: Mutex::default(),
            looks: watch::Sender::default(),
            refusal: Mutex::default(),
            hangs: AtomicBool::default(),
            asked: Mutex::default(),
            metadata: Mutex::default(),
            questions: watch::Sender::default(),
            watched: watch::Sender::default(),
        }));
        role.tells(change);
        role
    }

    /// Tells something else from now on.
    pub(crate) fn tells(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.0.told.lock().unwrap());
    }

    /// What those who watch see from now on.
    pub(crate) fn shows(&self, look: wire::WatchSummaryResponse) {
        self.0.looks.send_replace(look);
    }

    /// Refuses everything but reports.
    pub(crate) fn refuses(&self, refusal: impl Fn() -> Error + Send + 'static) {
        *self.0.refusal.lock().unwrap() = Some(Box::new(refusal));
    }

    /// Answers nothing but reports.
    pub(crate) fn hangs(&self) {
        self.0.hangs.store(true, Ordering::SeqCst);
    }

    /// The last question of this type.
    pub(crate) fn asked<Q: Clone + 'static>(&self) -> Option<Q> {
        let asked = self.0.asked.lock().unwrap();
        asked
            .iter()
            .rev()
            .find_map(|question| question.downcast_ref())
            .cloned()
    }

    /// How many questions there were.
    pub(crate) fn questions(&self) -> usize {
        *self.0.questions.borrow()
    }

    /// Waits until there were so many questions.
    pub(crate) async fn questioned(&self, count: usize) {
        let mut questions = self.0.questions.subscribe();
        tokio::time::timeout(PATIENCE, questions.wait_for(|asked| *asked >= count))
            .await
            .expect("fewer questions arrive")
            .unwrap();
    }

    /// What came along with the last question.
    pub(crate) fn metadata(&self) -> MetadataMap {
        self.0.metadata.lock().unwrap().clone()
    }

    /// Waits until so many watch the figures.
    pub(crate) async fn watched_by(&self, count: usize) {
        let mut watched = self.0.watched.subscribe();
        tokio::time::timeout(PATIENCE, watched.wait_for(|watched| *watched == count))
            .await
            .expect("another number watches")
            .unwrap();
    }

    /// A gateway in front of this role.
    pub(crate) async fn house(&self) -> MetricsHouse {
        self.house_with(|_| {}).await
    }

    /// A gateway in front of this role, with a configuration that `change` has changed.
    pub(crate) async fn house_with(&self, change: impl FnOnce(&mut Config)) -> MetricsHouse {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        // A runtime of its own, so that it can die as a process does: with its connections.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let role = self.clone();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            tonic::transport::Server::builder()
                .add_service(MetricsServer::new(role.clone()))
                .add_service(AlertsServer::new(role))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let house = house_with(|config| {
            config.metrics = format!("http://{address}").parse().unwrap();
            change(config);
        });
        MetricsHouse {
            house: house.await,
            role: Mutex::new(Some(runtime)),
        }
    }

    fn told(&self) -> Told {
        self.0.told.lock().unwrap().clone()
    }

    async fn answer<Q, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(Told) -> A,
    ) -> Result<Response<A>, Status>
    where
        Q: Send + 'static,
    {
        *self.0.metadata.lock().unwrap() = request.metadata().clone();
        let question = Box::new(request.into_inner());
        self.0.asked.lock().unwrap().push(question);
        self.0.questions.send_modify(|count| *count += 1);
        if self.0.hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        if let Some(refusal) = &*self.0.refusal.lock().unwrap() {
            return Err(refusal().into());
        }
        Ok(Response::new(answer(self.told())))
    }
}

/// A gateway that lets admins in, with no metrics role, unless `change` says otherwise.
pub(crate) async fn house_with(change: impl FnOnce(&mut Config)) -> House {
    let chat = FakeChat::streaming(|_| ending(Vec::new()));
    House::start_with(chat, change).await
}

/// A gateway and the metrics role behind it.
pub(crate) struct MetricsHouse {
    pub(crate) house: House,
    role: Mutex<Option<Runtime>>,
}

impl std::ops::Deref for MetricsHouse {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl MetricsHouse {
    /// Ends the metrics role abruptly: its connections break.
    pub(crate) fn kill_metrics(&self) {
        if let Some(runtime) = self.role.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for MetricsHouse {
    fn drop(&mut self) {
        self.kill_metrics();
    }
}

impl House {
    /// Asks as an admin.
    pub(crate) async fn ask_as_admin(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> HttpResponse<Incoming> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.send(as_admin(request(method, path, &body))).await
    }
}

/// Counts those who watch.
struct Watching(watch::Sender<usize>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

#[tonic::async_trait]
impl Metrics for FakeMetrics {
    async fn report(
        &self,
        request: Request<Streaming<wire::ReportRequest>>,
    ) -> Result<Response<wire::ReportResponse>, Status> {
        let mut batches = request.into_inner();
        while batches.message().await?.is_some() {}
        Ok(Response::new(wire::ReportResponse {}))
    }

    async fn get_snapshot(
        &self,
        request: Request<wire::GetSnapshotRequest>,
    ) -> Result<Response<wire::GetSnapshotResponse>, Status> {
        self.answer(request, |told| told.snapshot).await
    }

    async fn get_summary(
        &self,
        request: Request<wire::GetSummaryRequest>,
    ) -> Result<Response<wire::GetSummaryResponse>, Status> {
        self.answer(request, |told| told.summary).await
    }

    async fn watch_summary(
        &self,
        request: Request<wire::WatchSummaryRequest>,
    ) -> Result<Response<BoxStream<wire::WatchSummaryResponse>>, Status> {
        self.answer(request, drop).await?;
        self.0.watched.send_modify(|count| *count += 1);
        let watching = Watching(self.0.watched.clone());
        let looks = WatchStream::new(self.0.looks.subscribe()).map(move |look| {
            let _watching = &watching;
            Ok(look)
        });
        Ok(Response::new(Box::pin(looks)))
    }

    async fn list_events(
        &self,
        request: Request<wire::ListEventsRequest>,
    ) -> Result<Response<wire::ListEventsResponse>, Status> {
        self.answer(request, |told| wire::ListEventsResponse {
            events: told.events,
        })
        .await
    }

    async fn get_history(
        &self,
        request: Request<wire::GetHistoryRequest>,
    ) -> Result<Response<wire::GetHistoryResponse>, Status> {
        self.answer(request, |told| wire::GetHistoryResponse {
            points: told.points,
        })
        .await
    }

    async fn get_health(
        &self,
        request: Request<wire::GetHealthRequest>,
    ) -> Result<Response<wire::GetHealthResponse>, Status> {
        self.answer(request, |told| told.health).await
    }

    async fn reset(
        &self,
        request: Request<wire::ResetRequest>,
    ) -> Result<Response<wire::ResetResponse>, Status> {
        self.answer(request, |_| wire::ResetResponse::default())
            .await
    }
}

#[tonic::async_trait]
impl Alerts for FakeMetrics {
    async fn list_alerts(
        &self,
        request: Request<wire::ListAlertsRequest>,
    ) -> Result<Response<wire::ListAlertsResponse>, Status> {
        self.answer(request, |told| told.alerts).await
    }

    async fn silence(
        &self,
        request: Request<wire::SilenceRequest>,
    ) -> Result<Response<wire::SilenceResponse>, Status> {
        self.answer(request, |told| wire::SilenceResponse {
            silence: Some(told.silence),
        })
        .await
    }

    async fn lift_silence(
        &self,
        request: Request<wire::LiftSilenceRequest>,
    ) -> Result<Response<wire::LiftSilenceResponse>, Status> {
        self.answer(request, |_| wire::LiftSilenceResponse {}).await
    }

    async fn test_alert(
        &self,
        request: Request<wire::TestAlertRequest>,
    ) -> Result<Response<wire::TestAlertResponse>, Status> {
        self.answer(request, |told| wire::TestAlertResponse {
            deliveries: told.deliveries,
        })
        .await
    }
}
