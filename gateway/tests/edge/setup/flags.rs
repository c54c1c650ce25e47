//! A scripted flags role and the gateway in front of it. It asserts nothing by itself.

use std::{
    any::Any,
    future::pending,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{Stream, StreamExt as _};
use http::{Request as HttpRequest, Response as HttpResponse, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Runtime, sync::watch};
use tokio_stream::wrappers::{TcpListenerStream, WatchStream};
use tonic::{Request, Response, Status, metadata::MetadataMap};
use troika_chassis::error::Error;
use troika_evaluation::{built_in, flag::Flag};
use troika_gateway::Config;
use troika_proto::flags::v1::{
    self as wire,
    flags_server::{Flags, FlagsServer},
    rollouts_server::{Rollouts, RolloutsServer},
};

use super::{FakeChat, House, PATIENCE, ending, json as json_of, request};

/// What the gateway's tokens are signed with.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Who the admin of these tests is.
pub(crate) const ADMIN: &str = "admin@troika.example";

/// What the scripted flags role knows, and what it saw.
#[derive(Clone)]
pub(crate) struct FakeFlags(Arc<Known>);

struct Known {
    snapshot: watch::Sender<wire::Snapshot>,
    rollout: watch::Sender<wire::Rollout>,
    refusal: Mutex<Option<Refusal>>,
    hangs: AtomicBool,
    asked: Mutex<Vec<Box<dyn Any + Send>>>,
    metadata: Mutex<MetadataMap>,
    /// Streams of rollouts that somebody watches.
    watched: watch::Sender<usize>,
}

type Refusal = Box<dyn Fn() -> Error + Send>;

impl FakeFlags {
    /// Knows the flags of the product, all at revision 1, and one rollout.
    pub(crate) fn new() -> Self {
        let role = Self(Arc::new(Known {
            snapshot: watch::Sender::default(),
            rollout: watch::Sender::new(rollout()),
            refusal: Mutex::default(),
            hangs: AtomicBool::default(),
            asked: Mutex::default(),
            metadata: Mutex::default(),
            watched: watch::Sender::default(),
        }));
        role.knows(1, built_in::flags());
        role
    }

    /// Knows these flags from now on.
    pub(crate) fn knows(&self, revision: u64, flags: impl IntoIterator<Item = Flag>) {
        let flags = flags.into_iter().map(|flag| {
            let flag = Flag { revision, ..flag };
            wire::Flag::from(&flag)
        });
        self.0.snapshot.send_replace(wire::Snapshot {
            revision,
            flags: flags.collect(),
        });
    }

    /// The rollout goes on.
    pub(crate) fn rolls_out(&self, change: impl FnOnce(&mut wire::Rollout)) {
        self.0.rollout.send_modify(change);
    }

    /// Refuses everything but to tell its flags.
    pub(crate) fn refuses(&self, refusal: impl Fn() -> Error + Send + 'static) {
        *self.0.refusal.lock().unwrap() = Some(Box::new(refusal));
    }

    /// Answers nothing but to tell its flags.
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
        self.0.asked.lock().unwrap().len()
    }

    /// What came along with the last question.
    pub(crate) fn metadata(&self) -> MetadataMap {
        self.0.metadata.lock().unwrap().clone()
    }

    /// Waits until so many watch a rollout.
    pub(crate) async fn watched_by(&self, count: usize) {
        let mut watched = self.0.watched.subscribe();
        tokio::time::timeout(PATIENCE, watched.wait_for(|watched| *watched == count))
            .await
            .expect("another number watches")
            .unwrap();
    }

    /// A gateway in front of this role.
    pub(crate) async fn house(&self) -> FlagsHouse {
        self.house_with(|_| {}).await
    }

    /// A gateway in front of this role, with a configuration that `change` has changed.
    pub(crate) async fn house_with(&self, change: impl FnOnce(&mut Config)) -> FlagsHouse {
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
                .add_service(FlagsServer::new(role.clone()))
                .add_service(RolloutsServer::new(role))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let chat = FakeChat::streaming(|_| ending(Vec::new()));
        let house = House::start_with(chat, |config| {
            config.flags = format!("http://{address}").parse().unwrap();
            change(config);
        })
        .await;
        FlagsHouse {
            house,
            role: Mutex::new(Some(runtime)),
        }
    }

    async fn answer<Q, A>(
        &self,
        request: Request<Q>,
        answer: impl FnOnce(&Q) -> A,
    ) -> Result<Response<A>, Status>
    where
        Q: Clone + Send + 'static,
    {
        *self.0.metadata.lock().unwrap() = request.metadata().clone();
        let question = request.into_inner();
        self.0
            .asked
            .lock()
            .unwrap()
            .push(Box::new(question.clone()));
        if self.0.hangs.load(Ordering::SeqCst) {
            pending::<()>().await;
        }
        if let Some(refusal) = &*self.0.refusal.lock().unwrap() {
            return Err(refusal().into());
        }
        Ok(Response::new(answer(&question)))
    }

    /// The flag of that key, or else one with that key.
    fn flag(&self, key: &str) -> Option<wire::Flag> {
        let known = self.0.snapshot.borrow();
        let found = known.flags.iter().find(|flag| flag.key == key);
        Some(
            found
                .cloned()
                .unwrap_or_else(|| (&Flag::boolean(key, "", 0.0)).into()),
        )
    }

    fn rollout(&self) -> Option<wire::Rollout> {
        Some(self.0.rollout.borrow().clone())
    }
}

