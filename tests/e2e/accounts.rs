//! Accounts of administrators from outside: `troika admin`, and signing in at the gateway.

use std::{
    io::Write as _,
    process::{Output, Stdio},
    time::Duration,
};

use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use troika_tests::{
    sandbox::{Sandbox, Troika, token},
    servers, until,
};

use crate::sandbox;

const PASSWORD: &str = "meadow piston quartz violin";
const ANOTHER: &str = "copper lantern orbit thistle";

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", errors(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs `troika admin …` with something on its standard input.
fn admin(sandbox: &Sandbox, flags: &str, arguments: &[&str], typed: &str) -> Output {
    let mut child = sandbox
        .command(&["admin"])
        .args(arguments)
        .args(["--addr", flags])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it has ended already.
    let _ = child.stdin.take().unwrap().write_all(typed.as_bytes());
    child.wait_with_output().unwrap()
}

async fn sign_in(troika: &Troika, email: &str, password: &str) -> Response {
    let url = format!("{}/api/admin/sign-in", troika.gateway());
    let asked = json!({ "email": email, "password": password });
    let request = troika_tests::http().post(url).json(&asked);
    request.send().await.unwrap()
}

/// The cookie that signing in sets, as it is sent back.
fn cookie(response: &Response) -> String {
    let set = response.headers()[header::SET_COOKIE].to_str().unwrap();
    set.split(';').next().unwrap().to_owned()
}

