//! See `../post.rs`.

use std::time::SystemTime;

use super::*;
use crate::rule::Severity;

fn notice(name: &str, news: News) -> Notice {
    Notice {
        name: name.to_owned(),
        severity: Severity::Critical,
        news,
        value: 1.0,
        threshold: 0.0,
        summary: String::new(),
        since: SystemTime::UNIX_EPOCH,
    }
}

fn told(message: Option<Message>) -> (Vec<(String, News)>, usize) {
    let Some(Message::News { notices, left_out }) = message else {
        return Default::default();
    };
    let notices = notices.into_iter();
    (notices.map(|it| (it.name, it.news)).collect(), left_out)
}

#[test]
fn what_nobody_took_is_told_with_what_came_meanwhile_in_its_order() {
    let post = Post::default();
    post.put([notice("a", News::Firing)].into_iter());
    let message = post.take(|_| false).unwrap();
    post.put([notice("b", News::Firing), notice("a", News::Resolved)].into_iter());
    post.put_back(message);
    let (told, left_out) = told(post.take(|_| false));
    let wanted = [
        ("a".to_owned(), News::Firing),
        ("b".to_owned(), News::Firing),
        ("a".to_owned(), News::Resolved),
    ];
    assert_eq!((told.as_slice(), left_out), (wanted.as_slice(), 0));
    assert_eq!(post.take(|_| false), None);
}

#[test]
fn what_is_silent_waits_until_it_is_not() {
    let post = Post::default();
    post.put([notice("a", News::Firing), notice("b", News::Firing)].into_iter());
    let (first, _) = told(post.take(|notice| notice.name == "a"));
    assert_eq!(first, [("b".to_owned(), News::Firing)]);
    assert_eq!(post.take(|_| true), None);
    let (later, _) = told(post.take(|_| false));
    assert_eq!(later, [("a".to_owned(), News::Firing)]);
}

#[test]
fn reminders_of_what_nobody_heard_are_no_news_and_what_is_too_much_is_counted() {
    let post = Post::default();
    post.put([notice("a", News::Firing)].into_iter());
    for _ in 0..1000 {
        post.put([notice("a", News::StillFiring)].into_iter());
    }
    let (reminded, left_out) = told(post.take(|_| false));
    assert_eq!(
        (reminded, left_out),
        (vec![("a".to_owned(), News::Firing)], 0)
    );

    let flapping = [News::Firing, News::Resolved].into_iter().cycle();
    for news in flapping.take(WAITING + 7) {
        post.put([notice("a", news)].into_iter());
    }
    let message = post.take(|_| false).unwrap();
    post.put([notice("b", News::Firing)].into_iter());
    post.put_back(message);
    let (told, left_out) = told(post.take(|_| false));
    assert_eq!((told.len(), left_out), (WAITING, 8));
    assert_eq!(told.last().unwrap().0, "b");
}