/// A gateway and the flags role behind it.
pub(crate) struct FlagsHouse {
    pub(crate) house: House,
    role: Mutex<Option<Runtime>>,
}

impl std::ops::Deref for FlagsHouse {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

impl FlagsHouse {
    /// Ends the flags role abruptly: its connections break.
    pub(crate) fn kill_flags(&self) {
        if let Some(runtime) = self.role.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    /// Asks as an admin.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> HttpResponse<Incoming> {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.ask_raw(method, path, &body).await
    }

    /// The same, with a body that need not be JSON.
    pub(crate) async fn ask_raw(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> HttpResponse<Incoming> {
        let request = as_admin(request(method, path, body));
        self.send(request).await
    }

    /// Waits until the gateway knows flags that are as they should be.
    pub(crate) async fn told(&self, right: impl Fn(&Value) -> bool) {
        let told = async {
            loop {
                let response = self.get("/api/metrics/feature-flags").await;
                assert_eq!(response.status(), StatusCode::OK);
                if right(&json_of(response).await["flags"]) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, told)
            .await
            .expect("the flags are not told");
    }
}

impl Drop for FlagsHouse {
    fn drop(&mut self) {
        self.kill_flags();
    }
}

/// A request with an admin's token.
pub(crate) fn as_admin(
    mut request: HttpRequest<Full<bytes::Bytes>>,
) -> HttpRequest<Full<bytes::Bytes>> {
    let token = token(
        &json!({"id": "s-1", "email": ADMIN, "role": "admin"}),
        60,
        SECRET,
    );
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request
}

/// A token with these claims that is good for so many seconds more.
pub(crate) fn token(claims: &Value, seconds: i64, secret: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let mut claims = claims.clone();
    claims["exp"] = json!(now + seconds);
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::default(), &claims, &key).unwrap()
}

/// A rollout that runs.
fn rollout() -> wire::Rollout {
    wire::Rollout {
        id: "r-1".to_owned(),
        flag: "streaming".to_owned(),
        candidate: "2.4.0".to_owned(),
        plan: Some(wire::Plan {
            steps: vec![wire::PlanStep {
                percentage: 1.0,
                bake: prost_types::Duration::try_from(Duration::from_secs(7200)).ok(),
            }],
            ..Default::default()
        }),
        state: wire::RolloutState::Running.into(),
        percentage: 1.0,
        started_by: Some(wire::Author {
            name: ADMIN.to_owned(),
            reason: "a new version".to_owned(),
        }),
        revision: 3,
        ..Default::default()
    }
}

#[tonic::async_trait]
impl Flags for FakeFlags {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<wire::Snapshot, Status>> + Send>>;

