//! Which figures a query of Prometheus asks for. It must not know the figures.

use std::collections::BTreeSet;

use promql_parser::{
    label::{MatchOp, Matchers},
    parser::{
        Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
        parse,
    },
};

/// A figure that a query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    /// The labels by which it selects and groups.
    pub(super) labels: BTreeSet<String>,
    /// Labels that must have just this value.
    pub(super) values: BTreeSet<(String, String)>,
}

/// The figures that a query asks for; why it is no query.
pub(super) fn asked_for(query: &str) -> Result<Vec<Asked>, String> {
    let mut found = Vec::new();
    look(&parse(query)?, &BTreeSet::new(), &mut found);
    Ok(found)
}

/// What is said of a whole expression, such as by which labels it is grouped, concerns all that it asks for.
fn look(expression: &Expr, outside: &BTreeSet<String>, found: &mut Vec<Asked>) {
    match expression {
        Expr::Aggregate(sum) => {
            let labels = with(outside, sum.modifier.as_ref());
            look(&sum.expr, &labels, found);
        }
        Expr::Binary(both) => {
            let mut labels = outside.clone();
            if let Some(modifier) = &both.modifier {
                labels = with(&labels, modifier.matching.as_ref());
                if let VectorMatchCardinality::ManyToOne(more)
                | VectorMatchCardinality::OneToMany(more) = &modifier.card
                {
                    labels.extend(more.labels.iter().cloned());
                }
            }
            look(&both.lhs, &labels, found);
            look(&both.rhs, &labels, found);
        }
        Expr::Call(call) => {
            for argument in &call.args.args {
                look(argument, outside, found);
            }
        }
        Expr::Unary(one) => look(&one.expr, outside, found),
        Expr::Paren(one) => look(&one.expr, outside, found),
        Expr::Subquery(one) => look(&one.expr, outside, found),
        Expr::VectorSelector(selector) => found.push(asked(selector, outside)),
        Expr::MatrixSelector(range) => found.push(asked(&range.vs, outside)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

fn with(outside: &BTreeSet<String>, modifier: Option<&LabelModifier>) -> BTreeSet<String> {
    let mut labels = outside.clone();
    if let Some(LabelModifier::Include(more) | LabelModifier::Exclude(more)) = modifier {
        labels.extend(more.labels.iter().cloned());
    }
    labels
}

fn asked(selector: &VectorSelector, outside: &BTreeSet<String>) -> Asked {
    let Matchers {
        matchers,
        or_matchers,
        ..
    } = &selector.matchers;
    assert!(or_matchers.is_empty(), "Prometheus has no `or` in a selector");
    let mut asked = Asked {
        name: selector.name.clone().expect("a figure with a name"),
        labels: outside.clone(),
        values: BTreeSet::new(),
    };
    for matcher in matchers {
        asked.labels.insert(matcher.name.clone());
        if matcher.op == MatchOp::Equal {
            let value = (matcher.name.clone(), matcher.value.clone());
            asked.values.insert(value);
        }
    }
    asked
}

#[test]
fn queries_are_read_for_what_they_ask() {
    let query = r#"histogram_quantile(0.95, sum by (le, role) (rate(a_bucket{x=~"b|c, {d}", y="e"}[5m])))
        and on (role) troika:c:rate5m * 1e3 >= 20 unless up"#;
    let asked = |name: &str, labels: &[&str], values: &[(&str, &str)]| Asked {
        name: name.to_owned(),
        labels: labels.iter().map(|&it| it.to_owned()).collect(),
        values: values
            .iter()
            .map(|&(label, value)| (label.to_owned(), value.to_owned()))
            .collect(),
    };
    assert_eq!(
        asked_for(query).unwrap(),
        [
            asked("a_bucket", &["le", "role", "x", "y"], &[("y", "e")]),
            asked("troika:c:rate5m", &["role"], &[]),
            asked("up", &[], &[]),
        ]
    );
    assert!(asked_for("sum by (le rate(a[5m])").is_err());
}
