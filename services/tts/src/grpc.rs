//! TTS on the wire: requests to sessions, sessions to streams.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::BytesMut;
use futures::{Stream, StreamExt as _, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tonic::{Request, Response, Status, Streaming};
use tracing::info;
use troika_chassis::{
    error::{Code, Error},
    lifecycle::{Drain, Hold},
};
use troika_evaluation::{built_in::TTS, follow::Flags};
use troika_identity::Caller;
use troika_proto::tts::v1::{
    AudioFormat, Finished, ListVoicesRequest, ListVoicesResponse, Manner as WireManner,
    SpeakRequest, SpeechEvent, SpeechWarning, SynthesizeRequest, SynthesizeResponse,
    SynthesizeStreamRequest, Voice as WireVoice, speech_event::Event,
    synthesize_stream_request::Message, tts_server::Tts,
};
use troika_reporting::Reporter;

use crate::{
    Config,
    allowance::{Allowance, Allowances},
    engine::SAMPLE_RATE,
    format::{self, Format},
    ladder::Ladder,
    session::{self, Manner},
    voices::{self, Voice},
};

mod request;

/// How long the first message of a turn may take.
const START: Duration = Duration::from_secs(5);

/// The service.
pub(crate) struct TtsService {
    pub(crate) ladder: Arc<Ladder>,
    pub(crate) config: Config,
    pub(crate) drain: Drain,
    pub(crate) flags: Flags,
    pub(crate) reporter: Reporter,
    pub(crate) allowances: Allowances,
    /// A place for each session.
    pub(crate) places: Arc<Semaphore>,
}

type Events = Pin<Box<dyn Stream<Item = Result<SpeechEvent, Status>> + Send>>;

/// What a session holds while it lives.
struct Place {
    _permit: OwnedSemaphorePermit,
    _hold: Hold,
}

impl TtsService {
    fn place(&self) -> Result<Place, Error> {
        let retry = |error: Error| error.with_retry_after(Duration::from_secs(1));
        if self.drain.refuses() {
            return Err(retry(Error::new(
                Code::Unavailable,
                "server_shutdown",
                "This server is shutting down. Please try again.",
            )));
        }
        // Percentages and lists are a matter of those who know the visitor; the kill switch is everybody's.
        if self.flags.now().flag(TTS).is_some_and(|flag| !flag.enabled) {
            return Err(Error::new(
                Code::Unavailable,
                "voice_off",
                "The voice is switched off.",
            ));
        }
        let permit = self.places.clone().try_acquire_owned().map_err(|_| {
            retry(Error::new(
                Code::ResourceExhausted,
                "too_many_sessions",
                "Too much is being spoken at once. Please try again in a moment.",
            ))
        })?;
        Ok(Place {
            _permit: permit,
            _hold: self.drain.hold("speech"),
        })
    }

    /// What the caller may have spoken.
    fn allowance<T>(&self, request: &Request<T>) -> Allowance {
        let caller = Caller::from_extensions(request.extensions());
        self.allowances.of(&caller)
    }

    /// The manner in which a request wants to be spoken, with the voices that are there.
    fn manner(&self, wanted: Option<WireManner>, live: bool) -> Result<Manner, Error> {
        let wanted = request::checked(wanted.unwrap_or_default())?;
        let mut voices = self.config.voices_of(wanted.language);
        if let Some(first) = wanted.voice {
            voices.retain(|voice| *voice != first);
            voices.insert(0, first);
        }
        voices.retain(|voice| self.ladder.has(voice));
        if voices.is_empty() {
            return Err(Error::new(
                Code::Unavailable,
                "voice_unavailable",
                "There is no voice for this language here.",
            ));
        }
        Ok(Manner {
            voices: voices.into(),
            rate: wanted.rate,
            live,
        })
    }

    /// The events of a session, until the process must end.
    fn session<S>(
        &self,
        place: Place,
        turn: Option<String>,
        manner: Manner,
        sentences: S,
    ) -> impl Stream<Item = Event> + Send + use<S> + 'static
    where
        S: Stream<Item = String> + Send + 'static,
    {
        let (drain, reporter) = (self.drain.clone(), self.reporter.clone());
        session::events(
            self.ladder.clone(),
            self.config.pace.clone(),
            manner,
            sentences,
        )
        .inspect(move |event| {
            let _held = &place;
            if let Event::Finished(finished) = event {
                let (hits, misses) = (finished.cache_hits, finished.cache_misses);
                reporter.looked("speech", hits.into(), misses.into());
                log(turn.as_deref(), finished);
            }
        })
        .take_until(async move { drain.ending().await })
    }

    /// A whole text's session.
    fn text(
        &self,
        text: &str,
        manner: Option<WireManner>,
        live: bool,
    ) -> Result<impl Stream<Item = Event> + Send + use<> + 'static, Error> {
        let text = request::text(text)?;
        // First whether there is to be any voice, then which.
        let place = self.place()?;
        let manner = self.manner(manner, live)?;
        let sentences: Vec<String> = troika_sentences::sentences(text, manner.voices[0].language)
            .into_iter()
            .map(|sentence| sentence.spoken().to_owned())
            .filter(|spoken| !spoken.is_empty())
            .collect();
        if sentences.is_empty() {
            return Err(request::violation(
                "text",
                "string.empty",
                "text holds nothing that can be spoken",
            ));
        }
        Ok(self.session(place, None, manner, stream::iter(sentences)))
    }
}

