use futures::stream;
use troika_identity::Role;

use super::*;

fn allowances(client: u64, bot: u64, company: u64) -> (Allowances, Meters) {
    let meters = Meters::new();
    let config = Config {
        client,
        bot,
        company,
    };
    (Allowances::new(config, None, &meters), meters)
}

fn visitor(subject: &str) -> Caller {
    Caller {
        role: Role::Visitor,
        subject: subject.to_owned(),
        ..Caller::default()
    }
}

#[tokio::test]
async fn each_client_has_its_characters_of_the_day() {
    let (allowances, meters) = allowances(5, 0, 0);
    let ada = allowances.of(&visitor("ada"));
    // Characters, not bytes.
    assert!(ada.spend("नमस").await.is_ok());
    let refused = ada.spend("abc").await.unwrap_err();
    assert_eq!(refused.reason(), "daily_budget_exhausted");
    assert!(refused.retry_after().is_some());
    assert!(ada.spend("ab").await.is_ok());
    assert!(allowances.of(&visitor("bob")).spend("abcde").await.is_ok());
    let figures = meters.text();
    let told = "troika_limit_refusals_total{policy=\"client_characters\"} 1";
    assert!(figures.contains(told), "{figures}");
}

#[tokio::test]
async fn bots_and_companies_share_theirs_and_processes_have_none() {
    let (allowances, _) = allowances(0, 5, 8);
    let of = |bot: &str| {
        allowances.of(&Caller {
            chatbot: Some(bot.to_owned()),
            company: Some("c".to_owned()),
            ..Caller::default()
        })
    };
    assert!(of("a").spend("abcde").await.is_ok());
    assert!(of("a").spend("a").await.is_err());
    assert!(
        of("b").spend("abcd").await.is_err(),
        "the company has three left"
    );
    assert!(of("b").spend("abc").await.is_ok());
    let process = allowances.of(&Caller::service("x"));
    assert!(process.spend("a text of any length").await.is_ok());
}

#[tokio::test]
async fn a_turn_is_spoken_until_there_is_no_more() {
    let (allowances, _) = allowances(7, 0, 0);
    let sentences = || stream::iter(["One.", "Two.", "3."].map(str::to_owned));
    let (spoken, over) = allowances.of(&visitor("ada")).within(sentences());
    assert_eq!(spoken.collect::<Vec<_>>().await, ["One."]);
    assert!(over.load(Ordering::Relaxed));
    let (spoken, over) = allowances.of(&Caller::service("x")).within(sentences());
    assert_eq!(spoken.count().await, 3);
    assert!(!over.load(Ordering::Relaxed));
}
