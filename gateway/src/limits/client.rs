//! Whose request it is, as far as addresses tell.

use std::net::{IpAddr, Ipv4Addr};

use http::Extensions;

use crate::address::ClientAddress;

/// The address that a request came from. Requests without one are counted together.
pub(super) fn address(extensions: &Extensions) -> IpAddr {
    let client = extensions.get::<ClientAddress>();
    client.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |client| client.0)
}
