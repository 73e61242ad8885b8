//! The lab by JSON over HTTP, for whoever does not link its library: one address for each thing a [`Lab`] can do.
//!
//! On loopback alone, and without a password: it holds nothing but invented accounts. `tests/lab/README.md` shows every
//! call as a `curl` line.

mod answer;
mod routes;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::server::Lab;

/// A running control server; it ends when this is dropped.
pub struct Control {
    address: SocketAddr,
    server: JoinHandle<()>,
}

/// Why there is no control server.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The address is reachable from outside.
    #[error(
        "{0} can be reached from outside: the control API listens on loopback alone, for example on 127.0.0.1:0"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken, or not to be had.
    #[error("the control API cannot listen on {address}: {source}; port 0 takes a free one")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Control {
    /// Serves `lab` on `listen`; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn start(lab: Lab, listen: SocketAddr) -> Result<Control, ControlError> {
        if !listen.ip().is_loopback() {
            return Err(ControlError::NotLoopback(listen));
        }
        let failed = |source| ControlError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = tokio::spawn(async move {
            // It serves until it is dropped: axum retries what an accept can fail of.
            axum::serve(listener, routes::router(lab)).await.ok();
        });
        Ok(Control { address, server })
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.server.abort();
    }
}
