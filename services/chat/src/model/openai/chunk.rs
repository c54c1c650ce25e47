//! What a provider says in one event of its stream, or in the body of an error. Pure text. Decoded
//! leniently: compatible servers leave out fields that OpenAI always sends.

use serde::Deserialize;

use crate::{
    model::{Delta, Finish, ModelError},
    usage::Usage,
};

/// Characters of a provider's error message that reach the log.
const MAX_ERROR_MESSAGE: usize = 300;

#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: WireError,
}

/// OpenAI sends an object; some compatible servers a plain string.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum WireError {
    Object {
        code: Option<serde_json::Value>,
        r#type: Option<String>,
    },
    Other(serde::de::IgnoredAny),
}

impl WireError {
    /// Type and code alone, cut short: a provider's message may quote the prompt.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Object { code, r#type } => {
                let code = code
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_else(|| "no code".into());
                let text = format!("{} ({code})", r#type.as_deref().unwrap_or("error"));
                text.chars().take(MAX_ERROR_MESSAGE).collect()
            }
            Self::Other(_) => "an error without type or code".into(),
        }
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<WireUsage>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: WireDelta,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireDelta {
    content: Option<String>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: u32,
    #[serde(default)]
    completion_tokens: u32,
}

/// The deltas of one event, in their order.
pub(super) fn decode(data: &str) -> Result<Vec<Delta>, ModelError> {
    let chunk: Chunk = serde_json::from_str(data).map_err(|error| {
        // Its own words may quote the answer.
        ModelError::Malformed(format!(
            "{:?} error at column {}",
            error.classify(),
            error.column()
        ))
    })?;
    if let Some(error) = chunk.error {
        return Err(ModelError::Reported(error.text()));
    }
    let mut deltas = Vec::with_capacity(1);
    if let Some(choice) = chunk.choices.into_iter().next() {
        // A refusal is the model's answer too: it is text for the visitor.
        let text = choice
            .delta
            .content
            .filter(|text| !text.is_empty())
            .or(choice.delta.refusal);
        deltas.extend(text.filter(|text| !text.is_empty()).map(Delta::Text));
        deltas.extend(choice.finish_reason.map(|reason| {
            Delta::Finish(match reason.as_str() {
                "length" | "max_tokens" => Finish::Length,
                "content_filter" => Finish::ContentFilter,
                // "stop", and words of compatible servers such as "eos_token": the model finished.
                _ => Finish::Stop,
            })
        }));
    }
    deltas.extend(chunk.usage.map(|usage| {
        Delta::Usage(Usage {
            prompt: usage.prompt_tokens,
            completion: usage.completion_tokens,
            estimated: false,
        })
    }));
    Ok(deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_read_leniently_and_errors_are_told_apart() {
        let text = decode(r#"{"choices":[{"delta":{"content":"hé"}}]}"#).unwrap();
        assert_eq!(text, [Delta::Text("hé".into())]);
        let last = decode(r#"{"choices":[{"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#).unwrap();
        assert_eq!(
            last,
            [
                Delta::Finish(Finish::Length),
                Delta::Usage(Usage {
                    prompt: 3,
                    completion: 2,
                    estimated: false
                })
            ]
        );
        assert_eq!(decode(r#"{"choices":[],"usage":null}"#).unwrap(), []);
        assert!(
            matches!(decode(r#"{"error":{"message":"secret prompt","type":"server_error","code":500}}"#), Err(ModelError::Reported(text)) if text == "server_error (500)")
        );
        assert!(
            matches!(decode(r#"{"choices":"words of the answer"}"#), Err(ModelError::Malformed(text)) if !text.contains("words"))
        );
    }
}
