//! What belongs to one bot and one company is nobody else's: every method and route that names a bot, with tokens of
//! others.

use serde_json::json;
use tonic::{Code, Request, Status, metadata::MetadataValue, transport::Channel};
use troika_proto::{
    chat::v1::{
        AnswerRequest, Bot, DeleteKnowledgeRequest, GetBotRequest, ImportHeader,
        ImportKnowledgeRequest, ListBotsRequest, ListKnowledgeRequest, ListMessagesRequest,
        QueryRequest, UpdateBotRequest, chat_stream_client::ChatStreamClient,
        chatbots_client::ChatbotsClient, import_knowledge_request::Part,
    },
    flagd::sync::v1::{FetchAllFlagsRequest, flag_sync_service_client::FlagSyncServiceClient},
    metrics::v1::{
        Dimension, GetSnapshotRequest, ListEventsRequest, metrics_client::MetricsClient,
    },
};
use troika_tests::{listener::DEMO_BOT, sandbox::token};

use super::{OTHER_BOT, OWN_COMPANY, reason};
use crate::sandbox;

const OTHER_COMPANY: &str = "64b0c0ffee0000000000ffff";

/// A call that shows a token.
fn by<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

/// What a call is told; empty when it passed.
fn told<T>(outcome: Result<T, Status>) -> String {
    outcome
        .map(drop)
        .map_or_else(|status| reason(&status), |()| String::new())
}

fn company(id: &str) -> String {
    token(json!({ "id": "u1", "email": "u@b.example", "role": "user", "companyId": id }))
}