#[tonic::async_trait]
impl Tts for TtsService {
    type SpeakStream = Events;
    type SynthesizeStreamStream = Events;

    async fn synthesize(
        &self,
        request: Request<SynthesizeRequest>,
    ) -> Result<Response<SynthesizeResponse>, Status> {
        let allowance = self.allowance(&request);
        let request = request.into_inner();
        let format = request::format(request.format());
        let events = self.text(&request.text, request.manner, false)?;
        allowance.spend(&request.text).await?;
        Ok(Response::new(whole(events, format).await?))
    }

    async fn speak(
        &self,
        request: Request<SpeakRequest>,
    ) -> Result<Response<Self::SpeakStream>, Status> {
        let allowance = self.allowance(&request);
        let request = request.into_inner();
        let events = self.text(&request.text, request.manner, true)?;
        allowance.spend(&request.text).await?;
        Ok(Response::new(on_the_wire(events)))
    }

    async fn synthesize_stream(
        &self,
        request: Request<Streaming<SynthesizeStreamRequest>>,
    ) -> Result<Response<Self::SynthesizeStreamStream>, Status> {
        let allowance = self.allowance(&request);
        let mut messages = request.into_inner();
        // Who says nothing takes no place from those who do.
        let first = timeout(START, messages.message()).await.map_err(|_| {
            request::violation("start", "any.required", "start did not come in time")
        })?;
        let first = first?.and_then(|first| first.message);
        let Some(Message::Start(start)) = first else {
            return Err(request::violation(
                "start",
                "any.required",
                "the first message must be start",
            )
            .into());
        };
        let place = self.place()?;
        let manner = self.manner(start.manner, true)?;
        // A listener that breaks off has nothing more to say; its own stream is dropped anyway.
        let sentences = messages.filter_map(async |message| match message.ok()?.message? {
            Message::Sentence(sentence) => Some(sentence.text),
            Message::Start(_) => None,
        });
        let turn = uuid::Uuid::try_parse(&start.turn_id)
            .ok()
            .map(|id| id.to_string());
        let (sentences, over) = allowance.within(sentences);
        let events = self.session(place, turn, manner, sentences);
        Ok(Response::new(on_the_wire(told_of_the_end(events, over))))
    }

    async fn list_voices(
        &self,
        request: Request<ListVoicesRequest>,
    ) -> Result<Response<ListVoicesResponse>, Status> {
        let language = request.into_inner().language;
        let languages = if language.is_empty() {
            voices::LANGUAGES.to_vec()
        } else {
            vec![request::language(&language)?]
        };
        let voices = languages
            .into_iter()
            .flat_map(|language| self.config.voices_of(language))
            .map(|voice| wire_voice(&voice, self.ladder.has(&voice)))
            .collect();
        Ok(Response::new(ListVoicesResponse { voices }))
    }
}

