//! See `../follow.rs`.

use std::pin::Pin;

use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::WatchStream};
use tonic::{Request, Response};
use troika_proto::flags::v1::{
    self as wire, Snapshot as WireSnapshot,
    flags_server::{Flags as Service, FlagsServer},
};

use super::*;
use crate::{built_in::STREAMING, context::Visitor};

/// Tells snapshots, and nothing else.
struct Telling(watch::Receiver<WireSnapshot>);

macro_rules! unused {
    ($($name:ident: $request:ident -> $response:ident),* $(,)?) => {
        #[tonic::async_trait]
        impl Service for Telling {
            type WatchStream = Pin<Box<dyn Stream<Item = Result<WireSnapshot, Status>> + Send>>;

            async fn watch(&self, _: Request<wire::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
                use tokio_stream::StreamExt as _;
                Ok(Response::new(Box::pin(WatchStream::new(self.0.clone()).map(Ok))))
            }
            $(async fn $name(&self, _: Request<wire::$request>) -> Result<Response<wire::$response>, Status> {
                Err(Status::unimplemented(""))
            })*
        }
    };
}

unused! {
    list_flags: ListFlagsRequest -> ListFlagsResponse,
    get_flag: GetFlagRequest -> GetFlagResponse,
    create_flag: CreateFlagRequest -> CreateFlagResponse,
    update_flag: UpdateFlagRequest -> UpdateFlagResponse,
    delete_flag: DeleteFlagRequest -> DeleteFlagResponse,
    switch_flag: SwitchFlagRequest -> SwitchFlagResponse,
    set_percentage: SetPercentageRequest -> SetPercentageResponse,
    list_changes: ListChangesRequest -> ListChangesResponse,
    restore_flag: RestoreFlagRequest -> RestoreFlagResponse,
    evaluate: EvaluateRequest -> EvaluateResponse,
    evaluate_all: EvaluateAllRequest -> EvaluateAllResponse,
    explain: ExplainRequest -> ExplainResponse,
}

fn snapshot(revision: u64, percentage: f64) -> WireSnapshot {
    WireSnapshot {
        revision,
        flags: vec![(&Flag::boolean(STREAMING, "", percentage)).into()],
    }
}

fn config(port: u16) -> Config {
    Config {
        address: format!("http://127.0.0.1:{port}").parse().unwrap(),
        ..Config::default()
    }
}

fn serve(listener: TcpListener, told: watch::Receiver<WireSnapshot>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tonic::transport::Server::builder()
            .add_service(FlagsServer::new(Telling(told)))
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    }))
}

fn streams(flags: &Flags) -> bool {
    let visitor = Visitor {
        session_id: Some("x"),
        ..Visitor::default()
    };
    flags.is_on(STREAMING, &visitor)
}

async fn reaches(flags: &Flags, revision: u64) {
    let mut changes = flags.changes();
    timeout(
        Duration::from_secs(20),
        changes.wait_for(|at| *at == revision),
    )
    .await
    .unwrap()
    .unwrap();
}

#[tokio::test]
async fn without_the_role_the_codes_own_flags_hold() {
    let folder = tempfile::tempdir().unwrap();
    let flags = Flags::connect(&config(1), folder.path().join("flags.json")).unwrap();
    assert!(streams(&flags));
    assert_eq!(flags.now().revision(), 0);
}

#[tokio::test]
async fn changes_come_the_last_snapshot_holds_while_the_role_is_away_and_it_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("flags.json");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let (tell, told) = watch::channel(snapshot(3, 0.0));
    let server = serve(listener, told.clone());
    let flags = Flags::connect(&config(place.port()), kept.clone()).unwrap();
    reaches(&flags, 3).await;
    assert!(!streams(&flags));
    tell.send_replace(snapshot(4, 100.0));
    reaches(&flags, 4).await;
    assert!(streams(&flags));
    tell.send_replace(snapshot(5, 0.0));
    reaches(&flags, 5).await;

    drop(server);
    assert!(!streams(&flags));
    // A process that starts while the role is away begins with what was kept.
    let late = timeout(Duration::from_secs(10), async {
        while fs::read_to_string(&kept).is_ok_and(|text| !text.contains("\"revision\":5")) {
            tokio::task::yield_now().await;
        }
        Flags::connect(&config(1), kept.clone()).unwrap()
    });
    let late = late.await.unwrap();
    assert_eq!(late.now().revision(), 5);
    assert!(!streams(&late));

    tell.send_replace(snapshot(6, 100.0));
    // The server that was ended lets go of its place a moment later.
    let again = timeout(Duration::from_secs(10), async {
        loop {
            if let Ok(listener) = TcpListener::bind(place).await {
                break listener;
            }
            tokio::task::yield_now().await;
        }
    });
    let _again = serve(again.await.unwrap(), told);
    reaches(&flags, 6).await;
    assert!(streams(&flags));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_not_gone_by() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("flags.json");
    fs::write(&kept, "{ half").unwrap();
    let flags = Flags::connect(&config(1), kept).unwrap();
    assert!(streams(&flags));
}
