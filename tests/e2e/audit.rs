//! Who changed what: in the logs of the roles, at the gateway and on the command line, across restarts, and after somebody
//! wrote to the file.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use troika_tests::{
    sandbox::{Sandbox, Troika},
    servers,
};

use crate::sandbox;

const BOT: &str = "65a1b2c3d4e5f60718293a4b";
const PASSWORD: &str = "meadow piston quartz violin";

fn out(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A verb whose role is at an address.
fn verb(sandbox: &Sandbox, address: &str, arguments: &[&str]) -> Output {
    sandbox.run(&[arguments, &["--addr", address]].concat())
}

async fn get(troika: &Troika, token: &str, path: &str) -> Value {
    let url = format!("{}{path}", troika.gateway());
    let request = troika_tests::http().get(url).bearer_auth(token);
    let document: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(document["success"], true, "{document}");
    document
}

/// What was done to what, the newest first.
fn told(document: &Value) -> Vec<(&str, &str)> {
    let entries = document["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap();
            (text("action"), text("target"))
        })
        .collect()
}

/// Leaves, so that the file is whole.
fn leave(mut troika: Troika) {
    troika.signal("TERM");
    assert_eq!(troika.exit(Duration::from_secs(40)), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_is_told_with_who_made_it_and_stays_across_a_restart_until_somebody_rewrites_it()
 {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let token = out(&sandbox.run(&["token", "--role", "admin"]));
    let bots = |arguments: &[&str]| out(&verb(&sandbox, troika.chat(), arguments));
    bots(&["bots", "create", "--id", BOT, "--name", "Guide-7f3a"]);
    bots(&["bots", "update", BOT, "--persona", "You are kind."]);
    let file = sandbox.data().join("hours.txt");
    std::fs::write(&file, "Open from nine to five.").unwrap();
    bots(&["knowledge", "import", BOT, file.to_str().unwrap()]);

    let listed = get(&troika, &token, "/api/audit?source=chat").await;
    assert_eq!(
        told(&listed),
        [
            ("knowledge.import", BOT),
            ("bot.update", BOT),
            ("bot.create", BOT)
        ]
    );
    let update = &listed["entries"][1];
    assert_eq!(update["before"], json!({ "persona": "" }));
    assert_eq!(update["after"], json!({ "persona": "You are kind." }));
    // The command line signs for itself.
    assert_eq!(update["role"], "super_admin");
    assert!(update["name"].as_str().is_some_and(|name| !name.is_empty()));
    let own = listed["entries"][0]["requestId"].as_str().unwrap();
    assert!(troika.log().contains(own), "{own}");

    // What is done at the gateway is in the name of whoever's token it was.
    let reset = troika_tests::http()
        .post(format!("{}/api/metrics/streaming/reset", troika.gateway()))
        .bearer_auth(&token)
        .header("x-request-id", "reset-1");
    assert!(reset.send().await.unwrap().status().is_success());
    let listed = get(&troika, &token, "/api/audit?source=metrics").await;
    assert_eq!(told(&listed), [("metrics.reset", "figures")]);
    assert_eq!(listed["entries"][0]["requestId"], "reset-1");

    let flags = &["flags", "off", "streaming", "--as", "ada"];
    out(&verb(&sandbox, troika.flags(), flags));
    let listed = get(&troika, &token, "/api/audit?source=flags&limit=1").await;
    assert_eq!(listed["entries"][0]["action"], "flag.update");
    assert_eq!(listed["entries"][0]["target"], "streaming");

    let nobody = troika_tests::get(format!("{}/api/audit?source=chat", troika.gateway()));
    assert_eq!(nobody.await.unwrap().status(), 401);

    leave(troika);
    let troika = sandbox.start();
    let chat = troika.chat();
    let text = out(&verb(&sandbox, chat, &["audit", "--verify"]));
    assert_eq!(text, "3 entries follow from the first to the last.");
    let shown = out(&verb(&sandbox, chat, &["audit", "--limit", "1", "--json"]));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(told(&shown), [("knowledge.import", BOT)]);
    let table = out(&verb(&sandbox, chat, &["audit", "--action", "bot.create"]));
    assert!(
        table.contains("bot.create") && table.contains("(super_admin)"),
        "{table}"
    );
    let flags = ["audit", "--source", "flags", "--limit", "1"];
    let table = out(&verb(&sandbox, troika.flags(), &flags));
    assert!(table.contains("flag.update"), "{table}");
    leave(troika);

    // Somebody who can write to the file makes the bot's beginnings look otherwise.
    let path = sandbox.data().join("chat.redb");
    let bytes = std::fs::read(&path).unwrap();
    let name = b"Guide-7f3a";
    let places: Vec<usize> = (0..bytes.len() - name.len())
        .filter(|at| bytes[*at..].starts_with(name))
        .collect();
    assert!(!places.is_empty());
    let mut bytes = bytes;
    for place in places {
        bytes[place..place + name.len()].copy_from_slice(b"Guide-0000");
    }
    std::fs::write(&path, bytes).unwrap();
    let troika = sandbox.start();
    let verified = get(&troika, &token, "/api/audit/verify?source=chat").await;
    assert_eq!(
        verified,
        json!({"success": true, "intact": false, "entries": 3, "firstBroken": 1})
    );
    let verified = verb(&sandbox, troika.chat(), &["audit", "--verify"]);
    assert_eq!(verified.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(errors.contains("entry 1 does not follow"), "{errors}");
    // What changes from now on is still told.
    out(&verb(
        &sandbox,
        troika.chat(),
        &["bots", "delete", BOT, "--yes"],
    ));
    let listed = get(&troika, &token, "/api/audit?source=chat&limit=1").await;
    assert_eq!(told(&listed), [("bot.delete", BOT)]);
    assert_eq!(listed["entries"][0]["number"], 4);
}

/// `troika admin …` with a password on its standard input.
fn admin(sandbox: &Sandbox, troika: &Troika, arguments: &[&str]) -> Value {
    use std::io::Write as _;

    let mut child = sandbox
        .command(&["admin"])
        .args(arguments)
        .args(["--json", "--addr", troika.flags()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who asks for none does not read it.
    let _ = child.stdin.take().unwrap().write_all(PASSWORD.as_bytes());
    serde_json::from_str(&out(&child.wait_with_output().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_accounts_are_told_to_super_admins_without_a_password_in_either_store() {
    let mongodb = servers::mongodb();
    let uri = format!("mongodb://127.0.0.1:{}/shop", mongodb.port);
    for sandbox in [sandbox(), sandbox().env("MONGODB_URI", uri)] {
        let troika = sandbox.start();
        let create = |email| {
            admin(
                &sandbox,
                &troika,
                &["create", "--email", email, "--password-stdin"],
            )
        };
        let ada = create("ada@shop.example");
        let bob = create("bob@shop.example");
        let bob = bob["id"].as_str().unwrap();
        admin(&sandbox, &troika, &["disable", bob]);
        admin(&sandbox, &troika, &["delete", bob, "--yes"]);

        let token = out(&sandbox.run(&["token", "--role", "super-admin"]));
        let listed = get(&troika, &token, "/api/audit?source=accounts").await;
        let ada = ada["id"].as_str().unwrap();
        assert_eq!(
            told(&listed),
            [
                ("account.delete", bob),
                ("account.update", bob),
                ("account.create", bob),
                ("account.create", ada),
            ]
        );
        let entries = &listed["entries"];
        assert_eq!(entries[0]["before"]["email"], "bob@shop.example");
        assert_eq!(entries[1]["before"], json!({ "enabled": true }));
        assert_eq!(entries[1]["after"], json!({ "enabled": false }));
        assert_eq!(
            entries[3]["after"],
            json!({ "email": "ada@shop.example", "role": "super_admin", "enabled": true })
        );
        // The command line signs for itself.
        assert_eq!(entries[3]["role"], "super_admin");
        let verified = get(&troika, &token, "/api/audit/verify?source=accounts").await;
        assert_eq!(verified["entries"], 4);
        assert_eq!(verified["intact"], true);

        // It names all who run the system, as the list of accounts does: admins are told whose it is to read.
        let lower = out(&sandbox.run(&["token", "--role", "admin"]));
        let request = troika_tests::http()
            .get(format!("{}/api/audit?source=accounts", troika.gateway()))
            .bearer_auth(lower);
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 403);
        let problem: Value = refused.json().await.unwrap();
        assert_eq!(problem["code"], "super_admin_required");

        let accounts = |more: &[&str]| {
            let arguments = [&["audit", "--source", "accounts"], more].concat();
            out(&verb(&sandbox, troika.flags(), &arguments))
        };
        let table = accounts(&["--target", bob, "--limit", "1"]);
        assert!(table.contains("account.delete"), "{table}");
        assert_eq!(
            accounts(&["--verify"]),
            "4 entries follow from the first to the last."
        );
        let everything = format!("{listed}{}{}", accounts(&["--json"]), troika.log());
        for secret in [PASSWORD, "$argon2"] {
            assert!(!everything.contains(secret), "{secret}");
        }
        assert!(!troika.log().contains("@shop.example"), "{}", troika.log());
        leave(troika);
    }
}
