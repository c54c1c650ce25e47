//! The messages of `google.cloud.texttospeech.v1` and `google.rpc` that are on the wire here, with those of
//! their fields that matter.

/// A request of a stream: first the configuration, then texts.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamingSynthesizeRequest {
    #[prost(message, optional, tag = "1")]
    pub(super) streaming_config: Option<StreamingSynthesizeConfig>,
    #[prost(message, optional, tag = "2")]
    pub(super) input: Option<StreamingSynthesisInput>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamingSynthesizeConfig {
    #[prost(message, optional, tag = "1")]
    pub(super) voice: Option<VoiceSelectionParams>,
    #[prost(message, optional, tag = "4")]
    pub(super) streaming_audio_config: Option<StreamingAudioConfig>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VoiceSelectionParams {
    #[prost(string, tag = "1")]
    pub(super) language_code: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamingAudioConfig {
    #[prost(int32, tag = "1")]
    pub(super) audio_encoding: i32,
    #[prost(int32, tag = "2")]
    pub(super) sample_rate_hertz: i32,
    #[prost(double, tag = "3")]
    pub(super) speaking_rate: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamingSynthesisInput {
    #[prost(string, optional, tag = "1")]
    pub(super) text: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StreamingSynthesizeResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) audio_content: Vec<u8>,
}

/// `google.rpc.Status`, as it is in a gRPC status's details.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    pub(super) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(super) retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Delay {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}
