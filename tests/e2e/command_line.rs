//! The command line as scripts use it: exit codes, what stands on standard output, errors in words.

use std::process::Output;

use troika_tests::{
    listener::DEMO_BOT,
    provider::{Provider, Reply},
    servers,
};

use crate::sandbox;

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn everything_wrong_with_a_configuration_is_told_at_once() {
    let sandbox = sandbox()
        .env("PORT", "many")
        .env("OPENAI_BASE_URL", "ftp://models")
        .env("TROIKA_CHAT__MODEL__TEMPERATURE", "9")
        .env("TROIKA_CHAT__MODLE__NAME", "x");
    let output = sandbox.run(&["config"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = errors(&output);
    for key in [
        "gateway.port",
        "PORT",
        "chat.model.base_url",
        "chat.model.temperature",
        "chat.modle",
    ] {
        assert!(errors.contains(key), "{key} in {errors}");
    }
    assert_eq!(sandbox.run(&[]).status.code(), Some(2), "nor does it start");
}

#[test]
fn secrets_never_print() {
    let sandbox = sandbox()
        .env("OPENAI_API_KEY", "sk-very-secret")
        .env("JWT_SECRET", "jwt-very-secret-and-long-enough-for-anybody")
        .env("MONGODB_URI", "mongodb://user:very-secret@127.0.0.1/x")
        .env("REDIS_URL", "redis://:very-secret@127.0.0.1");
    let output = sandbox.run(&["config"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let printed = out(&output) + &errors(&output);
    assert!(
        printed.contains("[redacted]") && !printed.contains("very-secret"),
        "{printed}"
    );
}

#[test]
fn the_environment_beats_the_file_and_the_file_the_defaults() {
    let sandbox = sandbox().env("OPENAI_MODEL", "from-the-environment");
    let file = "[chat.model]\nname = \"from-the-file\"\nsilence = \"3s\"\n";
    std::fs::write(sandbox.data().join("troika.toml"), file).unwrap();
    let printed = out(&sandbox.run(&["config"]));
    assert!(
        printed.contains("from-the-environment") && printed.contains("silence = \"3s\""),
        "{printed}"
    );
}

#[test]
fn a_token_stands_alone_on_standard_output() {
    for arguments in [
        &["token", "--role", "admin"][..],
        &["token", "--role", "visitor", "--bot", DEMO_BOT],
    ] {
        let output = sandbox().run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        let token = out(&output);
        assert_eq!(token.trim().split('.').count(), 3, "{token:?}");
        assert_eq!(token.lines().count(), 1);
    }
    assert_eq!(
        sandbox().run(&["token", "--role", "king"]).status.code(),
        Some(2)
    );
    let bare = sandbox()
        .without("JWT_SECRET")
        .env("TROIKA_ENV", "production")
        .run(&["token", "--role", "admin"]);
    assert_ne!(
        bare.status.code(),
        Some(0),
        "no default secret in production"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn troika_chat_streams_an_answer_and_its_exit_code_says_how_it_went() {
    let provider = Provider::start([Reply::tokens(["From ", "the ", "model."])]).await;
    let sandbox = sandbox().provider(&provider);
    let troika = sandbox.start();
    let chat = |bot: &str| sandbox.run(&["chat", bot, "What?", "--addr", troika.chat()]);
    let answered = chat(DEMO_BOT);
    assert_eq!(answered.status.code(), Some(0), "{}", errors(&answered));
    assert_eq!(out(&answered).trim(), "From the model.");
    assert_eq!(chat("ffffffffffffffffffffffff").status.code(), Some(4));
    let away = sandbox.run(&[
        "chat",
        DEMO_BOT,
        "What?",
        "--addr",
        &servers::refusing().to_string(),
    ]);
    assert_eq!(away.status.code(), Some(3), "{}", errors(&away));
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_and_knowledge_are_looked_after() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let verb = |arguments: &[&str]| {
        let output = sandbox
            .command(arguments)
            .args(["--addr", troika.chat()])
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            errors(&output)
        );
        out(&output)
    };
    let bot = "00000000000000000000000c";
    verb(&[
        "bots",
        "create",
        "--id",
        bot,
        "--name",
        "Shop",
        "--language",
        "hi-IN",
    ]);
    assert!(verb(&["bots", "list"]).contains("Shop"));
    verb(&["bots", "update", bot, "--name", "Better shop"]);
    let shown: serde_json::Value =
        serde_json::from_str(&verb(&["bots", "show", bot, "--json"])).unwrap();
    assert_eq!(shown["name"], "Better shop");
    assert_eq!(shown["language"], "hi-IN");

    for (name, content) in [
        ("a.txt", "Plain text about apples."),
        ("b.md", "# Bees\n\nMarkdown about bees."),
        (
            "c.html",
            "<html><body><p>Hypertext about <b>cats</b>.</p><script>no()</script></body></html>",
        ),
        ("d.csv", "animal,legs\ndog,4\n"),
    ] {
        let file = sandbox.data().join(name);
        std::fs::write(&file, content).unwrap();
        verb(&["knowledge", "import", bot, file.to_str().unwrap()]);
    }
    let listed = verb(&["knowledge", "list", bot]);
    for name in ["a.txt", "b.md", "c.html", "d.csv"] {
        assert!(listed.contains(name), "{listed}");
    }
    verb(&["knowledge", "delete", bot, "a.txt"]);
    assert!(!verb(&["knowledge", "list", bot]).contains("a.txt"));
    verb(&["bots", "delete", bot, "--yes"]);
    let gone = sandbox
        .command(&["bots", "show", bot, "--addr", troika.chat()])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(4));
}

#[test]
fn check_indexes_tells_what_is_missing_makes_it_and_is_content() {
    let mongodb = servers::mongodb();
    let sandbox = sandbox().env(
        "MONGODB_URI",
        format!("mongodb://127.0.0.1:{}/shop", mongodb.port),
    );
    let missing = sandbox.run(&["check", "indexes"]);
    assert_eq!(missing.status.code(), Some(1), "{}", errors(&missing));
    assert!(
        out(&missing).contains("embeddingchunks"),
        "{}",
        out(&missing)
    );
    assert_eq!(
        sandbox.run(&["check", "indexes", "--create"]).status.code(),
        Some(0)
    );
    assert_eq!(sandbox.run(&["check", "indexes"]).status.code(), Some(0));
}

#[test]
fn a_taken_port_is_named_with_the_variable_that_changes_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = sandbox()
        .env("PORT", taken.local_addr().unwrap().port().to_string())
        .run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("PORT"), "{}", errors(&output));
}