    async fn list_flags(
        &self,
        request: Request<wire::ListFlagsRequest>,
    ) -> Result<Response<wire::ListFlagsResponse>, Status> {
        let wire::Snapshot { revision, flags } = self.0.snapshot.borrow().clone();
        self.answer(request, |_| wire::ListFlagsResponse { flags, revision })
            .await
    }

    async fn get_flag(
        &self,
        request: Request<wire::GetFlagRequest>,
    ) -> Result<Response<wire::GetFlagResponse>, Status> {
        self.answer(request, |asked| wire::GetFlagResponse {
            flag: self.flag(&asked.key),
        })
        .await
    }

    async fn create_flag(
        &self,
        request: Request<wire::CreateFlagRequest>,
    ) -> Result<Response<wire::CreateFlagResponse>, Status> {
        self.answer(request, |asked| wire::CreateFlagResponse {
            flag: asked.flag.clone().map(|flag| wire::Flag {
                revision: 2,
                ..flag
            }),
        })
        .await
    }

    async fn update_flag(
        &self,
        request: Request<wire::UpdateFlagRequest>,
    ) -> Result<Response<wire::UpdateFlagResponse>, Status> {
        self.answer(request, |asked| wire::UpdateFlagResponse {
            flag: asked.flag.clone().map(|flag| wire::Flag {
                revision: asked.expected_revision + 1,
                ..flag
            }),
        })
        .await
    }

    async fn delete_flag(
        &self,
        request: Request<wire::DeleteFlagRequest>,
    ) -> Result<Response<wire::DeleteFlagResponse>, Status> {
        self.answer(request, |_| wire::DeleteFlagResponse {}).await
    }

    async fn switch_flag(
        &self,
        request: Request<wire::SwitchFlagRequest>,
    ) -> Result<Response<wire::SwitchFlagResponse>, Status> {
        self.answer(request, |asked| wire::SwitchFlagResponse {
            flag: self.flag(&asked.key).map(|flag| wire::Flag {
                enabled: asked.enabled,
                ..flag
            }),
            stored: false,
        })
        .await
    }

    async fn set_percentage(
        &self,
        request: Request<wire::SetPercentageRequest>,
    ) -> Result<Response<wire::SetPercentageResponse>, Status> {
        self.answer(request, |asked| wire::SetPercentageResponse {
            flag: self.flag(&asked.key).map(|flag| wire::Flag {
                percentage: asked.percentage,
                ..flag
            }),
        })
        .await
    }

    async fn list_changes(
        &self,
        request: Request<wire::ListChangesRequest>,
    ) -> Result<Response<wire::ListChangesResponse>, Status> {
        self.answer(request, |asked| wire::ListChangesResponse {
            changes: vec![wire::Change {
                revision: 7,
                at: Some(prost_types::Timestamp::default()),
                author: Some(wire::Author {
                    name: ADMIN.to_owned(),
                    reason: "a try".to_owned(),
                }),
                key: asked.key.clone(),
                before: None,
                after: self.flag("streaming"),
                rollout_id: String::new(),
            }],
        })
        .await
    }

    async fn restore_flag(
        &self,
        request: Request<wire::RestoreFlagRequest>,
    ) -> Result<Response<wire::RestoreFlagResponse>, Status> {
        self.answer(request, |asked| wire::RestoreFlagResponse {
            flag: self.flag(&asked.key),
        })
        .await
    }

    async fn evaluate(
        &self,
        request: Request<wire::EvaluateRequest>,
    ) -> Result<Response<wire::EvaluateResponse>, Status> {
        self.answer(request, |_| wire::EvaluateResponse::default())
            .await
    }

    async fn evaluate_all(
        &self,
        request: Request<wire::EvaluateAllRequest>,
    ) -> Result<Response<wire::EvaluateAllResponse>, Status> {
        self.answer(request, |_| wire::EvaluateAllResponse::default())
            .await
    }

