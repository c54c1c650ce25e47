//! The service over a real connection and the embedded store.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use serde_json::json;
use tempfile::TempDir;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Server};
use troika_chassis::lifecycle::Drain;
use troika_identity::{Caller, Role};
use troika_proto::chat::v1::{
    chatbots_client::ChatbotsClient, chatbots_server::ChatbotsServer,
    import_knowledge_request::Part, import_knowledge_response::Progress as Step,
};

use super::*;
use crate::{
    history::{Message, Outcome, Sender, Visitor},
    knowledge::Config,
    store::embedded::Embedded,
};

struct Running {
    client: ChatbotsClient<Channel>,
    store: Embedded,
    audit: AuditLog,
    _folder: TempDir,
}

async fn running() -> Running {
    let folder = TempDir::new().unwrap();
    let store = Embedded::open(&folder.path().join("chat.redb")).unwrap();
    let config = Config {
        upload_silence: Duration::from_millis(500),
        ..Config::default()
    };
    let importer = Arc::new(Importer::new(Arc::new(store.clone()), None, config));
    let audit = AuditLog::start("chat", Arc::new(store.audit()), Drain::default());
    let service = ChatbotsService::new(
        Arc::new(store.clone()),
        Arc::new(store.clone()),
        Arc::new(store.clone()),
        Arc::new(store.clone()),
        importer,
        audit.clone(),
    );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let known = |mut request: Request<()>| {
        request.extensions_mut().insert(staff());
        Ok(request)
    };
    let service = ChatbotsServer::with_interceptor(service, known);
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let client = ChatbotsClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    Running {
        client,
        store,
        audit,
        _folder: folder,
    }
}

/// Who asks in all of these tests.
fn staff() -> Caller {
    Caller {
        role: Role::Admin,
        subject: "7".into(),
        name: "ada@example.com".into(),
        ..Caller::default()
    }
}

impl Running {
    /// What the audit log says, the oldest first: action, target, before, after.
    async fn audited(&self) -> Vec<(String, String, serde_json::Value, serde_json::Value)> {
        let found = self.audit.list(&Default::default(), 100).await.unwrap();
        let read = |text: &str| serde_json::from_str(text).unwrap_or_default();
        let said = found.into_iter().rev().map(|stored| {
            let said = stored.entry.unwrap().recorded;
            assert_eq!((said.subject.as_str(), said.role.as_str()), ("7", "admin"));
            assert_eq!(said.name, "ada@example.com");
            (
                said.action,
                said.target,
                read(&said.before),
                read(&said.after),
            )
        });
        said.collect()
    }

    async fn create(&mut self, bot: wire::Bot) -> Result<wire::Bot, Error> {
        let request = wire::CreateBotRequest { bot: Some(bot) };
        self.client
            .create_bot(request)
            .await
            .map(|answer| answer.into_inner().bot.unwrap())
            .map_err(failure)
    }

    async fn list(
        &mut self,
        page_size: u32,
        page_token: &str,
    ) -> Result<wire::ListBotsResponse, Error> {
        let request = wire::ListBotsRequest {
            page_size,
            page_token: page_token.into(),
        };
        self.client
            .list_bots(request)
            .await
            .map(tonic::Response::into_inner)
            .map_err(failure)
    }

    async fn import(&mut self, parts: Vec<Part>) -> Result<Vec<Step>, Error> {
        let parts = stream::iter(
            parts
                .into_iter()
                .map(|part| wire::ImportKnowledgeRequest { part: Some(part) }),
        );
        self.import_stream(parts).await
    }

    async fn import_stream(
        &mut self,
        parts: impl Stream<Item = wire::ImportKnowledgeRequest> + Send + 'static,
    ) -> Result<Vec<Step>, Error> {
        let mut steps = Vec::new();
        let mut answers = self
            .client
            .import_knowledge(parts)
            .await
            .map_err(failure)?
            .into_inner();
        while let Some(answer) = answers.message().await.map_err(failure)? {
            steps.push(answer.progress.unwrap());
        }
        Ok(steps)
    }

