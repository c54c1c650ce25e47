//! What becomes of chat's words on their way to an HTTP client.

use troika_chassis::error::Code;

use super::*;

fn detail(field: &str, message: &str) -> Detail {
    Detail::from(&Violation {
        field: field.to_owned(),
        message: message.to_owned(),
        kind: "any.required".to_owned(),
    })
}

#[test]
fn fields_are_named_as_clients_send_them() {
    for (wire, json) in [
        ("chatbot_id", "chatbotId"),
        ("question.session_id", "sessionId"),
        ("enable_tts", "enableTTS"),
        ("query", "query"),
        ("turn_id", "turnId"),
        ("", ""),
    ] {
        let message = format!("{wire} is required");
        let detail = detail(wire, &message);
        assert_eq!(detail.field, json);
        assert_eq!(detail.message, format!("{json} is required"));
    }
}

#[test]
fn an_error_keeps_its_code_its_words_and_its_violations() {
    let error = Error::new(Code::InvalidArgument, "invalid_argument", "Two are wrong.")
        .with_violations(vec![
            Violation {
                field: "query".to_owned(),
                message: "query must not be empty".to_owned(),
                kind: "string.empty".to_owned(),
            },
            Violation {
                field: "chatbot_id".to_owned(),
                message: "chatbot_id must be 24 hexadecimal digits".to_owned(),
                kind: "string.pattern.base".to_owned(),
            },
        ]);
    let problem = Problem::from(error);
    let document = serde_json::to_value(problem.document("r-1")).unwrap();
    assert_eq!(
        document,
        serde_json::json!({
            "type": "urn:troika:problem:invalid_argument",
            "title": Code::InvalidArgument.title(),
            "status": 400,
            "detail": "Two are wrong.",
            "error": "Two are wrong.",
            "message": "Two are wrong.",
            "code": "invalid_argument",
            "details": [
                {"field": "query", "message": "query must not be empty", "type": "string.empty"},
                {"field": "chatbotId", "message": "chatbotId must be 24 hexadecimal digits", "type": "string.pattern.base"},
            ],
            "requestId": "r-1",
        })
    );
}
