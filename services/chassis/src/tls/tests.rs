//! TLS over real connections, with certificates in real files.

use std::{fs, net::SocketAddr, path::Path};

use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use troika_tests::{
    certificates::{Authority, Issued},
    until,
};

use super::*;
use crate::{
    channel::{Channel, ChannelConfig, channel},
    health::{client::HealthClient, v1::HealthCheckRequest},
    lifecycle::{Drain, Readiness},
    server::{GrpcService, ServeError, ServerConfig, serve_grpc},
};

const PURPOSE: Purpose = Purpose {
    label: "services",
    section: "tls",
};
const PATIENCE: Duration = Duration::from_secs(15);

/// A folder with an authority's certificate and one that it issued.
struct Kept {
    folder: TempDir,
    authority: Authority,
    config: TlsConfig,
}

fn kept() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("ours");
    let ca = authority.write(folder.path());
    let files = authority
        .issue(&["localhost", "127.0.0.1"])
        .write(folder.path());
    let config = TlsConfig {
        cert: Some(files.cert),
        key: Some(files.key),
        client_ca: Some(ca.clone()),
        ca: Some(ca),
        name: None,
    };
    Kept {
        folder,
        authority,
        config,
    }
}

fn load(config: &TlsConfig) -> Tls {
    Tls::load(PURPOSE, config, &[HTTP_2], &Meters::new()).unwrap()
}

async fn serve(tls: &Tls) -> (SocketAddr, Drain, JoinHandle<Result<(), ServeError>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let config = ServerConfig {
        tls: tls.server(),
        ..ServerConfig::default()
    };
    let drain = Drain::default();
    let serving = tokio::spawn({
        let drain = drain.clone();
        async move {
            let service = GrpcService::default();
            serve_grpc(listener, service, &config, Readiness::default(), drain).await
        }
    });
    (place, drain, serving)
}

fn to(place: SocketAddr, tls: ClientTls) -> Channel {
    let config = ChannelConfig {
        connections: 2,
        tls,
        ..ChannelConfig::default()
    };
    channel(format!("https://{place}").parse().unwrap(), &config)
}

async fn ask(channel: &Channel) -> Result<(), tonic::Status> {
    HealthClient::new(channel.clone())
        .check(HealthCheckRequest::default())
        .await
        .map(|_| ())
}

/// What a client sees that trusts the authority and shows nothing.
async fn seen(place: SocketAddr, authority: &Authority) -> Vec<u8> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(place).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

fn replace(folder: &Path, issued: &Issued) {
    issued.write(folder);
}

#[tokio::test]
async fn processes_that_know_each_other_talk_and_strangers_are_refused() {
    let ours = kept();
    let tls = load(&ours.config);
    let (place, drain, serving) = serve(&tls).await;
    ask(&to(place, tls.client())).await.unwrap();

    let nameless = load(&TlsConfig {
        ca: ours.config.ca.clone(),
        ..TlsConfig::default()
    });
    let refused = ask(&to(place, nameless.client())).await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("CertificateRequired"),
        "{refused:?}"
    );

    let theirs = kept();
    let stranger = load(&TlsConfig {
        ca: ours.config.ca.clone(),
        ..theirs.config.clone()
    });
    assert!(ask(&to(place, stranger.client())).await.is_err());

    // Nor do ours talk to a server of somebody else.
    let trusting_nobody_of_ours = load(&theirs.config);
    let refused = ask(&to(place, trusting_nobody_of_ours.client())).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);

    drain.begin();
    tokio::time::timeout(PATIENCE, serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_server_may_bear_another_name_than_its_address() {
    let mut ours = kept();
    replace(
        ours.folder.path(),
        &ours.authority.issue(&["troika.internal"]),
    );
    let (place, ..) = serve(&load(&ours.config)).await;
    assert!(
        ask(&to(place, load(&ours.config).client())).await.is_err(),
        "127.0.0.1 is no name of it"
    );
    ours.config.name = Some("troika.internal".into());
    ask(&to(place, load(&ours.config).client())).await.unwrap();
}

#[tokio::test]
async fn clients_that_say_nothing_keep_nobody_waiting() {
    let ours = kept();
    let tls = load(&ours.config);
    let (place, ..) = serve(&tls).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(place).await.unwrap());
    }
    let channel = to(place, tls.client());
    tokio::time::timeout(Duration::from_secs(3), ask(&channel))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn changed_files_are_in_force_soon_and_calls_go_on() {
    let mut ours = kept();
    ours.config.client_ca = None;
    let tls = load(&ours.config);
    let (place, ..) = serve(&tls).await;
    let channel = to(place, tls.client());
    ask(&channel).await.unwrap();
    let (before, number) = (seen(place, &ours.authority).await, tls.client().number());
    replace(
        ours.folder.path(),
        &ours.authority.issue(&["localhost", "127.0.0.1"]),
    );
    until("another certificate is shown", PATIENCE, async || {
        ask(&channel).await.unwrap();
        seen(place, &ours.authority).await != before
    })
    .await;
    assert_ne!(tls.client().number(), number);
    for _ in 0..20 {
        ask(&channel).await.unwrap();
    }
}

