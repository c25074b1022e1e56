use std::io::{self, Write};

use zstd::stream::raw::CParameter;

/// What one thread compresses at a time. Set here so that the output does not depend on a library version's default.
const JOB_LEN: u32 = 2 << 20;

/// Compresses to one zstd frame with a checksum. A single thread also works in jobs of fixed size, so the bytes do not
/// depend on the number of threads.
pub struct ZstdWriter<W: Write> {
    encoder: zstd::Encoder<'static, W>,
}

impl<W: Write> ZstdWriter<W> {
    /// `level` is 1 to 19.
    pub fn new(out: W, threads: usize, level: i32) -> io::Result<Self> {
        let mut encoder = zstd::Encoder::new(out, level)?;
        encoder.include_checksum(true)?;
        encoder.multithread(u32::try_from(threads.max(1)).unwrap_or(u32::MAX))?;
        encoder.set_parameter(CParameter::JobSize(JOB_LEN))?;
        Ok(Self { encoder })
    }

    /// Ends the frame; without this the output is not a valid zstd file.
    pub fn finish(self) -> io::Result<W> {
        let mut out = self.encoder.finish()?;
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.encoder.write(buffer)
    }

    /// Does not end the current block: the bytes would then depend on who flushes when.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_do_not_depend_on_threads_or_on_how_they_came() {
        let text: Vec<u8> =
            (0..2_000_000u32).flat_map(|number| (number / 3).wrapping_mul(7919).to_le_bytes()).collect();
        let compress = |threads, step| {
            let mut writer = ZstdWriter::new(Vec::new(), threads, 3).unwrap();
            for part in text.chunks(step) {
                writer.write_all(part).unwrap();
                writer.flush().unwrap();
            }
            writer.finish().unwrap()
        };
        let one = compress(1, 1 << 20);
        assert_eq!(one, compress(2, 1 << 20));
        assert_eq!(one, compress(4, 77_777));
        assert_eq!(zstd::decode_all(one.as_slice()).unwrap(), text);
    }
}
