//! `troika check connections`: asks everything that the configuration names once, and says how long it
//! took. It must not show a key or a password.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{StatusCode, redirect::Policy};
use troika_chassis::{
    config::Secret,
    mongo::Mongo,
    redis::{Redis, RedisConfig},
};
use url::Url;

use super::cause;
use crate::{
    config::Config,
    connection_string,
    exit::{Exit, Failure},
    output,
};

/// What one answer may take, the connection included.
const ANSWER: Duration = Duration::from_secs(5);

/// One thing that was asked.
struct Finding {
    what: &'static str,
    place: String,
    answer: Answer,
}

enum Answer {
    /// Nothing is configured: it is part of the process.
    Embedded,
    Fine(Duration, &'static str),
    Bad(String),
}

/// Prints what is connected and what is not.
///
/// # Errors
/// When something that is configured does not answer as it should.
pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let http = reqwest::Client::builder()
        .timeout(ANSWER)
        .redirect(Policy::none())
        .build()
        .map_err(|error| Failure::because(Exit::Failed, "HTTP is not to be had", &error))?;
    let models = join_all(config.chat.model.endpoints().into_iter().map(|endpoint| {
        let http = &http;
        async move { model(http, "model", &endpoint.base_url, &endpoint.api_key).await }
    }));
    let embeddings = async {
        match &config.chat.embeddings.base_url {
            Some(url) => model(&http, "embeddings", url, &config.chat.embeddings.api_key).await,
            None => embedded("embeddings", "none: knowledge is found by its words"),
        }
    };
    let (store, cache, mut models, embeddings) =
        tokio::join!(store(config), cache(config), models, embeddings);
    if models.is_empty() {
        models.push(embedded("model", "none: answers quote the bot's knowledge"));
    }
    let findings: Vec<_> = [store, cache]
        .into_iter()
        .chain(models)
        .chain([embeddings])
        .collect();

    output::table(
        &["What", "Where", "Answer"],
        findings.iter().map(Finding::row),
    )?;
    if findings
        .iter()
        .any(|finding| matches!(finding.answer, Answer::Bad(_)))
    {
        return Err(Failure::silent(Exit::Unreachable));
    }
    Ok(())
}

fn embedded(what: &'static str, place: impl Into<String>) -> Finding {
    Finding {
        what,
        place: place.into(),
        answer: Answer::Embedded,
    }
}

async fn store(config: &Config) -> Finding {
    let uri = config.mongodb.uri.expose();
    if uri.is_empty() {
        return embedded(
            "store",
            config
                .data_dir
                .join(troika_chat::EMBEDDED_FILE)
                .display()
                .to_string(),
        );
    }
    let place = format!("mongodb {}", connection_string::hosts(uri));
    let begun = Instant::now();
    let answer = match Mongo::connect(&config.mongodb).await {
        Err(problem) => Answer::Bad(problem.to_string()),
        Ok(mongo) => Answer::of(begun, mongo.ping().await),
    };
    Finding {
        what: "store",
        place,
        answer,
    }
}

async fn cache(config: &Config) -> Finding {
    let url = config.redis.url.expose();
    if url.is_empty() {
        return embedded("cache", "in the process");
    }
    let place = format!("redis {}", connection_string::hosts(url));
    let begun = Instant::now();
    // The first command waits for the connection, which a running role has long made.
    let settings = RedisConfig {
        pool: 1,
        operation_timeout: config.redis.operation_timeout + config.redis.connect_timeout,
        ..config.redis.clone()
    };
    let answer = match Redis::connect(&settings) {
        Err(problem) => Answer::Bad(problem.to_string()),
        Ok(redis) => Answer::of(begun, redis.ping().await),
    };
    Finding {
        what: "cache",
        place,
        answer,
    }
}

/// Asks an endpoint for its models: every compatible server has the list, and it costs no tokens.
async fn model(
    http: &reqwest::Client,
    what: &'static str,
    base_url: &Url,
    key: &Secret,
) -> Finding {
    let mut place = base_url.clone();
    // An address that cannot carry a user has none to hide.
    let _ = place
        .set_username("")
        .and_then(|()| place.set_password(None));
    let mut request = http.get(format!(
        "{}/models",
        base_url.as_str().trim_end_matches('/')
    ));
    if !key.is_empty() {
        request = request.bearer_auth(key.expose());
    }
    let begun = Instant::now();
    let answer = match request.send().await {
        Err(error) => Answer::Bad(cause(&error.without_url())),
        Ok(response) => match response.status() {
            status if status.is_success() => Answer::Fine(begun.elapsed(), ""),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Answer::Bad("it answers, and refuses the key".into())
            }
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                Answer::Fine(begun.elapsed(), ", without a list of models")
            }
            status => Answer::Bad(format!("it answers {status}")),
        },
    };
    Finding {
        what,
        place: place.to_string(),
        answer,
    }
}

impl Answer {
    fn of<E: Error>(begun: Instant, outcome: Result<(), E>) -> Self {
        match outcome {
            Ok(()) => Self::Fine(begun.elapsed(), ""),
            Err(error) => Self::Bad(cause(&error)),
        }
    }
}

impl Finding {
    fn row(&self) -> Vec<String> {
        let answer = match &self.answer {
            Answer::Embedded => "embedded".to_owned(),
            Answer::Fine(took, note) => format!("yes, after {} ms{note}", took.as_millis()),
            Answer::Bad(why) => why.clone(),
        };
        vec![self.what.to_owned(), self.place.clone(), answer]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_without_configuration_misses_nothing() {
        // As main does; whichever test is first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert!(run(&Config::default()).await.is_ok());
    }
}
