//! Whatever the bytes, reading ends, without a panic, and what was read can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rbuild::dockerfile::lint::{BaseImage, LintOptions, World, lint};
use rbuild::dockerfile::outline::{OutlineOptions, outline, targets};
use rbuild::dockerfile::{parse, report::Report};
use rbuild::image::{Platform, Reference};

struct NoWorld;

impl World for NoWorld {
    fn base(&self, _name: &str, _platform: Option<&str>) -> BaseImage {
        BaseImage::default()
    }

    fn is_image_name(&self, text: &str) -> bool {
        text.parse::<Reference>().is_ok()
    }

    fn platform(&self, text: &str) -> Option<(String, String)> {
        text.parse::<Platform>().ok().map(|platform| (platform.os, platform.architecture))
    }

    fn is_ignored(&self, _path: &str) -> bool {
        false
    }
}

fuzz_target!(|source: &[u8]| {
    let parse = parse(source);
    Report::new(&parse).canonical().expect("a report can be written");
    match &parse.result {
        Err(error) => drop(error.render("Dockerfile", source)),
        Ok(file) => {
            lint(&parse, &NoWorld, &LintOptions::default());
            assert_eq!(targets(&parse).len(), file.stages.len());
            let _ = outline(&parse, file, &OutlineOptions::default());
        }
    }
});