async fn session(troika: &Troika, cookie: &str) -> StatusCode {
    let url = format!("{}/api/admin/session", troika.gateway());
    let request = troika_tests::http().get(url).header(header::COOKIE, cookie);
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_made_listed_changed_and_deleted_from_the_command_line() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let run = |arguments: &[&str], typed: &str| admin(&sandbox, troika.flags(), arguments, typed);
    let empty = run(&["list"], "");
    assert!(
        errors(&empty).contains("troika admin create"),
        "{}",
        errors(&empty)
    );
    assert_eq!(json(&run(&["list", "--json"], "")), json!([]));

    let create = [
        "create",
        "--email",
        "Ada@shop.example",
        "--password-stdin",
        "--json",
    ];
    let output = run(&create, &format!("{PASSWORD}\n"));
    let ada = json(&output);
    assert_eq!(ada["email"], "ada@shop.example");
    assert_eq!(ada["role"], "super_admin", "the first one");
    assert!(
        errors(&output).contains("first account"),
        "{}",
        errors(&output)
    );
    let file = sandbox.data().join("password.txt");
    std::fs::write(&file, format!("{ANOTHER}\r\n")).unwrap();
    let create = [
        "create",
        "--email",
        "bob@shop.example",
        "--password-file",
        file.to_str().unwrap(),
        "--json",
    ];
    let bob = json(&run(&create, ""));
    assert_eq!(bob["role"], "admin");
    let listed = json(&run(&["list", "--json"], ""));
    assert_eq!(listed, json!([ada, bob]));

    assert_eq!(
        sign_in(&troika, "bob@shop.example", ANOTHER).await.status(),
        200
    );
    assert_eq!(
        sign_in(&troika, "bob@shop.example", PASSWORD)
            .await
            .status(),
        401
    );
    let changed = json(&run(
        &["password", "bob@shop.example", "--password-stdin", "--json"],
        PASSWORD,
    ));
    assert_eq!(changed["revision"], 2);
    assert_eq!(
        sign_in(&troika, "BOB@shop.example", PASSWORD)
            .await
            .status(),
        200
    );
    let id = bob["id"].as_str().unwrap();
    assert_eq!(json(&run(&["disable", id, "--json"], ""))["enabled"], false);
    assert_eq!(
        sign_in(&troika, "bob@shop.example", PASSWORD)
            .await
            .status(),
        401
    );
    assert_eq!(json(&run(&["enable", id, "--json"], ""))["enabled"], true);
    assert_eq!(
        sign_in(&troika, "bob@shop.example", PASSWORD)
            .await
            .status(),
        200
    );
    let shown = run(&["list"], "");
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("super admin") && shown.contains("bob@shop.example"),
        "{shown}"
    );

    let unasked = run(&["delete", "bob@shop.example"], "");
    assert_eq!(unasked.status.code(), Some(2));
    assert!(errors(&unasked).contains("--yes"), "{}", errors(&unasked));
    assert_eq!(
        run(&["delete", "bob@shop.example", "--yes"], "")
            .status
            .code(),
        Some(0)
    );
    assert_eq!(
        json(&run(&["list", "--json"], ""))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let log = troika.log();
    for personal in [
        "ada@",
        "bob@",
        "@shop.example",
        PASSWORD,
        ANOTHER,
        "$argon2",
    ] {
        assert!(!log.contains(personal), "{personal} in the log");
    }
    assert!(log.contains("account.delete"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_with_a_code_and_with_what_to_do() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let run = |arguments: &[&str], typed: &str| admin(&sandbox, troika.flags(), arguments, typed);
    let expect = |arguments: &[&str], typed: &str, code: i32, words: &str| {
        let output = run(arguments, typed);
        let errors = errors(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
        assert!(!errors.contains(ANOTHER), "{errors}");
    };
    let ada = ["create", "--email", "ada@shop.example", "--password-stdin"];
    expect(
        &["create", "--email", "ada@shop.example"],
        "",
        2,
        "--password-stdin",
    );
    expect(
        &[
            "create",
            "--email",
            "ada@shop.example",
            "--password",
            ANOTHER,
        ],
        "",
        2,
        "--password",
    );
    expect(&ada, "too short", 2, "at least 12 characters");
    expect(&ada, "Password2024!", 2, "tried first");
    expect(
        &["create", "--email", "ada", "--password-stdin"],
        ANOTHER,
        2,
        "ada@shop.example",
    );
    expect(&ada, ANOTHER, 0, "first account");
    expect(&ada, ANOTHER, 1, "already");
    for verb in ["disable", "delete"] {
        let mut arguments = vec![verb, "ada@shop.example"];
        arguments.extend((verb == "delete").then_some("--yes"));
        expect(&arguments, "", 1, "Nobody would be left");
        expect(&[verb, "eve@shop.example"], "", 4, "troika admin list");
    }
    let refusing = servers::refusing().to_string();
    let away = admin(&sandbox, &refusing, &["list"], "");
    assert_eq!(away.status.code(), Some(3), "{}", errors(&away));
    // Who is no super admin is told so, whatever this machine knows.
    let as_admin = token(json!({ "id": "an-admin", "role": "admin" }));
    let lower = sandbox.clone().env("TROIKA_TOKEN", as_admin);
    let refused = admin(&lower, troika.flags(), &["list"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        errors(&refused).contains("super_admin"),
        "{}",
        errors(&refused)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_signed_in_until_its_account_changes() {
    let sandbox = sandbox();
    let troika = sandbox.start();
    let run = |arguments: &[&str], typed: &str| admin(&sandbox, troika.flags(), arguments, typed);
    json(&run(
        &[
            "create",
            "--email",
            "ada@shop.example",
            "--password-stdin",
            "--json",
        ],
        PASSWORD,
    ));
    let unknown = sign_in(&troika, "eve@shop.example", PASSWORD).await;
    assert_eq!(unknown.status(), 401);
    let problem: Value = unknown.json().await.unwrap();
    assert_eq!(problem["code"], "wrong_credentials");
    let response = sign_in(&troika, "ada@shop.example", PASSWORD).await;
    assert_eq!(response.status(), 200);
    let cookie = cookie(&response);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["account"]["email"], "ada@shop.example");
    assert_eq!(body["account"]["role"], "super_admin");
    let flags = format!("{}/api/flags", troika.gateway());
    let with_cookie = troika_tests::http()
        .get(flags)
        .header(header::COOKIE, &cookie);
    assert_eq!(with_cookie.send().await.unwrap().status(), 200);
    // Only this host's own pages change something by the cookie: others could have a browser send it.
    for (name, value, expected) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.example", 403),
        ("x-nothing", "of a browser", 403),
        ("sec-fetch-site", "same-origin", 200),
    ] {
        let switch = troika_tests::http()
            .post(format!("{}/api/flags/streaming/switch", troika.gateway()))
            .header(header::COOKIE, &cookie)
            .header(name, value)
            .json(&json!({ "enabled": true, "reason": "a test" }));
        let status = switch.send().await.unwrap().status();
        assert_eq!(status, expected, "{name}: {value}");
    }
    json(&run(
        &["password", "ada@shop.example", "--password-stdin", "--json"],
        ANOTHER,
    ));
    // The gateway believes for half a minute what it was told.
    until("the session ends", Duration::from_secs(45), async || {
        session(&troika, &cookie).await == StatusCode::UNAUTHORIZED
    })
    .await;
    assert_eq!(
        sign_in(&troika, "ada@shop.example", ANOTHER).await.status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_guesses_has_to_wait_and_a_restart_does_not_help() {
    let sandbox = sandbox();
    let mut troika = sandbox.start();
    let create = [
        "create",
        "--email",
        "ada@shop.example",
        "--password-stdin",
        "--json",
    ];
    json(&admin(&sandbox, troika.flags(), &create, PASSWORD));
    for _ in 0..5 {
        assert_eq!(
            sign_in(&troika, "ada@shop.example", ANOTHER).await.status(),
            401
        );
    }
    troika.kill();
    let troika = sandbox.start();
    let refused = sign_in(&troika, "ada@shop.example", PASSWORD).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["code"], "too_many_tries");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_live_in_mongodb_where_there_is_one_and_its_fault_is_told() {
    let mut server = servers::mongodb();
    let sandbox = sandbox().env(
        "MONGODB_URI",
        format!("mongodb://127.0.0.1:{}/shop", server.port),
    );
    let troika = sandbox.start();
    let create = [
        "create",
        "--email",
        "ada@shop.example",
        "--password-stdin",
        "--json",
    ];
    json(&admin(&sandbox, troika.flags(), &create, PASSWORD));
    assert_eq!(
        sign_in(&troika, "ada@shop.example", PASSWORD)
            .await
            .status(),
        200
    );
    assert!(!sandbox.data().join("accounts.redb").exists());
    server.kill();
    let away = sign_in(&troika, "ada@shop.example", PASSWORD).await;
    assert_eq!(away.status(), 503);
    let list = admin(&sandbox, troika.flags(), &["list"], "");
    assert_eq!(list.status.code(), Some(3), "{}", errors(&list));
    server.restart_mongodb();
    until("signing in again", Duration::from_secs(30), async || {
        sign_in(&troika, "ada@shop.example", PASSWORD)
            .await
            .status()
            == 200
    })
    .await;
}
