//! The service over a log in a file.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use troika_chassis::{embedded::DatabaseFile, lifecycle::Drain};

use super::*;
use crate::{entry::Change, store::embedded};

fn caller(role: Role) -> Caller {
    Caller {
        role,
        subject: "7".to_owned(),
        name: "ada@example.com".to_owned(),
        ..Caller::default()
    }
}

fn asked<T>(role: Role, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller(role));
    request
}

async fn service(folder: &TempDir, readers: Readers) -> AuditService {
    let path = folder.path().join("chat.redb");
    let file = DatabaseFile::open(&path, 1 << 20, embedded::make_tables).unwrap();
    let store = Arc::new(embedded::Embedded::new(file));
    let log = AuditLog::start("chat", store, Drain::default());
    for target in ["a", "b", "a"] {
        let admin = caller(Role::Admin);
        let change = Change {
            caller: &admin,
            action: "bot.update",
            target,
            request_id: "r-1",
        };
        let after = json!({ "name": "b" });
        log.append(change, None, Some(&after)).await.unwrap();
    }
    AuditService { log, readers }
}

#[tokio::test]
async fn entries_are_told_whole_and_by_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder, Readers::Admins).await;
    let wanted = ListEntriesRequest {
        target: "a".to_owned(),
        ..ListEntriesRequest::default()
    };
    let told = service.list_entries(asked(Role::Admin, wanted)).await;
    let entries = told.unwrap().into_inner().entries;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, [3, 1]);
    let entry = &entries[0];
    assert_eq!(
        (entry.subject.as_str(), entry.role.as_str()),
        ("7", "admin")
    );
    assert_eq!(
        (entry.name.as_str(), entry.target.as_str()),
        ("ada@example.com", "a")
    );
    assert_eq!(
        (entry.before.as_str(), entry.after.as_str()),
        ("", r#"{"name":"b"}"#)
    );
    assert_eq!((entry.request_id.as_str(), entry.hash.len()), ("r-1", 64));
    assert!(entry.time.is_some());
    let verified = service.verify(asked(Role::Service, VerifyRequest {})).await;
    let whole = VerifyResponse {
        entries: 3,
        first_broken: 0,
    };
    assert_eq!(verified.unwrap().into_inner(), whole);
}

#[tokio::test]
async fn a_limit_that_is_too_large_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder, Readers::Admins).await;
    let wanted = ListEntriesRequest {
        limit: MOST + 1,
        ..ListEntriesRequest::default()
    };
    let refused = service.list_entries(asked(Role::Admin, wanted)).await;
    let error = Error::from(&refused.unwrap_err());
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(error.violations()[0].field, "limit");
}

#[tokio::test]
async fn nobody_but_admins_and_processes_reads_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder, Readers::Admins).await;
    for role in [
        Role::Anonymous,
        Role::Visitor,
        Role::User,
        Role::Admin,
        Role::SuperAdmin,
        Role::Service,
    ] {
        let listed = asked(role, ListEntriesRequest::default());
        let verified = asked(role, VerifyRequest {});
        let answers = [
            service.list_entries(listed).await.map(drop),
            service.verify(verified).await.map(drop),
        ];
        for answer in answers {
            match role {
                Role::Admin | Role::SuperAdmin | Role::Service => answer.unwrap(),
                _ => {
                    let error = Error::from(&answer.unwrap_err());
                    assert_eq!(error.code(), Code::PermissionDenied, "{role:?}");
                    assert_eq!(error.reason(), "admin_required", "{role:?}");
                }
            }
        }
    }
    // Where there is no door nobody is anybody.
    let unknown = Request::new(VerifyRequest {});
    assert!(service.verify(unknown).await.is_err());
}

#[tokio::test]
async fn a_log_for_super_admins_is_read_by_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let service = service(&folder, Readers::SuperAdmins).await;
    for (role, told) in [
        (Role::Anonymous, Some("auth_required")),
        (Role::User, Some("super_admin_required")),
        (Role::Admin, Some("super_admin_required")),
        (Role::Service, Some("super_admin_required")),
        (Role::SuperAdmin, None),
    ] {
        let listed = asked(role, ListEntriesRequest::default());
        let verified = asked(role, VerifyRequest {});
        let answers = [
            service.list_entries(listed).await.map(drop),
            service.verify(verified).await.map(drop),
        ];
        for answer in answers {
            let refused = answer.err().map(|status| Error::from(&status));
            let reason = refused.as_ref().map(Error::reason);
            assert_eq!(reason, told, "{role:?}");
        }
    }
}