#[tokio::test]
async fn another_authority_is_taken_over_by_both_sides() {
    let ours = kept();
    let tls = load(&ours.config);
    let (place, ..) = serve(&tls).await;
    let channel = to(place, tls.client());
    ask(&channel).await.unwrap();
    let number = tls.client().number();
    let next = Authority::new("next");
    next.write(ours.folder.path());
    replace(ours.folder.path(), &next.issue(&["127.0.0.1", "localhost"]));
    until("the new files are in force", PATIENCE, async || {
        ask(&channel).await.unwrap();
        tls.client().number() != number
    })
    .await;
    // Over connections that were made before, and over those that are made now.
    for _ in 0..20 {
        ask(&channel).await.unwrap();
    }
    ask(&to(place, tls.client())).await.unwrap();
    seen(place, &next).await;
}

#[tokio::test]
async fn files_that_do_not_fit_together_change_nothing_until_they_do() {
    let mut ours = kept();
    ours.config.client_ca = None;
    let meters = Meters::new();
    let tls = Tls::load(PURPOSE, &ours.config, &[HTTP_2], &meters).unwrap();
    let (place, ..) = serve(&tls).await;
    let before = seen(place, &ours.authority).await;
    let number = tls.client().number();
    let cert = ours.config.cert.clone().unwrap();
    let next = ours.authority.issue(&["localhost", "127.0.0.1"]);
    let broken = [
        &next.cert,
        "no certificate",
        "",
        &next.cert[..next.cert.len() / 2],
    ];
    for (place, broken) in broken.into_iter().enumerate() {
        fs::write(&cert, broken).unwrap();
        let refused = format!(
            "troika_tls_reloads_total{{purpose=\"services\",result=\"refused\"}} {}",
            place + 1
        );
        until(&refused, PATIENCE, async || {
            meters.text().contains(&refused)
        })
        .await;
        assert_eq!(tls.client().number(), number, "{broken:?}");
    }
    assert_eq!(seen(place, &ours.authority).await, before);
    replace(ours.folder.path(), &next);
    until("another certificate is shown", PATIENCE, async || {
        seen(place, &ours.authority).await != before
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_at_the_start_is_told_with_its_setting_and_without_the_key() {
    let ours = kept();
    let told = |config: &TlsConfig| {
        Tls::load(PURPOSE, config, &[HTTP_2], &Meters::new())
            .unwrap_err()
            .to_string()
    };
    let key = ours.config.key.clone().unwrap();
    let away = TlsConfig {
        cert: Some("/nowhere/cert.pem".into()),
        ..ours.config.clone()
    };
    assert!(
        told(&away).starts_with("tls.cert: /nowhere/cert.pem: it cannot be read"),
        "{}",
        told(&away)
    );
    let swapped = TlsConfig {
        key: ours.config.cert.clone(),
        ..ours.config.clone()
    };
    assert!(told(&swapped).contains("there is no private key"));
    let other = ours.authority.issue(&["localhost"]);
    fs::write(&key, &other.key).unwrap();
    assert!(told(&ours.config).contains("does not fit its private key"));
    fs::write(&key, "-----BEGIN PRIVATE KEY-----\nsecretsecret\n").unwrap();
    assert!(!told(&ours.config).contains("secretsecret"));
    let whole = kept();
    let empty = TlsConfig {
        client_ca: Some(key),
        ..whole.config.clone()
    };
    assert!(
        told(&empty).starts_with("tls.client_ca: "),
        "{}",
        told(&empty)
    );
}

#[tokio::test]
async fn when_the_certificate_ends_stands_among_the_figures() {
    let ours = kept();
    replace(
        ours.folder.path(),
        &ours.authority.issue_until(&["localhost"], 2040),
    );
    let meters = Meters::new();
    let _tls = Tls::load(PURPOSE, &ours.config, &[HTTP_2], &meters).unwrap();
    let line = "troika_tls_certificate_expiry_timestamp_seconds{purpose=\"services\"} 2208988800";
    let figures = meters.text();
    assert!(figures.contains(line), "{figures}");
}

#[tokio::test]
async fn a_certificate_is_good_for_its_names_alone() {
    let ours = kept();
    replace(
        ours.folder.path(),
        &ours
            .authority
            .issue(&["bots.example", "*.shop.example", "127.0.0.1", "::1"]),
    );
    let tls = load(&ours.config).server().unwrap();
    for good in [
        "bots.example",
        "BOTS.example",
        "a.shop.example",
        "127.0.0.1",
        "[::1]",
    ] {
        assert!(tls.bears(good), "{good}");
    }
    for bad in [
        "evil.example",
        "shop.example",
        "a.b.shop.example",
        "127.0.0.2",
        "bots.example/evil",
        "",
        "bots.example@evil",
    ] {
        assert!(!tls.bears(bad), "{bad}");
    }
}

#[test]
fn half_of_a_pair_is_refused() {
    let half = TlsConfig {
        cert: Some("cert.pem".into()),
        ..TlsConfig::default()
    };
    assert!(Problems::of(&half).to_string().starts_with("key: "));
    let asking = TlsConfig {
        client_ca: Some("ca.pem".into()),
        ..TlsConfig::default()
    };
    assert!(Problems::of(&asking).to_string().starts_with("client_ca: "));
    let named = TlsConfig {
        name: Some("no name".into()),
        ..TlsConfig::default()
    };
    assert!(Problems::of(&named).to_string().starts_with("name: "));
    assert!(Problems::of(&TlsConfig::default()).is_empty());
}
