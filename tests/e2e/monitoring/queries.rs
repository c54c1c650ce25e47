//! Which figures a query of Prometheus asks for. Whether it is a query at all, promtool says. It must not know the figures.

/// The figures that a query asks for, each with the labels by which it selects.
pub(super) fn asked_for(query: &str) -> Vec<(String, Vec<String>)> {
    const WORDS: [&str; 12] = [
        "and", "or", "unless", "bool", "offset", "inf", "sum", "min", "max", "avg", "count", "topk",
    ];
    const GROUPING: [&str; 6] = [
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
    ];
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first == '[' {
            rest = &rest[rest.find(']').unwrap() + 1..];
            continue;
        }
        if !(first.is_ascii_alphabetic() || first == '_') {
            let digits = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
            let whole = first.is_ascii_digit();
            rest = &rest[if whole {
                digits.unwrap_or(rest.len())
            } else {
                first.len_utf8()
            }..];
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let next = behind.trim_start();
        rest = behind;
        if GROUPING.contains(&name) {
            rest = &next[next.find(')').unwrap() + 1..];
        } else if let Some(inner) = next.strip_prefix('{') {
            let (labels, behind) = selected_by(inner);
            found.push((name.to_owned(), labels));
            rest = behind;
        } else if !next.starts_with('(') && !WORDS.contains(&name) {
            found.push((name.to_owned(), Vec::new()));
        }
    }
    found
}

/// The labels of a selector, and what stands behind it.
fn selected_by(inner: &str) -> (Vec<String>, &str) {
    let (mut labels, mut label, mut quoted) = (Vec::new(), String::new(), false);
    for (at, character) in inner.char_indices() {
        match character {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '}' => return (labels, &inner[at + 1..]),
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => label.push(character),
            '=' | '!' | '~' if !label.is_empty() => labels.push(std::mem::take(&mut label)),
            _ => label.clear(),
        }
    }
    panic!("a selector without an end: {inner}");
}

#[test]
fn queries_are_read_for_what_they_ask() {
    let query = r#"histogram_quantile(0.95, sum by (le, role) (rate(a_bucket{x=~"b|c, {d}", y!="e"}[5m])))
        and on (role) troika:c:rate5m * 1e3 >= 20 unless up"#;
    let names = |labels: &[&str]| labels.iter().map(|&it| it.to_owned()).collect();
    assert_eq!(
        asked_for(query),
        [
            ("a_bucket".to_owned(), names(&["x", "y"])),
            ("troika:c:rate5m".to_owned(), names(&[])),
            ("up".to_owned(), names(&[])),
        ]
    );
}
