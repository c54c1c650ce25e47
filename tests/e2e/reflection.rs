//! Debugging with reflection alone: list, describe, call with a deadline, against each gRPC process.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use troika_tests::{
    listener::DEMO_BOT,
    provider::{Provider, Reply, Step},
    servers::tools,
};

use crate::sandbox;

/// Runs the real grpcurl, which speaks reflection v1alpha; success and what it printed.
fn grpcurl(address: &str, options: &[&str], call: &[&str], body: &str) -> (bool, String) {
    let program = tools().join("venv/bin/grpcurl");
    assert!(
        program.exists(),
        "{} is not there: tests/run installs it",
        program.display()
    );
    let mut child = Command::new(program)
        .arg("-plaintext")
        .args(options)
        .args(if body.is_empty() {
            &[][..]
        } else {
            &["-d", "@"]
        })
        .arg(address.strip_prefix("http://").unwrap())
        .args(call)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_lists_describes_and_calls() {
    let troika = sandbox().start_role("chat");
    let (listed, services) = grpcurl(troika.chat(), &[], &["list"], "");
    assert!(listed, "{services}");
    for service in [
        "troika.chat.v1.ChatStream",
        "troika.chat.v1.Chatbots",
        "grpc.health.v1.Health",
    ] {
        assert!(services.contains(service), "{services}");
    }
    let (_, described) = grpcurl(
        troika.chat(),
        &[],
        &["describe", "troika.chat.v1.ChatStream.Query"],
        "",
    );
    assert!(
        described.contains("returns ( stream .troika.chat.v1.TurnEvent )"),
        "{described}"
    );

    let question = format!("{{\"query\":\"What is troika?\",\"chatbot_id\":\"{DEMO_BOT}\"}}");
    let (answered, events) = grpcurl(
        troika.chat(),
        &["-max-time", "20"],
        &["troika.chat.v1.ChatStream/Query"],
        &question,
    );
    assert!(answered, "{events}");
    assert!(
        events.contains("\"connected\"") && events.contains("FINISH_REASON_STOP"),
        "{events}"
    );

    let (healthy, health) = grpcurl(troika.chat(), &[], &["grpc.health.v1.Health/List"], "{}");
    assert!(
        healthy && health.contains("troika.chat.v1.Chatbots") && health.contains("SERVING"),
        "{health}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_speaks() {
    let troika = sandbox().start_role("tts");
    let (listed, services) = grpcurl(troika.tts(), &[], &["list"], "");
    assert!(
        listed && services.contains("troika.tts.v1.TTS"),
        "{services}"
    );
    let (spoken, answer) = grpcurl(
        troika.tts(),
        &["-max-time", "20"],
        &["troika.tts.v1.TTS/Synthesize"],
        "{\"text\":\"Good morning.\",\"format\":\"AUDIO_FORMAT_MP3\"}",
    );
    assert!(spoken && answer.contains("audio/mpeg"), "{answer}");
    let (healthy, health) = grpcurl(troika.tts(), &[], &["grpc.health.v1.Health/List"], "{}");
    assert!(healthy && health.contains("troika.tts.v1.TTS"), "{health}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_carry_their_details_to_grpcurl() {
    let troika = sandbox().start_role("chat");
    let (answered, error) = grpcurl(
        troika.chat(),
        &[],
        &["troika.chat.v1.ChatStream/Query"],
        "{\"query\":\" \"}",
    );
    assert!(!answered);
    for part in [
        "InvalidArgument",
        "google.rpc.BadRequest",
        "chatbot_id",
        "google.rpc.ErrorInfo",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_call_and_the_provider_is_closed() {
    let provider = Provider::start([Reply::Stream(vec![Step::Hang])]).await;
    let troika = sandbox().provider(&provider).start_role("chat");
    let question = format!("{{\"query\":\"Q\",\"chatbot_id\":\"{DEMO_BOT}\"}}");
    let (answered, error) = grpcurl(
        troika.chat(),
        &["-max-time", "1"],
        &["troika.chat.v1.ChatStream/Query"],
        &question,
    );
    assert!(!answered && error.contains("DeadlineExceeded"), "{error}");
    provider.ended(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reflection_v1_answers_too() {
    let troika = sandbox().start_role("chat");
    let channel = Channel::from_shared(troika.chat().to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("a list of services")
    };
    assert!(
        list.service
            .iter()
            .any(|service| service.name == "troika.chat.v1.ChatStream")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_overall_and_by_service_name() {
    let troika = sandbox().start_role("chat");
    let channel = Channel::from_shared(troika.chat().to_owned())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let mut health = HealthClient::new(channel);
    for service in ["", "troika.chat.v1.ChatStream", "troika.chat.v1.Chatbots"] {
        let answer = health
            .check(HealthCheckRequest {
                service: service.into(),
            })
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = health
        .check(HealthCheckRequest {
            service: "nobody".into(),
        })
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_tells_its_health_over_grpc_too() {
    let troika = sandbox().start();
    let (listed, services) = grpcurl(troika.gateway(), &[], &["list"], "");
    assert!(
        listed && services.contains("grpc.health.v1.Health"),
        "{services}"
    );
    let check = ["grpc.health.v1.Health/Check"];
    let (told, health) = grpcurl(troika.gateway(), &["-max-time", "5"], &check, "{}");
    assert!(told && health.contains("\"SERVING\""), "{health}");
}