    async fn documents(&mut self, bot: &str) -> Vec<wire::Document> {
        let request = wire::ListKnowledgeRequest {
            chatbot_id: bot.into(),
        };
        self.client
            .list_knowledge(request)
            .await
            .unwrap()
            .into_inner()
            .documents
    }
}

fn failure(status: Status) -> Error {
    Error::from(&status)
}

fn named(name: &str) -> wire::Bot {
    wire::Bot {
        name: name.into(),
        ..wire::Bot::default()
    }
}

fn header(bot: &str, file_name: &str) -> Part {
    Part::Header(wire::ImportHeader {
        chatbot_id: bot.into(),
        file_name: file_name.into(),
        ..wire::ImportHeader::default()
    })
}

fn data(text: &str) -> Part {
    Part::Data(Bytes::copy_from_slice(text.as_bytes()))
}

fn fields(error: &Error) -> Vec<&str> {
    error
        .violations()
        .iter()
        .map(|violation| violation.field.as_str())
        .collect()
}

#[tokio::test]
async fn a_bot_is_created_read_changed_and_deleted() {
    let mut service = running().await;
    let bot = service
        .create(wire::Bot {
            persona: "You guide.".into(),
            ..named("Guide")
        })
        .await
        .unwrap();
    assert_eq!(bot.id.len(), 24);
    let read = service
        .client
        .get_bot(wire::GetBotRequest { id: bot.id.clone() })
        .await
        .unwrap()
        .into_inner()
        .bot;
    assert_eq!(read, Some(bot.clone()));

    let update_mask = Some(prost_types::FieldMask {
        paths: vec!["name".into()],
    });
    let sent = wire::Bot {
        id: bot.id.clone(),
        ..named("Renamed")
    };
    let request = wire::UpdateBotRequest {
        bot: Some(sent),
        update_mask,
    };
    let changed = service
        .client
        .update_bot(request)
        .await
        .unwrap()
        .into_inner()
        .bot
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.persona.as_str()),
        ("Renamed", "You guide.")
    );
    assert_eq!(changed.created_at, bot.created_at);

    service
        .import(vec![header(&bot.id, "a.txt"), data("one two three")])
        .await
        .unwrap();
    let request = wire::DeleteBotRequest { id: bot.id.clone() };
    let deleted = service
        .client
        .delete_bot(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.chunks_deleted, 1);
    assert_eq!(
        failure(service.client.delete_bot(request).await.unwrap_err()).reason(),
        "bot_not_found"
    );
}

#[tokio::test]
async fn what_a_bot_may_use_is_set_changed_and_shown() {
    let mut service = running().await;
    let quota = wire::BotQuota {
        token_limit: Some(1_000),
        free_messages: Some(2),
        ..wire::BotQuota::default()
    };
    let bot = service
        .create(wire::Bot {
            company_id: "c".into(),
            quota: Some(quota.clone()),
            ..named("Guide")
        })
        .await
        .unwrap();
    assert_eq!((bot.company_id.as_str(), &bot.quota), ("c", &Some(quota)));
    let get = wire::GetBotRequest { id: bot.id.clone() };
    let read = service.client.get_bot(get).await.unwrap().into_inner().bot;
    assert_eq!(read.as_ref(), Some(&bot));
    let listed = service.list(0, "").await.unwrap().bots;
    assert_eq!(listed.first(), Some(&bot));

    let request = wire::UpdateBotRequest {
        bot: Some(wire::Bot {
            quota: Some(wire::BotQuota {
                monthly_limit: Some(5),
                ..wire::BotQuota::default()
            }),
            ..bot.clone()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["quota.monthly_limit".into(), "quota.token_limit".into()],
        }),
    };
    let answer = service.client.update_bot(request.clone()).await.unwrap();
    let quota = answer.into_inner().bot.unwrap().quota.unwrap();
    assert_eq!((quota.token_limit, quota.monthly_limit), (None, Some(5)));
    assert_eq!(quota.free_messages, Some(2));
}

