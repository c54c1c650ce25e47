//! What a body that does not fit is told, and that its content is never repeated.

use troika_proto::chat::v1::QueryRequest;

use super::*;
use crate::{
    request::{Question, Stop},
    speech::ToSpeak,
};

mod fuzz;

fn question(json: &str) -> Result<QueryRequest, serde_json::Value> {
    parse::<Question>(json.as_bytes())
        .map(QueryRequest::from)
        .map_err(|problem| problem.as_json())
}

#[test]
fn null_and_empty_optional_fields_are_absent_and_unknown_fields_are_ignored() {
    let request = question(
        r#"{"query":" q ","chatbotId":"b","sessionId":"","email":null,"phone":"","name":null,
            "language":"","enableTTS":null,"context":{"industry":"x"},"theme":["dark"]}"#,
    )
    .unwrap();
    assert_eq!(
        request,
        QueryRequest {
            query: " q ".to_owned(),
            chatbot_id: "b".to_owned(),
            ..Default::default()
        }
    );
}

#[test]
fn every_field_reaches_the_contract() {
    let request = question(
        r#"{"query":"q","chatbotId":"b","sessionId":"s","email":"e","phone":"p","name":"n","language":"l","enableTTS":true}"#,
    )
    .unwrap();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        request,
        QueryRequest {
            query: "q".to_owned(),
            chatbot_id: "b".to_owned(),
            session_id: some("s"),
            email: some("e"),
            phone: some("p"),
            name: some("n"),
            language: some("l"),
            enable_tts: Some(true),
            client_address: None,
        }
    );
}

#[test]
fn required_fields_that_are_absent_are_left_to_chat() {
    assert_eq!(question("{}").unwrap(), QueryRequest::default());
    assert_eq!(
        question(r#"{"query":null}"#).unwrap(),
        QueryRequest::default()
    );
}

#[test]
fn a_wrong_type_names_the_field_and_never_repeats_the_value() {
    let table = [
        (r#"{"query":4711}"#, "query", "string.base"),
        (r#"{"chatbotId":{"a":4711}}"#, "chatbotId", "string.base"),
        (r#"{"email":["4711"]}"#, "email", "string.base"),
        (r#"{"enableTTS":"4711"}"#, "enableTTS", "boolean.base"),
        (r#"["4711","b"]"#, "", "object.base"),
        (r#""4711""#, "", "object.base"),
        ("null", "", "object.base"),
    ];
    for (json, field, kind) in table {
        let problem = question(json).unwrap_err();
        assert_eq!(problem["status"], 400, "{json}");
        assert_eq!(problem["code"], "invalid_argument", "{json}");
        assert_eq!(problem["details"][0]["field"], field, "{json}");
        assert_eq!(problem["details"][0]["type"], kind, "{json}");
        assert!(!problem.to_string().contains("4711"), "{problem}");
    }
}

#[test]
fn a_value_outside_of_a_list_is_told_the_list() {
    let table = [
        (
            r#"{"format":"4711"}"#,
            "format",
            "any.only",
            "format must be one of mp3, wav, opus, pcm",
        ),
        (
            r#"{"format":4711}"#,
            "format",
            "string.base",
            "format must be a string",
        ),
        (
            r#"{"rate":"4711"}"#,
            "rate",
            "number.base",
            "rate must be a number",
        ),
        (
            r#"{"rate":"expected one of 4711"}"#,
            "rate",
            "number.base",
            "rate must be a number",
        ),
    ];
    for (json, field, kind, message) in table {
        let Err(problem) = parse::<ToSpeak>(json.as_bytes()) else {
            panic!("{json} was taken");
        };
        let problem = problem.as_json();
        let detail = serde_json::json!({"field": field, "message": message, "type": kind});
        assert_eq!(problem["details"], serde_json::json!([detail]), "{json}");
        assert!(!problem.to_string().contains("4711"), "{problem}");
    }
    for json in [
        r#"{"format":null,"rate":null,"voice":""}"#,
        r#"{"format":"","rate":2}"#,
    ] {
        assert!(parse::<ToSpeak>(json.as_bytes()).is_ok(), "{json}");
    }
}

#[test]
fn malformed_json_is_told_with_its_place() {
    let table = [
        ("", "empty"),
        ("  ", "ends too early"),
        ("{\"query\":\"4711\",\n  oops}", "line 2, column 3"),
        (
            "{\"query\":\"4711\"",
            "ends too early, at line 1, column 15",
        ),
        ("{\"query\":\"4711\"} x", "line 1, column 18"),
        ("4711 oops", "line 1, column 6"),
        ("query=4711", "line 1, column 1"),
        ("{\"query\":1e400}", "too large: see line 1, column 14"),
    ];
    for (json, place) in table {
        let problem = question(json).unwrap_err();
        assert_eq!(problem["code"], "malformed_json", "{json}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{json:?}: {detail}");
        assert!(!detail.contains("4711"), "{detail}");
    }
}

#[test]
fn more_values_than_anybody_needs_are_refused_before_they_are_read() {
    let many = |count: usize| {
        let fields: Vec<String> = (0..count).map(|at| format!("\"k{at}\":4711")).collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    };
    assert!(check_values(&many(9_999), 10_000).is_ok());
    let problem = check_values(&many(10_000), 10_000).unwrap_err().as_json();
    assert_eq!(problem["status"], 400);
    assert_eq!(problem["code"], "too_many_values");
    assert!(problem["detail"].as_str().unwrap().contains("10000"));
    assert!(!problem.to_string().contains("4711"), "{problem}");
    // A long question is few values.
    let long = format!("{{\"query\":\"{}\"}}", ",[{".repeat(100_000));
    assert!(check_values(long.as_bytes(), 10_000).is_ok());
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let problem = question(r#"{"query":"a","query":"b"}"#).unwrap_err();
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().contains("twice"));
}

#[test]
fn stop_names_exactly_one_target() {
    let stop = |json: &str| parse::<Stop>(json.as_bytes()).unwrap().into_request();
    assert!(stop(r#"{"turnId":"t"}"#).is_some());
    assert!(stop(r#"{"sessionId":"s","turnId":""}"#).is_some());
    assert!(stop("{}").is_none());
    assert!(stop(r#"{"turnId":"t","sessionId":"s"}"#).is_none());
}
