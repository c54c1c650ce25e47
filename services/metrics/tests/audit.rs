//! What is changed over the wire is in the role's audit log.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Status,
    service::InterceptorLayer,
    transport::{Channel, Server},
};
use troika_chassis::{
    deps::Deps,
    error::{Code, Error},
    lifecycle::{Drain, Readiness},
    meters::Meters,
};
use troika_identity::{Caller, Role};
use troika_metrics::Config;
use troika_proto::{
    audit::v1::{ListEntriesRequest, VerifyRequest, audit_client::AuditClient},
    metrics::v1::{
        LiftSilenceRequest, ResetRequest, SilenceRequest, TestAlertRequest,
        alerts_client::AlertsClient, metrics_client::MetricsClient,
    },
};

/// Whoever says nothing of themselves is an admin.
const NOBODY: &str = "nobody";

fn known(mut request: Request<()>) -> Result<Request<()>, Status> {
    if request.metadata().get(NOBODY).is_none() {
        request.extensions_mut().insert(Caller {
            role: Role::Admin,
            subject: "7".to_owned(),
            name: "ada@example.com".to_owned(),
            ..Caller::default()
        });
    }
    Ok(request)
}

async fn role(folder: &TempDir) -> Channel {
    let deps = Deps {
        mongo: None,
        redis: None,
        max_message: 4 << 20,
        data_dir: folder.path().to_owned(),
        readiness: Readiness::default(),
        drain: Drain::default(),
        meters: Meters::new(),
    };
    let service = troika_metrics::build(Config::default(), deps)
        .await
        .unwrap();
    assert!(service.service_names.contains(&"troika.audit.v1.Audit"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(InterceptorLayer::new(known))
        .add_routes(service.routes);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    channel.connect().await.unwrap()
}

#[tokio::test]
async fn resets_silences_and_their_ends_are_told_with_who_made_them() {
    let folder = tempfile::tempdir().unwrap();
    let channel = role(&folder).await;
    let mut alerts = AlertsClient::new(channel.clone());
    let mut metrics = MetricsClient::new(channel.clone());
    metrics.reset(ResetRequest::default()).await.unwrap();
    let silence = SilenceRequest {
        alert: String::new(),
        duration: Some(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }),
        author: String::new(),
        reason: "known".to_owned(),
    };
    let begun = alerts.silence(silence.clone()).await.unwrap().into_inner();
    let id = begun.silence.unwrap().id;
    // Refused, and nothing to end: nothing changes.
    let forever = SilenceRequest {
        duration: None,
        ..silence
    };
    alerts.silence(forever).await.unwrap_err();
    let request = TestAlertRequest::default();
    alerts.test_alert(request).await.unwrap_err();
    for id in ["none", &id, &id] {
        let request = LiftSilenceRequest { id: id.to_owned() };
        alerts.lift_silence(request).await.unwrap();
    }
    let mut audit = AuditClient::new(channel);
    let listed = audit.list_entries(ListEntriesRequest::default()).await;
    let entries = listed.unwrap().into_inner().entries;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.action.as_str(), entry.target.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("alert.lift", id.as_str()),
            ("alert.silence", id.as_str()),
            ("metrics.reset", "figures"),
        ]
    );
    for entry in &entries {
        assert_eq!(
            (entry.subject.as_str(), entry.role.as_str()),
            ("7", "admin")
        );
        assert_eq!(entry.name, "ada@example.com");
        assert!(!entry.request_id.is_empty());
    }
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let silenced = value(&entries[1].after);
    assert_eq!(
        (&silenced["alert"], &silenced["reason"], &silenced["author"]),
        (&json!(""), &json!("known"), &json!("ada@example.com"))
    );
    assert_eq!(value(&entries[0].before), silenced);
    assert_eq!(
        (entries[0].after.as_str(), entries[1].before.as_str()),
        ("", "")
    );
    let mut nobody = Request::new(VerifyRequest {});
    nobody.metadata_mut().insert(NOBODY, "1".parse().unwrap());
    let refused = Error::from(&audit.verify(nobody).await.unwrap_err());
    assert_eq!(
        (refused.code(), refused.reason()),
        (Code::PermissionDenied, "admin_required")
    );
    let verified = audit.verify(VerifyRequest {}).await.unwrap().into_inner();
    assert_eq!((verified.entries, verified.first_broken), (3, 0));
}