#[tokio::test]
async fn a_company_cannot_change_what_its_bots_may_use_or_whose_they_are() {
    let service = running().await;
    let store = Arc::new(service.store.clone());
    let importer = Arc::new(Importer::new(store.clone(), None, Config::default()));
    let inside = ChatbotsService::new(
        store.clone(),
        store.clone(),
        store.clone(),
        store,
        importer,
        service.audit.clone(),
    );
    for path in ["quota", "quota.free_messages", "company_id"] {
        let mut request = Request::new(wire::UpdateBotRequest {
            bot: Some(wire::Bot {
                id: "0".repeat(24),
                ..named("Guide")
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["name".into(), path.into()],
            }),
        });
        request.extensions_mut().insert(Caller {
            role: Role::User,
            company: Some("c".into()),
            ..Caller::default()
        });
        let status = inside.update_bot(request).await.unwrap_err();
        assert_eq!(failure(status).reason(), "admin_required", "{path}");
    }
}

#[tokio::test]
async fn an_id_that_is_taken_is_a_conflict() {
    let mut service = running().await;
    let bot = service.create(named("One")).await.unwrap();
    let error = service
        .create(wire::Bot {
            id: bot.id,
            ..named("Two")
        })
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.reason()),
        (Code::AlreadyExists, "bot_exists")
    );
}

#[tokio::test]
async fn faults_travel_with_their_fields() {
    let mut service = running().await;
    let error = service
        .create(wire::Bot {
            id: "x".into(),
            temperature: Some(3.0),
            ..named("")
        })
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert_eq!(fields(&error), ["id", "name", "temperature"]);
}

#[tokio::test]
async fn an_unknown_bot_is_not_found_by_any_call() {
    let mut service = running().await;
    let id = "0".repeat(24);
    let mut errors = vec![
        service
            .client
            .get_bot(wire::GetBotRequest { id: id.clone() })
            .await
            .map(drop),
        service
            .client
            .delete_bot(wire::DeleteBotRequest { id: id.clone() })
            .await
            .map(drop),
        service
            .client
            .list_knowledge(wire::ListKnowledgeRequest {
                chatbot_id: id.clone(),
            })
            .await
            .map(drop),
    ];
    let update = wire::UpdateBotRequest {
        bot: Some(wire::Bot {
            id: id.clone(),
            ..named("n")
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["name".into()],
        }),
    };
    errors.push(service.client.update_bot(update).await.map(drop));
    let delete = wire::DeleteKnowledgeRequest {
        chatbot_id: id.clone(),
        file_name: String::new(),
    };
    errors.push(service.client.delete_knowledge(delete).await.map(drop));
    let messages = wire::ListMessagesRequest {
        chatbot_id: id.clone(),
        session_id: "s".into(),
        limit: 0,
    };
    errors.push(service.client.list_messages(messages).await.map(drop));
    for error in errors {
        let error = failure(error.unwrap_err());
        assert_eq!(
            (error.code(), error.reason()),
            (Code::NotFound, "bot_not_found")
        );
    }
    let error = service
        .import(vec![header(&id, "a.txt"), data("x")])
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "bot_not_found");
}

