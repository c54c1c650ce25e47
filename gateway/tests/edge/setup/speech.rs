//! A scripted speech role and the gateway in front of it. It asserts nothing by itself.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures::stream::Empty;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataMap};
use troika_gateway::Config;
use troika_proto::tts::v1::{
    AudioFormat, Finished, ListVoicesRequest, ListVoicesResponse, SpeakRequest, SpeechEvent,
    SynthesizeRequest, SynthesizeResponse, SynthesizeStreamRequest, Voice,
    tts_server::{Tts, TtsServer},
};

use super::{FakeChat, House, PATIENCE, ending};

type Script = dyn Fn(&SynthesizeRequest) -> Result<SynthesizeResponse, Status> + Send + Sync;
type VoicesScript = dyn Fn(&str) -> Result<Vec<Voice>, Status> + Send + Sync;

/// What the scripted speech role does, and what it saw.
#[derive(Clone)]
pub(crate) struct FakeSpeech {
    script: Arc<Script>,
    voices: Arc<VoicesScript>,
    delay: Duration,
    pub(crate) asked: Arc<Mutex<Vec<SynthesizeRequest>>>,
    pub(crate) metadata: Arc<Mutex<Option<MetadataMap>>>,
    /// Calls that are being answered.
    under_way: watch::Sender<usize>,
}

/// A call that is being answered, or that was left.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl FakeSpeech {
    /// Answers every text with what `script` makes of it, and lists no voice.
    pub(crate) fn scripted(
        script: impl Fn(&SynthesizeRequest) -> Result<SynthesizeResponse, Status>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            script: Arc::new(script),
            voices: Arc::new(|_| Ok(Vec::new())),
            delay: Duration::ZERO,
            asked: Arc::default(),
            metadata: Arc::default(),
            under_way: watch::Sender::new(0),
        }
    }

    /// Speaks every text.
    pub(crate) fn speaking() -> Self {
        Self::scripted(|request| Ok(spoken(request)))
    }

    /// The same, after a while.
    pub(crate) fn late_by(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// The same, with a list of voices for each language.
    pub(crate) fn with_voices(
        self,
        voices: impl Fn(&str) -> Result<Vec<Voice>, Status> + Send + Sync + 'static,
    ) -> Self {
        Self {
            voices: Arc::new(voices),
            ..self
        }
    }

    /// Waits until `count` calls are being answered.
    pub(crate) async fn under_way(&self, count: usize) {
        let mut calls = self.under_way.subscribe();
        tokio::time::timeout(PATIENCE, calls.wait_for(|calls| *calls == count))
            .await
            .expect("another number of calls is under way")
            .unwrap();
    }

    /// Serves this role on a free port until the task is aborted.
    async fn serve(self) -> (SocketAddr, JoinHandle<Result<(), tonic::transport::Error>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tonic::transport::Server::builder()
            .add_service(TtsServer::new(self))
            .serve_with_incoming(TcpListenerStream::new(listener));
        (address, tokio::spawn(served))
    }

    /// A gateway in front of this role.
    pub(crate) async fn house(self) -> House {
        self.house_with(|_| {}).await
    }

    /// A gateway in front of this role, with a configuration that `change` has changed.
    pub(crate) async fn house_with(self, change: impl FnOnce(&mut Config)) -> House {
        let (address, _served) = self.serve().await;
        house_at(address, change).await
    }
}

/// A gateway whose speech role is wherever `address` is.
pub(crate) async fn house_at(address: SocketAddr, change: impl FnOnce(&mut Config)) -> House {
    let chat = FakeChat::streaming(|_| ending(Vec::new()));
    House::start_with(chat, |config| {
        config.tts = format!("http://{address}").parse().unwrap();
        change(config);
    })
    .await
}

/// A file of a second and a half.
pub(crate) fn spoken(request: &SynthesizeRequest) -> SynthesizeResponse {
    SynthesizeResponse {
        audio: Bytes::from_static(b"sound"),
        format: request.format,
        content_type: match request.format() {
            AudioFormat::Unspecified | AudioFormat::Pcm => "audio/pcm;rate=24000",
            AudioFormat::Wav => "audio/wav",
            AudioFormat::Mp3 => "audio/mpeg",
            AudioFormat::Opus => "audio/ogg",
        }
        .into(),
        duration: Some(prost_types::Duration {
            seconds: 1,
            nanos: 500_000_000,
        }),
        spoken_text: "Hello.".into(),
        summary: Some(Finished {
            engine: "espeak".into(),
            voice: "espeak-hi".into(),
            ..Finished::default()
        }),
        ..SynthesizeResponse::default()
    }
}

#[tonic::async_trait]
impl Tts for FakeSpeech {
    type SpeakStream = Empty<Result<SpeechEvent, Status>>;
    type SynthesizeStreamStream = Empty<Result<SpeechEvent, Status>>;

    async fn synthesize(
        &self,
        request: Request<SynthesizeRequest>,
    ) -> Result<Response<SynthesizeResponse>, Status> {
        self.under_way.send_modify(|count| *count += 1);
        let _under_way = UnderWay(self.under_way.clone());
        *self.metadata.lock().unwrap() = Some(request.metadata().clone());
        tokio::time::sleep(self.delay).await;
        let request = request.into_inner();
        let spoken = (self.script)(&request);
        self.asked.lock().unwrap().push(request);
        spoken.map(Response::new)
    }

    async fn speak(&self, _: Request<SpeakRequest>) -> Result<Response<Self::SpeakStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn synthesize_stream(
        &self,
        _: Request<Streaming<SynthesizeStreamRequest>>,
    ) -> Result<Response<Self::SynthesizeStreamStream>, Status> {
        Err(Status::unimplemented("not scripted"))
    }

    async fn list_voices(
        &self,
        request: Request<ListVoicesRequest>,
    ) -> Result<Response<ListVoicesResponse>, Status> {
        let voices = (self.voices)(&request.into_inner().language)?;
        Ok(Response::new(ListVoicesResponse { voices }))
    }
}