    async fn explain(
        &self,
        request: Request<wire::ExplainRequest>,
    ) -> Result<Response<wire::ExplainResponse>, Status> {
        self.answer(request, |asked| wire::ExplainResponse {
            evaluation: Some(wire::Evaluation {
                key: asked.key.clone(),
                value: Some(prost_types::Value {
                    kind: Some(prost_types::value::Kind::NumberValue(5.0)),
                }),
                variant: "on".to_owned(),
                reason: "SPLIT".to_owned(),
                decided_by: "percentage".to_owned(),
                revision: 1,
            }),
            steps: vec![wire::Step {
                name: "percentage".to_owned(),
                decided: true,
                finding: "25 % are let in".to_owned(),
            }],
            identifier_from: "userId".to_owned(),
            bucket: Some(19.0),
        })
        .await
    }

    async fn watch(
        &self,
        _: Request<wire::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let snapshots = WatchStream::new(self.0.snapshot.subscribe());
        Ok(Response::new(Box::pin(snapshots.map(Ok))))
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
impl Rollouts for FakeFlags {
    type WatchRolloutStream =
        Pin<Box<dyn Stream<Item = Result<wire::WatchRolloutResponse, Status>> + Send>>;

    async fn start_rollout(
        &self,
        request: Request<wire::StartRolloutRequest>,
    ) -> Result<Response<wire::StartRolloutResponse>, Status> {
        self.answer(request, |_| wire::StartRolloutResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn pause_rollout(
        &self,
        request: Request<wire::PauseRolloutRequest>,
    ) -> Result<Response<wire::PauseRolloutResponse>, Status> {
        self.answer(request, |_| wire::PauseRolloutResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn resume_rollout(
        &self,
        request: Request<wire::ResumeRolloutRequest>,
    ) -> Result<Response<wire::ResumeRolloutResponse>, Status> {
        self.answer(request, |_| wire::ResumeRolloutResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn abort_rollout(
        &self,
        request: Request<wire::AbortRolloutRequest>,
    ) -> Result<Response<wire::AbortRolloutResponse>, Status> {
        self.answer(request, |_| wire::AbortRolloutResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn set_step(
        &self,
        request: Request<wire::SetStepRequest>,
    ) -> Result<Response<wire::SetStepResponse>, Status> {
        self.answer(request, |_| wire::SetStepResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn approve_step(
        &self,
        request: Request<wire::ApproveStepRequest>,
    ) -> Result<Response<wire::ApproveStepResponse>, Status> {
        self.answer(request, |_| wire::ApproveStepResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn get_rollout(
        &self,
        request: Request<wire::GetRolloutRequest>,
    ) -> Result<Response<wire::GetRolloutResponse>, Status> {
        self.answer(request, |_| wire::GetRolloutResponse {
            rollout: self.rollout(),
        })
        .await
    }

    async fn list_rollouts(
        &self,
        request: Request<wire::ListRolloutsRequest>,
    ) -> Result<Response<wire::ListRolloutsResponse>, Status> {
        self.answer(request, |_| wire::ListRolloutsResponse {
            rollouts: self.rollout().into_iter().collect(),
        })
        .await
    }

    async fn list_decisions(
        &self,
        request: Request<wire::ListDecisionsRequest>,
    ) -> Result<Response<wire::ListDecisionsResponse>, Status> {
        self.answer(request, |_| wire::ListDecisionsResponse {
            decisions: vec![wire::Decision {
                verdict: wire::Verdict::Hold.into(),
                ..Default::default()
            }],
        })
        .await
    }

    async fn watch_rollout(
        &self,
        request: Request<wire::WatchRolloutRequest>,
    ) -> Result<Response<Self::WatchRolloutStream>, Status> {
        self.answer(request, |_| ()).await?;
        self.0.watched.send_modify(|count| *count += 1);
        let watching = Watching(self.0.watched.clone());
        let rollouts = WatchStream::new(self.0.rollout.subscribe()).map(move |rollout| {
            let _watching = &watching;
            Ok(wire::WatchRolloutResponse {
                rollout: Some(rollout),
            })
        });
        Ok(Response::new(Box::pin(rollouts)))
    }
}
