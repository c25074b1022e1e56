//! An archive is read to its end or to an error, and no entry gives more than the limits allow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild::layer::{ArchiveLimits, ArchiveReader};

fuzz_target!(|archive: &[u8]| {
    let mut reader = ArchiveReader::new(archive, ArchiveLimits::default());
    let mut buffer = [0; 4096];
    while let Ok(Some(_)) = reader.next_entry() {
        // Sparse files can claim terabytes of holes; a few pieces of each are enough.
        for _ in 0..64 {
            match reader.read_data(&mut buffer) {
                Ok(Some((_, length))) => assert!(length <= buffer.len()),
                Ok(None) | Err(_) => break,
            }
        }
    }
});
