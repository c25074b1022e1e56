//! An ignore file, its first line taken for the path that is asked about. The root is never left out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild::context::IgnorePatterns;

fuzz_target!(|input: &[u8]| {
    let (path, text) = input.iter().position(|byte| *byte == b'\n').map_or((input, &[][..]), |end| input.split_at(end));
    if let Ok(patterns) = IgnorePatterns::parse(text) {
        patterns.matches(path);
        assert!(!patterns.matches(b"."));
        assert!(!patterns.is_empty() || !patterns.matches(path));
    }
});
