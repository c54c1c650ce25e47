use troika_chassis::{
    lifecycle::DrainConfig,
    mongo::{Mongo, MongoConfig},
};
use troika_tests::servers;

use super::*;
use crate::store::mongo::MongoStore;

#[tokio::test]
async fn a_store_that_was_never_there_keeps_no_process_that_leaves() {
    let config = MongoConfig {
        uri: format!("mongodb://127.0.0.1:{}/shop", servers::refusing().port())
            .as_str()
            .into(),
        server_selection_timeout: Duration::from_millis(500),
        ..MongoConfig::default()
    };
    let store = MongoStore::new(Mongo::connect(&config).await.unwrap());
    let drain = Drain::new(DrainConfig {
        deadline: Duration::from_secs(60),
        ..DrainConfig::default()
    });
    let kept = Kept::new(
        Config::default(),
        Arc::new(store),
        "one".to_owned(),
        drain.clone(),
    );
    let kept = Arc::new(kept);
    start(Arc::clone(&kept));
    kept.take(ReportRequest {
        refused: 1,
        ..ReportRequest::default()
    });
    assert_eq!(drain.held(), [("figures to be stored", 1)]);
    drain.begin();
    let left = timeout(Duration::from_secs(10), drain.finished()).await;
    assert!(left.is_ok(), "{:?}", drain.held());
}
