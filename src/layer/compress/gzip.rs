use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver as SharedReceiver, Sender, unbounded};
use flate2::{Compress, FlushCompress, Status};

/// What is compressed on its own. Larger blocks lose less at their borders (deflate looks back 32 KiB), smaller ones
/// keep more threads busy.
const BLOCK_LEN: usize = 512 << 10;

/// RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last deflate block: final, fixed codes, nothing in it.
const END: [u8; 2] = [3, 0];

/// A block on its way to a compressing thread.
struct Work {
    block: Vec<u8>,
    level: u32,
    done: SyncSender<Done>,
}

struct Done {
    compressed: io::Result<Vec<u8>>,
    checksum: crc32fast::Hasher,
    /// To be filled again.
    block: Vec<u8>,
}

/// Compresses to one gzip member: blocks of fixed size, each compressed on its own and ended by a sync flush, put
/// together in their order.
pub struct GzipWriter<W> {
    out: W,
    level: u32,
    block: Vec<u8>,
    checksum: crc32fast::Hasher,
    length: u64,
    started: bool,
    /// Blocks being compressed, the oldest first.
    waiting: VecDeque<Receiver<Done>>,
    spare: Vec<Vec<u8>>,
    workers: Workers,
}

struct Workers {
    wanted: usize,
    queue: Option<Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl<W: Write> GzipWriter<W> {
    /// `level` is 0 to 9. Memory is about 2 MiB per thread.
    pub fn new(out: W, threads: usize, level: u32) -> Self {
        Self {
            out,
            level: level.min(9),
            block: Vec::with_capacity(BLOCK_LEN),
            checksum: crc32fast::Hasher::new(),
            length: 0,
            started: false,
            waiting: VecDeque::new(),
            spare: Vec::new(),
            workers: Workers { wanted: threads.max(1), queue: None, threads: Vec::new() },
        }
    }

    /// Ends the member; without this what was written is no gzip file.
    pub fn finish(mut self) -> io::Result<W> {
        self.submit()?;
        while !self.waiting.is_empty() {
            self.collect()?;
        }
        self.start()?;
        self.out.write_all(&END)?;
        self.out.write_all(&self.checksum.clone().finalize().to_le_bytes())?;
        // RFC 1952: the length modulo 2^32.
        self.out.write_all(&(self.length as u32).to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn start(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.started, true) {
            self.out.write_all(&HEADER)?;
        }
        Ok(())
    }

    /// Hands the block at hand to the threads, and takes results when enough are under way.
    fn submit(&mut self) -> io::Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        let next = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(BLOCK_LEN));
        let block = std::mem::replace(&mut self.block, next);
        let (done, result) = sync_channel(1);
        self.workers.submit(Work { block, level: self.level, done });
        self.waiting.push_back(result);
        if self.waiting.len() > self.workers.wanted {
            self.collect()?;
        }
        Ok(())
    }

    /// Writes the oldest block's result.
    fn collect(&mut self) -> io::Result<()> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let done = oldest.recv().map_err(|_| io::Error::other("a compressing thread ended early"))?;
        self.start()?;
        self.out.write_all(&done.compressed?)?;
        self.length += done.block.len() as u64;
        self.checksum.combine(&done.checksum);
        let mut block = done.block;
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

    /// Does not end the block at hand: the bytes would then depend on who flushes when.
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Workers {
    fn submit(&mut self, work: Work) {
        // One thread for one block: short streams need no more.
        let (queue, receiver) = match self.queue.take() {
            Some(queue) => (queue, None),
            None => {
                let (queue, receiver) = unbounded::<Work>();
                (queue, Some(receiver))
            }
        };
        if let Some(receiver) = receiver {
            self.threads.extend((0..self.wanted).map(|_| spawn(receiver.clone())));
        }
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

fn spawn(queue: SharedReceiver<Work>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for Work { block, level, done } in queue {
            let compressed = compress_block(&block, level);
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(&block);
            let _ = done.send(Done { compressed, checksum, block });
        }
    })
}

/// A raw deflate stream that ends at a byte's border and is not final, so that another can follow.
fn compress_block(block: &[u8], level: u32) -> io::Result<Vec<u8>> {
    let mut deflate = Compress::new(flate2::Compression::new(level), false);
    let mut out = Vec::with_capacity(block.len() / 2 + 1024);
    loop {
        let taken = deflate.total_in() as usize;
        let status = deflate.compress_vec(&block[taken..], &mut out, FlushCompress::Sync).map_err(io::Error::other)?;
        // Room that is left means that the flush is complete.
        if deflate.total_in() as usize == block.len() && out.len() < out.capacity() && status != Status::BufError {
            return Ok(out);
        }
        out.reserve(out.capacity() / 2 + 1024);
    }
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
            // One member: what reads only the first one gets it all.
            flate2::read::GzDecoder::new(one.as_slice()).read_to_end(&mut read).unwrap();
            assert_eq!(read, text, "{length}");
        }
    }

    #[test]
    fn the_bytes_are_those_of_every_other_version() {
        let digest = crate::digest::BlobDigest::of(&compress(&sample(2 * BLOCK_LEN), 2, 1 << 16));
        assert_eq!(digest.short(), "c67b9991b1db");
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
