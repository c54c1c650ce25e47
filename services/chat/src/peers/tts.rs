//! The speech service: sentences out, sound in. It must not know which text is spoken when.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _, TryStreamExt as _, future, stream};
use http::Uri;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tonic::{Request, Status};
use troika_chassis::{
    channel::{Channel, ChannelConfig, channel, reach},
    config::{Problems, Validate},
    context::RequestContext,
    error::Error,
    health::{
        client::HealthClient,
        v1::{HealthCheckRequest, health_check_response::ServingStatus},
    },
};
use troika_proto::tts::v1::{
    AudioFormat, Manner, Sentence, Start, SynthesizeRequest, SynthesizeResponse,
    SynthesizeStreamRequest, speech_event::Event, synthesize_stream_request::Message,
    tts_client::TtsClient, tts_server::SERVICE_NAME,
};
use url::Url;
use uuid::Uuid;

/// Sentences that wait for a speech service that takes none; with more, the voice is given up. The
/// longest answer has fewer.
const WAITING: usize = 512;

/// The largest spoken answer, in bytes: ten times what the longest answer takes as MP3.
const LARGEST: usize = 16 << 20;

/// Where the speech service is and how long it may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The speech role's gRPC address: `http://` in plain text, `https://` with TLS.
    pub address: Url,
    /// The connections to it.
    pub channel: ChannelConfig,
    /// Longest silence of the speech service once the text is over; then the rest stays unspoken.
    #[serde(with = "humantime_serde")]
    pub silence: Duration,
    /// Limit for a whole answer as one file.
    #[serde(with = "humantime_serde")]
    pub file: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: default_address(),
            channel: ChannelConfig::default(),
            silence: Duration::from_secs(10),
            file: Duration::from_secs(30),
        }
    }
}

// The literal is a URL; a test says so.
#[allow(clippy::expect_used)]
fn default_address() -> Url {
    Url::parse("http://127.0.0.1:50052").expect("the default address is a URL")
}

impl Validate for Config {
    fn validate(&self, problems: &mut Problems) {
        troika_chassis::channel::check_address(problems, "address", &self.address);
        self.channel.validate(&mut problems.at("channel"));
        for (key, limit) in [("silence", self.silence), ("file", self.file)] {
            problems.check(!limit.is_zero(), key, "must be longer than 0s");
        }
    }
}

/// The speech service. Cloning shares its connections.
#[derive(Clone, Debug)]
pub(crate) struct Tts {
    client: TtsClient<Channel>,
    health: HealthClient<Channel>,
    pub(crate) config: Config,
}

impl Tts {
    /// Connects when it is first used. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// An address that cannot be called.
    pub(crate) fn new(config: &Config) -> Result<Self, http::uri::InvalidUri> {
        let address: Uri = config.address.as_str().parse()?;
        let channel = channel(address, &config.channel);
        Ok(Self {
            health: HealthClient::new(channel.clone()),
            client: TtsClient::new(channel).max_decoding_message_size(LARGEST),
            config: config.clone(),
        })
    }

    /// Whether the service says that it takes calls.
    pub(crate) async fn is_there(&self) -> bool {
        let asked = HealthCheckRequest {
            service: SERVICE_NAME.to_owned(),
        };
        let answer = self.health.clone().check(asked).await;
        answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
    }

    /// A turn's speech: where its sentences go, and what is heard of them. Nothing is asked until the
    /// sound is polled; closing the sender ends the text, dropping the sound cancels everything.
    pub(crate) fn speak(
        &self,
        turn: Uuid,
        language: &str,
        request: &RequestContext,
    ) -> (
        mpsc::Sender<String>,
        impl Stream<Item = Result<Event, Status>> + Send + use<>,
    ) {
        let (sentences, waiting) = mpsc::channel(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        let start = Start {
            turn_id: turn.to_string(),
            manner: Some(manner(language)),
        };
        let (client, request) = (self.client.clone(), request.clone());
        let opened = async move {
            reach(|| {
                let mut client = client.clone();
                let mut call = Request::new(outgoing(start.clone(), waiting.clone()));
                request.inject_metadata(call.metadata_mut());
                async move { client.synthesize_stream(call).await }
            })
            .await
        };
        let sound = stream::once(opened)
            .map_ok(tonic::Response::into_inner)
            .try_flatten()
            .try_filter_map(|told| future::ok(told.event));
        (sentences, sound)
    }

    /// A whole text as an MP3 file.
    ///
    /// # Errors
    /// The service's own status, or that it took too long.
    pub(crate) async fn file(
        &self,
        text: &str,
        language: &str,
        request: &RequestContext,
    ) -> Result<SynthesizeResponse, Status> {
        let wanted = SynthesizeRequest {
            text: text.to_owned(),
            manner: Some(manner(language)),
            format: AudioFormat::Mp3.into(),
        };
        let called = reach(|| {
            let mut client = self.client.clone();
            let mut call = Request::new(wanted.clone());
            call.set_timeout(self.config.file);
            request.inject_metadata(call.metadata_mut());
            async move { client.synthesize(call).await }
        });
        tokio::time::timeout(self.config.file, called)
            .await
            .map_err(|_| Status::deadline_exceeded("the speech service took too long"))?
            .map(tonic::Response::into_inner)
    }
}

/// Whether the speech service speaks for nobody because people switched it off: no fault to tell of.
pub(crate) fn switched_off(status: &Status) -> bool {
    Error::from(status).reason() == "voice_off"
}

fn manner(language: &str) -> Manner {
    Manner {
        language: language.to_owned(),
        ..Manner::default()
    }
}

/// The messages of one try to open a turn's speech. A try that never left this process has taken no
/// sentence, so the next one finds them all.
fn outgoing(
    start: Start,
    waiting: Arc<Mutex<mpsc::Receiver<String>>>,
) -> impl Stream<Item = SynthesizeStreamRequest> + Send + 'static {
    let sentences = stream::poll_fn(move |context| {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .poll_recv(context)
    });
    stream::iter([Message::Start(start)])
        .chain(sentences.map(|text| Message::Sentence(Sentence { text })))
        .map(|message| SynthesizeStreamRequest {
            message: Some(message),
        })
}