#[tokio::test]
async fn pages_hold_every_bot_once_in_the_order_of_ids() {
    let mut service = running().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(
            service
                .create(wire::Bot {
                    id: format!("{n:024}"),
                    ..named("Bot")
                })
                .await
                .unwrap()
                .id,
        );
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = service.list(2, &token).await.unwrap();
        assert!(page.bots.len() <= 2);
        seen.extend(page.bots.into_iter().map(|bot| bot.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(service.list(5, "").await.unwrap().next_page_token, "");
    assert_eq!(
        fields(&service.list(201, "nonsense").await.unwrap_err()),
        ["page_size", "page_token"]
    );
}

#[tokio::test]
async fn a_document_is_imported_listed_replaced_and_deleted() {
    let mut service = running().await;
    let bot = service.create(named("Guide")).await.unwrap().id;
    let steps = service
        .import(vec![header(&bot, "a.txt"), data("one two "), data("three")])
        .await
        .unwrap();
    let stages: Vec<i32> = steps
        .iter()
        .filter_map(|step| {
            if let Step::Step(step) = step {
                Some(step.stage)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(stages, [1, 2, 4]);
    let summary = wire::ImportSummary {
        chunks: 1,
        duplicates: 0,
        embedded: 0,
        warnings: vec![],
    };
    assert_eq!(steps.last(), Some(&Step::Done(summary)));

    service
        .import(vec![header(&bot, "a.txt"), data("four five")])
        .await
        .unwrap();
    service
        .import(vec![header(&bot, "b.md"), data("# six")])
        .await
        .unwrap();
    let mut names: Vec<_> = service
        .documents(&bot)
        .await
        .into_iter()
        .map(|d| (d.file_name, d.chunks))
        .collect();
    names.sort();
    assert_eq!(names, [("a.txt".to_owned(), 1), ("b.md".to_owned(), 1)]);

    let request = |file_name: &str| wire::DeleteKnowledgeRequest {
        chatbot_id: bot.clone(),
        file_name: file_name.into(),
    };
    let mut client = service.client.clone();
    assert_eq!(
        client
            .delete_knowledge(request("a.txt"))
            .await
            .unwrap()
            .into_inner()
            .chunks_deleted,
        1
    );
    assert_eq!(
        client
            .delete_knowledge(request(""))
            .await
            .unwrap()
            .into_inner()
            .chunks_deleted,
        1
    );
    assert!(service.documents(&bot).await.is_empty());
}

#[tokio::test]
async fn an_upload_that_breaks_the_rules_is_refused_with_its_reason() {
    let mut service = running().await;
    let bot = service.create(named("Guide")).await.unwrap().id;
    let large = Part::Data(vec![b'a'; (1 << 20) + 1].into());
    let cases: Vec<(Vec<Part>, Code, &str)> = vec![
        (vec![], Code::InvalidArgument, "invalid_argument"),
        (vec![data("x")], Code::InvalidArgument, "invalid_argument"),
        (
            vec![header(&bot, "a.exe")],
            Code::InvalidArgument,
            "invalid_argument",
        ),
        (
            vec![header(&bot, "a.txt"), data("x"), header(&bot, "a.txt")],
            Code::InvalidArgument,
            "invalid_argument",
        ),
        (
            vec![header(&bot, "a.txt"), large],
            Code::InvalidArgument,
            "invalid_argument",
        ),
        (
            vec![header(&bot, "a.txt")],
            Code::InvalidArgument,
            "document_empty",
        ),
        (
            vec![header(&bot, "a.pdf"), data("no pdf")],
            Code::InvalidArgument,
            "document_malformed",
        ),
    ];
    for (parts, code, reason) in cases {
        let error = service.import(parts).await.unwrap_err();
        assert_eq!((error.code(), error.reason()), (code, reason), "{error}");
    }
    assert!(service.documents(&bot).await.is_empty());
}

#[tokio::test]
async fn an_upload_that_falls_silent_ends() {
    let mut service = running().await;
    let bot = service.create(named("Guide")).await.unwrap().id;
    let header = wire::ImportKnowledgeRequest {
        part: Some(header(&bot, "a.txt")),
    };
    let parts = stream::iter([header]).chain(stream::pending());
    let error = service.import_stream(parts).await.unwrap_err();
    assert_eq!(
        (error.code(), error.reason()),
        (Code::DeadlineExceeded, "upload_stalled")
    );
}

#[tokio::test]
async fn messages_are_listed_in_their_order_even_when_the_bot_is_gone() {
    let mut service = running().await;
    let bot = service.create(named("Guide")).await.unwrap().id;
    let message = |sender, content: &str, outcome| Message {
        bot: bot.parse().unwrap(),
        session: "s".into(),
        turn: None,
        sender,
        content: content.into(),
        time: SystemTime::UNIX_EPOCH,
        tokens: None,
        outcome,
        visitor: Visitor::default(),
    };
    let said = [
        message(Sender::User, "Hello?", None),
        message(Sender::Bot, "Hi", Some(Outcome::Stopped)),
    ];
    service.store.append(&said).await.unwrap();
    service
        .client
        .delete_bot(wire::DeleteBotRequest { id: bot.clone() })
        .await
        .unwrap();
    let request = wire::ListMessagesRequest {
        chatbot_id: bot.clone(),
        session_id: "s".into(),
        limit: 0,
    };
    let messages = service
        .client
        .list_messages(request)
        .await
        .unwrap()
        .into_inner()
        .messages;
    let told: Vec<_> = messages
        .iter()
        .map(|m| (m.sender, m.content.as_str(), m.outcome.as_str()))
        .collect();
    assert_eq!(told, [(1, "Hello?", ""), (2, "Hi", "stopped")]);
    let request = wire::ListMessagesRequest {
        chatbot_id: "x".into(),
        session_id: " ".into(),
        limit: 999,
    };
    let error = failure(service.client.list_messages(request).await.unwrap_err());
    assert_eq!(fields(&error), ["chatbot_id", "session_id", "limit"]);
}

#[tokio::test]
async fn what_changes_is_in_the_audit_log_and_what_is_refused_is_not() {
    let mut service = running().await;
    let bot = service.create(named("Guide")).await.unwrap();
    // Refused, for three reasons.
    service.create(bot.clone()).await.unwrap_err();
    service.create(named("")).await.unwrap_err();
    let sent = wire::Bot {
        name: "Host".into(),
        persona: "You are kind.".into(),
        ..bot.clone()
    };
    let update = |bot: wire::Bot, paths: &[&str]| wire::UpdateBotRequest {
        bot: Some(bot),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let unknown = wire::Bot {
        id: "0".repeat(24),
        ..sent.clone()
    };
    let refused = service.client.update_bot(update(unknown, &["name"])).await;
    refused.unwrap_err();
    let changed = update(sent, &["name", "persona"]);
    service.client.update_bot(changed).await.unwrap();
    let id = bot.id;
    let words = Part::Data(Bytes::from_static(b"Open from nine to five."));
    service
        .import(vec![header(&id, "hours.txt"), words])
        .await
        .unwrap();
    // Nothing can be read in it: nothing is changed.
    service
        .import(vec![header(&id, "empty.txt")])
        .await
        .unwrap_err();
    for file_name in ["none.txt", "hours.txt"] {
        let request = wire::DeleteKnowledgeRequest {
            chatbot_id: id.clone(),
            file_name: file_name.into(),
        };
        service.client.delete_knowledge(request).await.unwrap();
    }
    for _ in 0..2 {
        let request = wire::DeleteBotRequest { id: id.clone() };
        // The second time there is none.
        let _ = service.client.delete_bot(request).await;
    }
    let audited = service.audited().await;
    let actions: Vec<_> = audited.iter().map(|(action, ..)| action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "bot.create",
            "bot.update",
            "knowledge.import",
            "knowledge.delete",
            "bot.delete"
        ]
    );
    assert!(audited.iter().all(|(_, target, ..)| *target == id));
    let (_, _, before, after) = &audited[0];
    assert_eq!((before, &after["name"]), (&json!(null), &json!("Guide")));
    let (_, _, before, after) = &audited[1];
    assert_eq!(*before, json!({ "name": "Guide", "persona": "" }));
    assert_eq!(
        *after,
        json!({ "name": "Host", "persona": "You are kind." })
    );
    assert_eq!(
        audited[2].3,
        json!({ "fileName": "hours.txt", "chunks": 1 })
    );
    assert_eq!(audited[3].2, json!({ "fileName": "hours.txt" }));
    assert_eq!(audited[3].3, json!({ "chunksDeleted": 1 }));
    assert_eq!(
        (&audited[4].2["name"], &audited[4].3),
        (&json!("Host"), &json!(null))
    );
}
