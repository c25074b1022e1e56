//! The single thread that waits for the network. Other threads block on its results.

use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::transport::registry::RegistryError;

/// Runs all connections. The thread ends when this is dropped.
pub struct IoThread {
    handle: Handle,
    /// Dropped to end the thread.
    _running: oneshot::Sender<()>,
}

impl IoThread {
    pub fn start() -> Result<Self, RegistryError> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(RegistryError::Runtime)?;
        let handle = runtime.handle().clone();
        let (running, ended) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name("registry".to_owned())
            .spawn(move || {
                let _ = runtime.block_on(ended);
                // A pending name lookup must not delay the exit.
                runtime.shutdown_timeout(Duration::ZERO);
            })
            .map_err(RegistryError::Runtime)?;
        Ok(Self { handle, _running: running })
    }

    /// Blocks on the future on this thread, which must not be the I/O thread.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Runs the future on the I/O thread.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }
}