fn question() -> QueryRequest {
    QueryRequest {
        query: "What is troika?".into(),
        chatbot_id: DEMO_BOT.into(),
        ..QueryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_looked_after_and_asked_by_its_own_company_alone() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    for arguments in [
        [
            "update",
            DEMO_BOT,
            "--company",
            OWN_COMPANY,
            "--persona",
            "Short.",
        ],
        ["create", "--id", OTHER_BOT, "--name", "Other", "--company"],
    ] {
        let mut arguments = arguments.to_vec();
        arguments.insert(0, "bots");
        if arguments[1] == "create" {
            arguments.push(OTHER_COMPANY);
        }
        arguments.extend(["--addr", troika.chat()]);
        let done = sandbox.run(&arguments);
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let channel = Channel::from_shared(troika.chat().to_owned())
        .unwrap()
        .connect_lazy();
    let bots = || ChatbotsClient::new(channel.clone());
    let chat = || ChatStreamClient::new(channel.clone());
    let bot = || DEMO_BOT.to_owned();
    let (own, other) = (company(OWN_COMPANY), company(OTHER_COMPANY));
    let visitor_elsewhere = token(json!({ "userId": "v1", "chatbotId": OTHER_BOT }));

    for (who, expected) in [(&own, ""), (&other, "token_for_other_company")] {
        let header = ImportKnowledgeRequest {
            part: Some(Part::Header(ImportHeader {
                chatbot_id: bot(),
                file_name: "a.txt".into(),
                ..ImportHeader::default()
            })),
        };
        let data = ImportKnowledgeRequest {
            part: Some(Part::Data("Some words.".into())),
        };
        let import = tokio_stream::iter([header, data]);
        let imported = match bots().import_knowledge(by(who, import)).await {
            Ok(response) => {
                let mut progress = response.into_inner();
                loop {
                    match progress.message().await {
                        Ok(Some(_)) => {}
                        Ok(None) => break Ok(()),
                        Err(status) => break Err(status),
                    }
                }
            }
            Err(status) => Err(status),
        };
        let update = UpdateBotRequest {
            bot: Some(Bot {
                id: bot(),
                name: "Renamed".into(),
                ..Bot::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["name".into()],
            }),
        };
        let outcomes = [
            (
                "GetBot",
                told(bots().get_bot(by(who, GetBotRequest { id: bot() })).await),
            ),
            ("UpdateBot", told(bots().update_bot(by(who, update)).await)),
            ("ImportKnowledge", told(imported)),
            (
                "ListKnowledge",
                told(
                    bots()
                        .list_knowledge(by(who, ListKnowledgeRequest { chatbot_id: bot() }))
                        .await,
                ),
            ),
            (
                "DeleteKnowledge",
                told(
                    bots()
                        .delete_knowledge(by(
                            who,
                            DeleteKnowledgeRequest {
                                chatbot_id: bot(),
                                file_name: "a.txt".into(),
                            },
                        ))
                        .await,
                ),
            ),
            (
                "ListMessages",
                told(
                    bots()
                        .list_messages(by(
                            who,
                            ListMessagesRequest {
                                chatbot_id: bot(),
                                session_id: uuid::Uuid::new_v4().to_string(),
                                limit: 0,
                            },
                        ))
                        .await,
                ),
            ),
            ("Query", told(chat().query(by(who, question())).await)),
            (
                "Answer",
                told(
                    chat()
                        .answer(by(
                            who,
                            AnswerRequest {
                                question: Some(question()),
                            },
                        ))
                        .await,
                ),
            ),
        ];
        for (method, outcome) in outcomes {
            assert_eq!(outcome, expected, "{method}");
        }
        let listed = bots()
            .list_bots(by(who, ListBotsRequest::default()))
            .await
            .unwrap();
        let listed: Vec<String> = listed
            .into_inner()
            .bots
            .into_iter()
            .map(|bot| bot.id)
            .collect();
        let theirs = if expected.is_empty() {
            DEMO_BOT
        } else {
            OTHER_BOT
        };
        assert_eq!(listed, [theirs]);
    }
    let elsewhere = told(chat().query(by(&visitor_elsewhere, question())).await);
    assert_eq!(elsewhere, "token_for_other_bot");

    // The same at the edge.
    for path in ["/api/chat/query", "/api/chat/query/stream"] {
        for (who, expected) in [
            (&own, None),
            (&other, Some("token_for_other_company")),
            (&visitor_elsewhere, Some("token_for_other_bot")),
        ] {
            let asked = troika_tests::http()
                .post(format!("{}{path}", troika.gateway()))
                .bearer_auth(who)
                .json(&json!({ "query": "What is troika?", "chatbotId": DEMO_BOT }));
            let response = asked.send().await.unwrap();
            match expected {
                None => assert_eq!(response.status(), 200, "{path}"),
                Some(code) => {
                    assert_eq!(response.status(), 403, "{path}");
                    let problem: serde_json::Value = response.json().await.unwrap();
                    assert_eq!(problem["code"], code, "{path}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_figures_of_bots_are_told_to_administrators_alone() {
    let troika = sandbox().start();
    let asked = json!({ "query": "What is troika?", "chatbotId": DEMO_BOT });
    troika_tests::listener::ask(troika.gateway(), &asked)
        .await
        .all()
        .await;
    let channel = Channel::from_shared(troika.metrics().to_owned())
        .unwrap()
        .connect_lazy();
    let metrics = || MetricsClient::new(channel.clone());
    let visitor = token(json!({ "userId": "v1", "chatbotId": DEMO_BOT }));
    let admin = token(json!({ "id": "a", "email": "a@b.example", "role": "admin" }));
    let events = async |who: &str| {
        let listed = metrics()
            .list_events(by(who, ListEventsRequest::default()))
            .await;
        listed.unwrap().into_inner().events
    };
    troika_tests::until(
        "the turn is counted",
        std::time::Duration::from_secs(15),
        async || !events(&admin).await.is_empty(),
    )
    .await;
    assert!(!events(&admin).await[0].session_id.is_empty());
    let seen = events(&visitor).await;
    assert_eq!(
        (seen[0].session_id.as_str(), seen[0].turn_id.as_str()),
        ("", "")
    );
    let by_bot = GetSnapshotRequest {
        by: Dimension::Bot.into(),
        ..GetSnapshotRequest::default()
    };
    let refused = metrics()
        .get_snapshot(by(&visitor, by_bot))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(metrics().get_snapshot(by(&admin, by_bot)).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_people_are_not_told_to_visitors() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let admin = token(json!({ "id": "a", "email": "a@b.example", "role": "admin" }));
    let shown: serde_json::Value = troika_tests::http()
        .get(format!("{}/api/flags/streaming", troika.gateway()))
        .bearer_auth(&admin)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut flag = shown["flag"].clone();
    flag["blacklist"] = json!(["somebody-in-particular"]);
    flag["expectedRevision"] = flag["revision"].clone();
    let fields = flag.as_object_mut().unwrap();
    for ours in ["updatedBy", "updatedAt"] {
        fields.remove(ours);
    }
    let stored = troika_tests::http()
        .put(format!("{}/api/flags/streaming", troika.gateway()))
        .bearer_auth(&admin)
        .json(&flag)
        .send()
        .await
        .unwrap();
    assert_eq!(stored.status(), 200, "{}", stored.text().await.unwrap());
    let channel = Channel::from_shared(troika.flags().to_owned())
        .unwrap()
        .connect_lazy();
    let definitions = async |who: &str| {
        let mut sync = FlagSyncServiceClient::new(channel.clone());
        let fetched = sync
            .fetch_all_flags(by(who, FetchAllFlagsRequest::default()))
            .await;
        fetched.unwrap().into_inner().flag_configuration
    };
    troika_tests::until(
        "the list is known",
        std::time::Duration::from_secs(15),
        async || definitions(&admin).await.contains("somebody-in-particular"),
    )
    .await;
    for who in [
        token(json!({ "userId": "v1", "chatbotId": DEMO_BOT })),
        company(OWN_COMPANY),
    ] {
        let told = definitions(&who).await;
        assert!(told.contains("streaming") && !told.contains("somebody-in-particular"));
    }
}
