//! Response bodies, for threads that may block.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use reqwest::Response;
use tokio::runtime::Runtime;

use crate::transport::registry::{Limits, Pace, TooSlow};

/// Reads a response body, with a minimum speed. The connection makes progress only while it is read.
pub fn body_reader(runtime: &Arc<Runtime>, response: Response) -> impl Read + Send + use<> {
    let stream = response.bytes_stream().map(|chunk| chunk.map_err(io::Error::other)).boxed();
    let Limits { slowest, window, .. } = Limits::default();
    let pace = Pace::new(slowest, window);
    BodyReader { runtime: runtime.clone(), stream, chunk: Bytes::new(), pace }
}

struct BodyReader {
    runtime: Arc<Runtime>,
    stream: BoxStream<'static, io::Result<Bytes>>,
    chunk: Bytes,
    pace: Pace,
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let asked_at = Instant::now();
            let Some(chunk) = self.runtime.block_on(self.stream.next()) else { return Ok(0) };
            self.chunk = chunk?;
            self.pace.came(self.chunk.len() as u64, asked_at.elapsed()).map_err(|slow| {
                let TooSlow { slowest, window } = slow;
                io::Error::other(format!("fewer than {slowest} bytes per second came for {} s", window.as_secs()))
            })?;
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
