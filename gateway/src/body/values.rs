//! How many values a JSON text holds, told from the marks between them in one pass and without reading any. It must not
//! know what the values are.

/// Counts the values of a JSON text: scalars, lists and objects, each member of an object as one. Stops once there are
/// more than `limit`. Of what is no JSON it counts something; who parses it will refuse it.
pub(super) fn count(text: &[u8], limit: usize) -> usize {
    let mut values = 1;
    let mut last = b' ';
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte.is_ascii_whitespace() {
            at += 1;
            continue;
        }
        match byte {
            b'"' => at = end_of_text(text, at + 1),
            // The first value of a list or an object, and each further one.
            b'[' | b'{' | b',' => values += 1,
            // It was empty.
            b']' if last == b'[' => values -= 1,
            b'}' if last == b'{' => values -= 1,
            _ => {}
        }
        if values > limit {
            // One more may be an empty list.
            let is_open = matches!(byte, b'[' | b'{');
            if !is_open || values > limit + 1 {
                return values;
            }
        }
        last = byte;
        at += 1;
    }
    values
}

/// Where the quotation mark stands that ends a text.
fn end_of_text(text: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn told(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(told).sum(),
            Value::Object(fields) => fields.values().map(told).sum(),
            _ => 0,
        }
    }

    #[test]
    fn values_are_counted_and_what_stands_in_texts_is_not() {
        for (text, expected) in [
            ("1", 1),
            ("[]", 1),
            (" { } ", 1),
            ("[[],{},[ ]]", 4),
            (r#"{"a":1,"b":[2,3]}"#, 5),
            (r#"{"[,{":"],}\",[\\"}"#, 2),
            (r#"["\"",","]"#, 3),
            ("", 1),
            ("\"", 1),
            ("\"\\", 1),
        ] {
            assert_eq!(count(text.as_bytes(), 100), expected, "{text}");
        }
    }

    #[test]
    fn counting_stops_soon_after_the_limit() {
        let text = format!("[{}1]", "1,".repeat(1000));
        assert_eq!(count(text.as_bytes(), 10), 11);
        assert_eq!(count(b"[1,2,[],4]", 5), 5);
        assert_eq!(count(b"[1,2,[ ]]", 4), 4);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,4}", inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn as_many_as_a_reader_finds(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            prop_assert_eq!(count(text.unwrap().as_bytes(), usize::MAX), told(&value));
        }

        /// What is let through has no more than the limit, and what is stopped has more.
        #[test]
        fn the_limit_is_exact(value in json(), limit in 1usize..40) {
            let text = value.to_string();
            prop_assert_eq!(count(text.as_bytes(), limit) <= limit, told(&value) <= limit);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), limit in 1usize..10) {
            count(&bytes, limit);
        }
    }
}
