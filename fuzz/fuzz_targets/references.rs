//! What is read as a reference or a platform is read from its own text as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild::image::{Platform, Reference};

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse::<Reference>().expect("it was one").to_string(), reference.to_string());
        let _ = reference.familiar();
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let _ = platform.normalized().to_string();
    }
});
