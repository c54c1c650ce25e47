//! Calls to a role as an admin makes them, who shows a token with each.

use tonic::{
    Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use troika_tests::sandbox::token;

/// A channel whose calls show an admin's token.
pub(crate) type Called = InterceptedService<Channel, AsAdmin>;

/// Shows an admin's token.
#[derive(Clone)]
pub(crate) struct AsAdmin;

impl Interceptor for AsAdmin {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let claims = serde_json::json!({ "id": "a-test", "role": "super_admin" });
        let value = MetadataValue::try_from(format!("Bearer {}", token(claims))).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

/// A role that is called by an admin; nothing is connected before the first call.
pub(crate) fn as_admin(address: &str) -> Called {
    let channel = Channel::from_shared(address.to_owned()).unwrap();
    InterceptedService::new(channel.connect_lazy(), AsAdmin)
}
