//! OpenFeature's own client for OFREP, as anybody may use it, against this gateway.

use open_feature::{EvaluationContext, EvaluationErrorCode, OpenFeature, StructValue, Value};
use open_feature_ofrep::{OfrepOptions, OfrepProvider};
use serde_json::json;
use troika_evaluation::flag::{Flag, FlagType, Variant};

use crate::setup::flags::{FakeFlags, FlagsHouse};

fn valued(key: &str, kind: FlagType, value: serde_json::Value, off: serde_json::Value) -> Flag {
    let variant = |name: &str, value| Variant {
        name: name.to_owned(),
        value,
    };
    Flag {
        kind,
        variants: vec![variant("on", value), variant("off", off)],
        ..Flag::boolean(key, "", 100.0)
    }
}

async fn house() -> FlagsHouse {
    let role = FakeFlags::new();
    let mut listed = Flag::boolean("listed", "", 0.0);
    listed.whitelist = vec!["vip".to_owned()];
    role.knows(
        7,
        [
            Flag::boolean("yes", "", 100.0),
            Flag::boolean("half", "", 50.0),
            listed,
            valued("greeting", FlagType::String, json!("hello"), json!("")),
            valued("retries", FlagType::Number, json!(5), json!(0)),
            valued("ratio", FlagType::Number, json!(0.25), json!(0)),
            valued(
                "theme",
                FlagType::Object,
                json!({"colour": "red", "size": 3}),
                json!({}),
            ),
            Flag {
                enabled: false,
                ..valued("killed", FlagType::String, json!("on"), json!("off"))
            },
        ],
    );
    let house = role.house().await;
    house.told(|flags| flags.get("killed").is_some()).await;
    house
}

#[tokio::test]
async fn the_public_client_reads_flags_of_every_type() {
    let house = house().await;
    let provider = OfrepProvider::new(OfrepOptions {
        base_url: format!("http://{}", house.address),
        ..Default::default()
    })
    .await
    .unwrap();
    let mut api = OpenFeature::default();
    api.set_provider(provider).await;
    let client = api.create_client();
    let user = EvaluationContext::default().with_targeting_key("user-1");
    let user = Some(&user);

    assert_eq!(client.get_bool_value("yes", user, None).await, Ok(true));
    assert_eq!(client.get_int_value("retries", user, None).await, Ok(5));
    assert_eq!(client.get_float_value("ratio", user, None).await, Ok(0.25));
    assert_eq!(client.get_float_value("retries", user, None).await, Ok(5.0));
    let greeting = client
        .get_string_details("greeting", user, None)
        .await
        .unwrap();
    assert_eq!(
        (greeting.value.as_str(), greeting.variant.as_deref()),
        ("hello", Some("on"))
    );
    let killed = client
        .get_string_details("killed", user, None)
        .await
        .unwrap();
    assert_eq!(
        (killed.value.as_str(), killed.variant.as_deref()),
        ("off", Some("off"))
    );
    let theme: StructValue = client
        .get_struct_value::<Fields>("theme", user, None)
        .await
        .unwrap()
        .0;
    assert_eq!(
        theme.fields.get("colour"),
        Some(&Value::String("red".to_owned()))
    );
    assert_eq!(theme.fields.get("size"), Some(&Value::Int(3)));

    let vip = EvaluationContext::default()
        .with_targeting_key("vip")
        .with_custom_field("plan", "free");
    assert_eq!(
        client.get_bool_value("listed", Some(&vip), None).await,
        Ok(true)
    );
    assert_eq!(client.get_bool_value("listed", user, None).await, Ok(false));
    let dealt = client.get_bool_value("half", user, None).await.unwrap();
    let again = client.get_bool_value("half", user, None).await.unwrap();
    assert_eq!(dealt, again);

    for unknown in ["nothing", "__proto__"] {
        let error = client
            .get_bool_value(unknown, user, None)
            .await
            .unwrap_err();
        assert_eq!(error.code, EvaluationErrorCode::FlagNotFound);
    }
    let nobody = EvaluationContext::default();
    let error = client
        .get_bool_value("half", Some(&nobody), None)
        .await
        .unwrap_err();
    assert_eq!(error.code, EvaluationErrorCode::InvalidContext);
    assert!(client.get_bool_value("greeting", user, None).await.is_err());
}

/// An object, as it came.
struct Fields(StructValue);

impl TryFrom<StructValue> for Fields {
    type Error = String;

    fn try_from(fields: StructValue) -> Result<Self, String> {
        Ok(Self(fields))
    }
}
