use std::time::Duration;

use troika_identity::Role;

use super::*;
use crate::bots::{BotId, tests::named};

const MINUTE: Duration = Duration::from_secs(60);

fn bot(number: u8, company: &str) -> Bot {
    Bot {
        id: BotId([number; 12]),
        company: (!company.is_empty()).then(|| company.to_owned()),
        ..named("Guide")
    }
}

fn allowances(config: Config) -> (Allowances, Meters) {
    let meters = Meters::new();
    (Allowances::new(config, None, &meters), meters)
}

fn off() -> Config {
    Config {
        bot: Policy::new(0, MINUTE),
        company: Policy::new(0, MINUTE),
        daily_tokens: DailyTokens {
            client: 0,
            bot: 0,
            company: 0,
        },
    }
}

fn visitor(subject: &str) -> Caller {
    Caller {
        role: Role::Visitor,
        subject: subject.to_owned(),
        ..Caller::default()
    }
}

async fn ask(allowances: &Allowances, bot: &Bot) -> Result<Reservation, Error> {
    allowances.take(bot, &Caller::default(), 10).await
}

fn code(taken: Result<Reservation, Error>) -> String {
    let error = taken.map(drop).unwrap_err();
    assert!(error.retry_after().is_some());
    error.reason().to_owned()
}

#[tokio::test]
async fn a_bot_that_is_asked_too_often_leaves_others_alone() {
    let (allowances, meters) = allowances(Config {
        bot: Policy::new(2, MINUTE),
        ..off()
    });
    for _ in 0..2 {
        assert!(ask(&allowances, &bot(1, "")).await.is_ok());
    }
    assert_eq!(code(ask(&allowances, &bot(1, "")).await), "rate_limited");
    assert!(ask(&allowances, &bot(2, "")).await.is_ok());
    let figures = meters.text();
    assert!(
        figures.contains("troika_limit_refusals_total{policy=\"bot\"} 1"),
        "{figures}"
    );
    assert!(
        figures.contains("troika_limit_refusals_total{policy=\"company_tokens\"} 0"),
        "{figures}"
    );
}

#[tokio::test]
async fn the_bots_of_a_company_share_its_rate() {
    let (allowances, _) = allowances(Config {
        company: Policy::new(2, MINUTE),
        ..off()
    });
    assert!(ask(&allowances, &bot(1, "a")).await.is_ok());
    assert!(ask(&allowances, &bot(2, "a")).await.is_ok());
    assert_eq!(code(ask(&allowances, &bot(3, "a")).await), "rate_limited");
    assert!(ask(&allowances, &bot(3, "b")).await.is_ok());
    assert!(ask(&allowances, &bot(4, "")).await.is_ok());
}

#[tokio::test]
async fn tokens_of_a_day_are_held_and_what_was_not_used_comes_back() {
    let (allowances, _) = allowances(Config {
        daily_tokens: DailyTokens {
            bot: 25,
            ..off().daily_tokens
        },
        ..off()
    });
    let first = ask(&allowances, &bot(1, "")).await.unwrap();
    let second = ask(&allowances, &bot(1, "")).await.unwrap();
    assert_eq!(
        code(ask(&allowances, &bot(1, "")).await),
        "daily_budget_exhausted"
    );
    // A turn that used less, and one that never was.
    first.settle(4);
    drop(second);
    let mut left = ask(&allowances, &bot(1, "")).await;
    while left.is_err() {
        tokio::task::yield_now().await;
        left = ask(&allowances, &bot(1, "")).await;
    }
    left.unwrap().settle(21);
    while ask(&allowances, &bot(1, "")).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_is_a_subject_else_an_address_and_no_process_is_one() {
    let (allowances, _) = allowances(Config {
        daily_tokens: DailyTokens {
            client: 10,
            ..off().daily_tokens
        },
        ..off()
    });
    let take = async |caller: &Caller, address: Option<&str>| {
        let caller = Caller {
            address: address.map(|address| address.parse().unwrap()),
            ..caller.clone()
        };
        let taken = allowances.take(&bot(1, ""), &caller, 10).await;
        taken.map(|taken| taken.settle(10)).is_ok()
    };
    assert!(take(&visitor("ada"), Some("192.0.2.1")).await);
    assert!(!take(&visitor("ada"), Some("192.0.2.2")).await);
    assert!(take(&visitor("bob"), Some("192.0.2.1")).await);
    let nobody = Caller::default();
    assert!(take(&nobody, Some("2001:db8::1")).await);
    assert!(!take(&nobody, Some("2001:db8::2")).await);
    assert!(take(&nobody, Some("2001:db8:0:1::1")).await);
    let process = Caller::service("chat");
    for _ in 0..3 {
        assert!(take(&process, None).await);
    }
}