fn wire_voice(voice: &Voice, available: bool) -> WireVoice {
    WireVoice {
        name: voice.name.clone(),
        language: voice.language.to_owned(),
        engine: voice.engine.name().to_owned(),
        family: voice.family.name().to_owned(),
        available,
    }
}

/// Tells, before the last event, that the day's characters were used up; unless something was told to be missing already.
fn told_of_the_end(
    events: impl Stream<Item = Event> + Send + 'static,
    over: Arc<AtomicBool>,
) -> impl Stream<Item = Event> + Send + 'static {
    let mut warned = false;
    events.flat_map(move |event| {
        warned |= matches!(event, Event::Warning(_));
        let warning = match &event {
            Event::Finished(finished) if over.load(Ordering::Relaxed) && !warned => {
                let nothing = finished.chunks == 0;
                Some(Event::Warning(SpeechWarning {
                    code: if nothing {
                        "voice_unavailable"
                    } else {
                        "voice_incomplete"
                    }
                    .into(),
                    message: "No more can be spoken today.".into(),
                }))
            }
            _ => None,
        };
        stream::iter(warning.into_iter().chain([event]))
    })
}

fn on_the_wire(events: impl Stream<Item = Event> + Send + 'static) -> Events {
    Box::pin(events.map(|event| Ok(SpeechEvent { event: Some(event) })))
}

/// Plays a session to its end, into one file.
async fn whole(
    events: impl Stream<Item = Event>,
    wanted: Format,
) -> Result<SynthesizeResponse, Error> {
    let mut pcm = BytesMut::new();
    let mut spoken: Vec<String> = Vec::new();
    let (mut warning, mut summary) = (None, None);
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::Audio(audio) => {
                pcm.extend_from_slice(&audio.pcm);
                if audio.last {
                    spoken.push(audio.text);
                }
            }
            Event::Warning(told) => warning = Some(told),
            Event::Finished(finished) => summary = Some(finished),
        }
    }
    let Some(summary) = summary else {
        return Err(Error::new(
            Code::Unavailable,
            "server_shutdown",
            "This server is shutting down. Please try again.",
        )
        .with_retry_after(Duration::from_secs(1)));
    };
    if pcm.is_empty() {
        return Err(Error::new(
            Code::Unavailable,
            "voice_unavailable",
            "The voice is not available right now. Please try again in a moment.",
        )
        .with_retry_after(Duration::from_secs(5)));
    }
    // Encoding is work for a thread of its own: minutes of sound take a while.
    let audio = tokio::task::spawn_blocking(move || format::encode(&pcm, wanted))
        .await
        .map_err(Error::internal)?
        .map_err(Error::internal)?;
    Ok(SynthesizeResponse {
        audio,
        format: wire_format(wanted).into(),
        content_type: wanted.content_type().to_owned(),
        sample_rate_hertz: SAMPLE_RATE,
        channels: 1,
        duration: summary.duration,
        spoken_text: spoken.join(" "),
        summary: Some(summary),
        warning,
    })
}

fn wire_format(format: Format) -> AudioFormat {
    match format {
        Format::Pcm => AudioFormat::Pcm,
        Format::Wav => AudioFormat::Wav,
        Format::Mp3 => AudioFormat::Mp3,
        Format::Opus => AudioFormat::Opus,
    }
}

/// One line a session: figures, never text.
fn log(turn: Option<&str>, finished: &Finished) {
    info!(
        turn_id = turn,
        sentences = finished.sentences,
        failed = finished.failed,
        chunks = finished.chunks,
        seconds = finished
            .duration
            .as_ref()
            .map_or(0.0, |duration| duration.seconds as f64
                + f64::from(duration.nanos) / 1e9),
        cache_hits = finished.cache_hits,
        cache_misses = finished.cache_misses,
        fallbacks = finished.fallbacks,
        quota_empty = finished.quota_empty,
        merged = finished.merged,
        voice = finished.voice,
        "speech ended"
    );
}
