use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver as SharedReceiver, Sender, unbounded};
use libdeflater::{CompressionLvl, Compressor};

/// The size of a block. Larger blocks lose less at their borders (deflate looks back 32 KiB), smaller ones keep more
/// threads busy.
const BLOCK_LEN: usize = 1 << 20;

/// A block on its way to a compressing thread.
struct Work {
    block: Vec<u8>,
    done: SyncSender<Done>,
}

struct Done {
    member: io::Result<Vec<u8>>,
    /// An empty buffer for reuse.
    block: Vec<u8>,
}

/// Compresses blocks of a fixed size to gzip members (RFC 1952, 2.2: a gzip file is a series of them), concatenated in
/// order.
pub struct GzipWriter<W> {
    out: W,
    block: Vec<u8>,
    started: bool,
    /// Blocks being compressed, the oldest first.
    waiting: VecDeque<Receiver<Done>>,
    spare: Vec<Vec<u8>>,
    workers: Workers,
}

struct Workers {
    wanted: usize,
    level: CompressionLvl,
    queue: Option<Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Write> GzipWriter<W> {
    /// `level` is 0 to 12, libdeflate's: about gzip's, and a little smaller at each. Memory is about 4 MiB per thread.
    pub fn new(out: W, threads: usize, level: u32) -> Self {
        let level = i32::try_from(level).ok().and_then(|level| CompressionLvl::new(level).ok());
        let workers = Workers {
            wanted: threads.max(1),
            level: level.unwrap_or_else(CompressionLvl::best),
            queue: None,
            threads: Vec::new(),
        };
        let block = Vec::with_capacity(BLOCK_LEN);
        Self { out, block, started: false, waiting: VecDeque::new(), spare: Vec::new(), workers }
    }

    /// Ends the file; without this, the last data is missing.
    pub fn finish(mut self) -> io::Result<W> {
        // An empty input is a member too.
        if !self.block.is_empty() || !self.started {
            self.submit()?;
        }
        while !self.waiting.is_empty() {
            self.collect()?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Passes the current block to the threads, and takes results if enough are in progress.
    fn submit(&mut self) -> io::Result<()> {
        self.started = true;
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_LEN));
        let block = std::mem::replace(&mut self.block, next);
        let (done, result) = sync_channel(1);
        self.workers.submit(Work { block, done });
        self.waiting.push_back(result);
        if self.waiting.len() > self.workers.wanted {
            self.collect()?;
        }
        Ok(())
    }

    /// Writes the oldest block's member.
    fn collect(&mut self) -> io::Result<()> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let Done { member, mut block } =
            oldest.recv().map_err(|_| io::Error::other("a compressing thread ended early"))?;
        self.out.write_all(&member?)?;
        block.clear();
        self.spare.push(block);
        Ok(())
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = buffer.len().min(BLOCK_LEN - self.block.len());
        self.block.extend_from_slice(&buffer[..count]);
        if self.block.len() == BLOCK_LEN {
            self.submit()?;
        }
        Ok(count)
    }

    /// Does not end the current block: the bytes would then depend on who flushes when.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Workers {
    fn submit(&mut self, work: Work) {
        let queue = self.queue.take().unwrap_or_else(|| {
            let (queue, receiver) = unbounded();
            let spawned = (0..self.wanted).map(|_| spawn(receiver.clone(), self.level));
            self.threads.extend(spawned);
            queue
        });
        let _ = queue.send(work);
        self.queue = Some(queue);
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn spawn(queue: SharedReceiver<Work>, level: CompressionLvl) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut compressor = Compressor::new(level);
        for Work { block, done } in queue {
            let member = compress(&mut compressor, &block);
            // It fails when the writer was dropped.
            let _ = done.send(Done { member, block });
        }
    })
}

fn compress(compressor: &mut Compressor, block: &[u8]) -> io::Result<Vec<u8>> {
    let mut member = vec![0; compressor.gzip_compress_bound(block.len())];
    let length = compressor.gzip_compress(block, &mut member).map_err(io::Error::other)?;
    member.truncate(length);
    Ok(member)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn compress(text: &[u8], threads: usize, step: usize) -> Vec<u8> {
        let mut writer = GzipWriter::new(Vec::new(), threads, 6);
        for part in text.chunks(step) {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 % 64
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_bytes_do_not_depend_on_threads_or_on_how_they_came() {
        for length in [0, 1, BLOCK_LEN - 1, BLOCK_LEN, BLOCK_LEN + 1, 3 * BLOCK_LEN + 17] {
            let text = sample(length);
            let one = compress(&text, 1, 1 << 20);
            assert_eq!(one, compress(&text, 3, 100_003), "{length}");
            let mut read = Vec::new();
            flate2::read::MultiGzDecoder::new(one.as_slice()).read_to_end(&mut read).unwrap();
            assert_eq!(read, text, "{length}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_every_other_version() {
        let digest = crate::base::digest::BlobDigest::of(&compress(&sample(2 * BLOCK_LEN), 2, 1 << 16));
        assert_eq!(digest.short(), "d1bbb8a9521a");
    }

    #[test]
    fn what_cannot_be_compressed_does_not_get_lost() {
        let mut noise = vec![0; BLOCK_LEN];
        blake3::Hasher::new().finalize_xof().read_exact(&mut noise).unwrap();
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(compress(&noise, 1, 4096).as_slice()).read_to_end(&mut read).unwrap();
        assert_eq!(read, noise);
    }
}
