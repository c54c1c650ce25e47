//! `troika say`: a text spoken into an audio file by a running speech role.

use std::{
    io::{IsTerminal as _, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use troika_proto::tts::v1::{AudioFormat, Manner, SynthesizeRequest, SynthesizeResponse};

use crate::{
    cli::Role,
    client::{Peer, within},
    config::Config,
    exit::{Exit, Failure},
    output,
};

/// What a long text may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The largest file that is taken: five thousand characters of slow raw sound.
const LARGEST: usize = 256 << 20;

/// What to say and where to put it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file's ending chooses the format: .wav, .mp3, .opus or .ogg, .pcm (raw samples: signed 16 bit, \
little-endian, 24 kHz, mono). `--out -` writes a WAV to standard output.

Examples:
  troika say \"Hello, how are you?\" --out hello.wav
  troika say --language hi-IN \"आपका स्वागत है।\" --out welcome.mp3
  troika say < speech.txt --out speech.opus
  troika say \"Hello.\" --out - | aplay")]
pub(crate) struct Args {
    /// The text; from standard input when absent
    text: Option<String>,
    /// The file to write; - for standard output
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The language, such as hi-IN
    #[arg(long, value_name = "TAG", default_value = "en-IN")]
    language: String,
    /// A voice, such as en-IN-Chirp3-HD-Leda; the language's own when absent
    #[arg(long, value_name = "NAME", default_value = "")]
    voice: String,
    /// The speed, 0.25 to 2
    #[arg(long, value_name = "FACTOR")]
    rate: Option<f64>,
    /// The speech role's gRPC address, such as 127.0.0.1:50052; the configured one when absent
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
}

/// Speaks.
///
/// # Errors
/// When the text cannot be read or spoken, or the file not written.
pub(crate) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let format = format(&args.out)?;
    let text = match args.text {
        Some(text) => text,
        None => read_stdin()?,
    };
    let peer = Peer::at(Role::Tts, args.addr.as_deref(), config)?;
    let request = SynthesizeRequest {
        text,
        manner: Some(Manner {
            language: args.language,
            voice: args.voice,
            rate: args.rate,
        }),
        format: format.into(),
    };
    let mut client = peer.speech().max_decoding_message_size(LARGEST);
    let spoken = client
        .synthesize(within(PATIENCE, request))
        .await
        .map_err(|status| peer.failure(&status))?
        .into_inner();
    write(&args.out, &spoken.audio)?;
    tell(&args.out, &spoken);
    Ok(())
}

/// The format that a file's ending stands for.
fn format(file: &Path) -> Result<AudioFormat, Failure> {
    if file.as_os_str() == "-" {
        return Ok(AudioFormat::Wav);
    }
    let ending = file
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("wav") => Ok(AudioFormat::Wav),
        Some("mp3") => Ok(AudioFormat::Mp3),
        Some("opus" | "ogg") => Ok(AudioFormat::Opus),
        Some("pcm" | "raw") => Ok(AudioFormat::Pcm),
        _ => Err(Failure::new(
            Exit::Usage,
            format!("{} has no ending that is a format", file.display()),
        )
        .with_detail("write one of .wav, .mp3, .opus, .pcm")),
    }
}

fn read_stdin() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::new(Exit::Usage, "there is nothing to say")
            .with_detail("give a text, or put one on standard input"));
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::because(Exit::Failed, "the text cannot be read", &error))?;
    Ok(text)
}

fn write(file: &Path, audio: &[u8]) -> Result<(), Failure> {
    let written = if file.as_os_str() == "-" {
        let mut output = std::io::stdout().lock();
        output.write_all(audio).and_then(|()| output.flush())
    } else {
        std::fs::write(file, audio)
    };
    written.map_err(|error| {
        let what = format!("{} cannot be written", file.display());
        Failure::because(Exit::Failed, &what, &error)
    })
}

/// One line for a person: how long, by whom, and what is missing.
fn tell(file: &Path, spoken: &SynthesizeResponse) {
    let seconds = spoken.duration.as_ref().map_or(0.0, |duration| {
        duration.seconds as f64 + f64::from(duration.nanos) / 1e9
    });
    let voice = spoken
        .summary
        .as_ref()
        .map_or("", |summary| summary.voice.as_str());
    output::aside(&format!(
        "{}: {seconds:.1} s, {voice}, {}",
        file.display(),
        spoken.content_type
    ));
    if let Some(warning) = &spoken.warning {
        output::warning(&warning.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_chooses_the_format() {
        for (file, wanted) in [
            ("a.wav", AudioFormat::Wav),
            ("a.b.MP3", AudioFormat::Mp3),
            ("a.opus", AudioFormat::Opus),
            ("a.ogg", AudioFormat::Opus),
            ("a.pcm", AudioFormat::Pcm),
            ("-", AudioFormat::Wav),
        ] {
            assert_eq!(format(Path::new(file)), Ok(wanted), "{file}");
        }
        assert_eq!(format(Path::new("a.txt")).unwrap_err().exit(), Exit::Usage);
        assert_eq!(format(Path::new("a")).unwrap_err().exit(), Exit::Usage);
    }
}
