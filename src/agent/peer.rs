//! [`Peer`]: who is at the other end of the connection.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::Extensions;

/// Who is at the other end of a request's connection: for servers that are not axum's, which put it into
/// each request's extensions themselves.
///
/// ```
/// use kinesis_lab::Peer;
///
/// # let address: std::net::SocketAddr = "192.0.2.7:4711".parse().unwrap(); // as `accept()` gave it
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(Peer(address));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The peer's address, if the server tells.
pub(crate) fn of(extensions: &Extensions) -> Option<IpAddr> {
    let own = extensions.get::<Peer>().map(|peer| peer.0);
    own.or_else(|| extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)).map(|peer| peer.ip())
}
