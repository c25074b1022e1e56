//! Everything that rbuild reads from untrusted sources. `run` reads an input as rbuild does, asserts the invariants,
//! and describes the result: an input with a new result is worth more mutations. `seeds` are the initial inputs.

pub mod cache;
pub mod cdi;
pub mod compressed;
pub mod dns;
pub mod dockerfile;
pub mod dockerignore;
pub mod git;
pub mod image;
pub mod monitor;
pub mod references;
pub mod tar;
pub mod unpack;
pub mod words;

/// Fragments of texts, for a mutator that knows no format.
pub type Pieces = &'static [&'static [u8]];

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A folder for one input; in memory if possible, because there are many of them.
fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("rbuild-fuzz-");
    builder.tempdir_in("/dev/shm").or_else(|_| builder.tempdir()).expect("a folder can be made")
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
