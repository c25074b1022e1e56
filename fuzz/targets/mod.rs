//! What rbuild reads from strangers. `run` reads an input as rbuild does, asserts what always holds, and says in words what
//! came of it: an input with a new answer is worth more changes. `seeds` are inputs to begin with.

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

/// What texts are made of, for a mutator that knows nothing of any format.
pub type Pieces = &'static [&'static [u8]];

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// A folder of an input's own; in memory where that can be, as there are many of them.
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
