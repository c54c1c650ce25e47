//! What a person at the terminal is told once everything runs: what to open, what is embedded, what is
//! real, and how to change it. It must not know how anything was found out.

use super::ready::{Engine, Report};

/// The text, several lines long. `program` is how this program was called, so that what is shown can be
/// copied.
pub(super) fn text(report: &Report, program: &str) -> String {
    let mut lines = vec![
        format!("\n  troika {}", env!("CARGO_PKG_VERSION")),
        String::new(),
    ];
    if let Some(gateway) = &report.gateway {
        lines.push(entry("open", gateway, "the chat page"));
        lines.push(entry(
            "",
            &format!("{gateway}/docs"),
            "the HTTP interface, to read and to try",
        ));
    }
    if let Some(chat) = &report.chat {
        lines.push(entry(
            "ask",
            &ask(program, &chat.address),
            "from a second terminal",
        ));
        lines.push(String::new());
        for (job, engine, change) in [
            ("store", &chat.store, "MONGODB_URI chooses a MongoDB"),
            ("cache", &chat.cache, "REDIS_URL chooses a Redis"),
            (
                "model",
                &chat.model,
                "OPENAI_BASE_URL or OPENAI_API_KEY chooses a language model",
            ),
            (
                "embeddings",
                &chat.embeddings,
                "OPENAI_EMBEDDINGS_BASE_URL chooses an endpoint",
            ),
        ] {
            lines.push(match engine {
                Engine::Embedded(_) => entry(job, &in_words(job, engine), change),
                Engine::Real(shown) => entry(job, shown, "as configured"),
            });
        }
    }
    if let Some(tts) = &report.tts {
        let change = "GOOGLE_CLOUD_CREDENTIALS chooses Google's voices";
        lines.push(match &tts.voice {
            Engine::Embedded(_) => entry("voice", &in_words("voice", &tts.voice), change),
            Engine::Real(shown) => entry("voice", shown, "as configured"),
        });
    }
    lines.push(String::new());
    lines.push(format!(
        "  `{program} config` shows every setting, `{program} --help` every verb. Ctrl-C stops.\n"
    ));
    lines.join("\n")
}

/// The command that talks to the demo bot here; a role that is not where everybody looks for it must be
/// named.
fn ask(program: &str, address: &str) -> String {
    let command = format!("{program} chat {}", troika_chat::demo::BOT_ID);
    let expected = troika_chat::Config::default().listen.to_string();
    let address = address.trim_start_matches("http://");
    match address.trim_start_matches("https://") {
        place if place == expected => command,
        _ => format!("{command} --addr {address}"),
    }
}

fn entry(what: &str, value: &str, note: &str) -> String {
    format!("  {what:<11} {value:<40} {note}")
}

fn in_words(job: &str, engine: &Engine) -> String {
    match job {
        "cache" => "in this process".to_owned(),
        "model" => "none: answers quote the bot's knowledge".to_owned(),
        "embeddings" => "none: knowledge is found by its words".to_owned(),
        "voice" if engine.shown() == "none" => "none: install espeak-ng for one".to_owned(),
        _ => engine.shown().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::Role;
    use futures::executor::block_on;

    use super::*;
    use crate::config::Config;

    #[test]
    fn what_is_embedded_says_how_to_change_it() {
        let text = text(
            &block_on(Report::new(&Config::default(), |role| {
                matches!(role, Role::Chat | Role::Gateway)
            })),
            "troika",
        );
        for part in [
            "http://127.0.0.1:5000",
            "MONGODB_URI",
            "REDIS_URL",
            "OPENAI_BASE_URL",
            "embedded(data/chat.redb)",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_gateway_alone_tells_nothing_about_stores() {
        assert!(
            !text(
                &block_on(Report::new(&Config::default(), |role| role == Role::Gateway)),
                "troika"
            )
            .contains("MONGODB_URI")
        );
    }

    #[test]
    fn a_chat_role_elsewhere_is_named_in_the_command() {
        assert_eq!(
            ask("troika", "http://127.0.0.1:50051"),
            "troika chat 000000000000000000000001"
        );
        assert_eq!(
            ask("bin/troika", "http://127.0.0.1:7000"),
            "bin/troika chat 000000000000000000000001 --addr 127.0.0.1:7000"
        );
    }
}
