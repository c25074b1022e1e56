use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Reads the members of a gzip stream one after another. Zeros behind the last one are padding, as for gzip(1).
pub(super) struct GzipReader<R: BufRead> {
    /// The member that is being read; always there between calls.
    member: Option<GzDecoder<R>>,
    is_at_end: bool,
}

impl<R: BufRead> GzipReader<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { member: Some(GzDecoder::new(reader)), is_at_end: false }
    }

    pub(super) fn get_ref(&self) -> &R {
        self.member.as_ref().expect("a member is there between calls").get_ref()
    }

    /// Continues with the next member; false if there is none.
    fn next_member(&mut self) -> io::Result<bool> {
        let mut reader = self.member.take().expect("a member is there between calls").into_inner();
        let mut padding = false;
        let is_there = loop {
            let bytes = match reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.member = Some(GzDecoder::new(reader));
                    return Err(error);
                }
            };
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            if zeros < bytes.len() || bytes.is_empty() {
                padding |= zeros > 0;
                break !bytes.is_empty();
            }
            padding = true;
            reader.consume(zeros);
        };
        self.member = Some(GzDecoder::new(reader));
        if is_there && padding {
            let message = "there is something behind the padding at its end";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(is_there)
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.is_at_end && !buffer.is_empty() {
            let member = self.member.as_mut().expect("a member is there between calls");
            match member.read(buffer)? {
                0 => self.is_at_end = !self.next_member()?,
                count => return Ok(count),
            }
        }
        Ok(0)
    }
}
