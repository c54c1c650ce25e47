//! What may be shown of the address of a database or cache: its hosts and its database, never a user or
//! a password. Not a URL parser: such addresses may name several hosts.

/// The hosts with their ports.
pub(crate) fn hosts(uri: &str) -> &str {
    let rest = after_user(uri);
    rest.split(['/', '?']).next().unwrap_or_default()
}

/// The database that the address names.
pub(crate) fn database(uri: &str) -> Option<&str> {
    let (_, path) = after_user(uri).split_once('/')?;
    path.split('?').next().filter(|name| !name.is_empty())
}

/// What follows the last `@`: a password may contain an `@`, a `/` or a `?` that should have been encoded.
fn after_user(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.rsplit_once('@').map_or(rest, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_database_are_shown_without_credentials() {
        for (uri, shown) in [
            (
                "mongodb://a:27017,b/shop?replicaSet=rs",
                ("a:27017,b", Some("shop")),
            ),
            (
                "mongodb+srv://me:p%40ss@cluster.example/",
                ("cluster.example", None),
            ),
            ("rediss://:p@s/s?w@cache:6380/1", ("cache:6380", Some("1"))),
            ("redis://cache", ("cache", None)),
        ] {
            assert_eq!((hosts(uri), database(uri)), shown, "{uri}");
        }
    }
}
