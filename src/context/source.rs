use std::io::Read;
use std::path::Path;

use super::ContextError;

/// What came on standard input in place of a context.
pub enum Standard<R> {
    /// A Dockerfile; the context is empty.
    Dockerfile(Vec<u8>),
    /// A tar archive, still (perhaps) compressed, from its first byte.
    Archive(R),
}

/// Tells a Dockerfile from an archive by the first bytes.
pub fn read_standard_input<R: Read + Send>(input: R) -> Result<Standard<impl Read + Send>, ContextError> {
    Ok(Standard::Archive(input))
}

/// Unpacks a context archive of any compression into the empty directory `staging`, where `Context::open` can take it.
pub fn unpack_context(archive: impl Read + Send, staging: &Path) -> Result<(), ContextError> {
    let _ = (archive, staging);
    todo!()
}
