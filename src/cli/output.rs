//! Standard output and input. Whoever reads the output may close it at any time: that is no error.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use crate::io_error::{AtPath as _, IoError};

/// Writes `text` to standard output.
pub fn print(text: &str) -> Result<(), IoError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(IoError { action: "write to", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// Standard output for bytes: std's own looks for line ends in all of them.
pub fn raw_stdout() -> Result<File, IoError> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned().at("open", "standard output")?))
}

/// Standard input for bytes, which another thread may read.
pub fn raw_stdin() -> Result<File, IoError> {
    Ok(File::from(io::stdin().as_fd().try_clone_to_owned().at("open", "standard input")?))
}
