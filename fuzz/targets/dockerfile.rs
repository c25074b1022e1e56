//! Whatever the bytes, parsing a Dockerfile ends without a panic, and the result can be shown.

use rbuild::image::{Platform, Reference};
use rbuild::language::dockerfile::lint::{BaseImage, LintOptions, World, lint};
use rbuild::language::dockerfile::outline::{OutlineOptions, outline, targets};
use rbuild::language::dockerfile::{parse, report::Report};

pub const PIECES: super::Pieces = &[
    b"\\\n",
    b"\n",
    b"\r\n",
    b"<<EOF",
    b"<<-'E'",
    b"${",
    b"}",
    b"${A:-",
    b"\"",
    b"'",
    b"`",
    b"#",
    b"# escape=`\n",
    b"[\"",
    b"\"]",
    b",",
    b"--mount=type=",
    b"=",
    b" ",
    b"\t",
    b"\xc2\xa0",
    b"\xff",
    b"\0",
    b"ONBUILD ",
    b"RUN ",
    b"COPY --from=",
    b"FROM ",
    b"ENV ",
    b"ARG ",
    b"HEALTHCHECK ",
    b"\xf0\x9f\x98\x80",
];

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

pub fn run(source: &[u8]) -> String {
    let parse = parse(source);
    Report::new(&parse).canonical().expect("a report can be written");
    match &parse.result {
        Err(error) => error.render("Dockerfile", source),
        Ok(file) => {
            let found = lint(&parse, &NoWorld, &LintOptions::default());
            assert_eq!(targets(&parse).len(), file.stages.len());
            let _ = outline(&parse, file, &OutlineOptions::default());
            format!("{} stages, {} findings", file.stages.len(), found.warnings.len())
        }
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    super::texts(&[
        "# escape=`\nFROM a AS b\nRUN <<EOF c `\n d\nx\nEOF\nCMD [\"a\", \"b\"]\n",
        "FROM --platform=$P a\nENV A=b C=\"d e\" F ${A:-x}\nCOPY --from=b --chown=a:b a b /c\nONBUILD RUN --mount=type=cache,target=/a x\n",
        "FROM a\nHEALTHCHECK --interval=1m CMD [\"a\"]\nLABEL a=b\nEXPOSE 80/tcp\nCOPY <<-\"A\" /a\n\tb\n\tA\nUSER a\n",
        "ARG V=1\nFROM a:${V} AS x\nADD --checksum=sha256:aa https://a/b /c\nSHELL [\"sh\"]\nVOLUME /v /w\nSTOPSIGNAL 9\nFROM x\nWORKDIR /$V\n",
    ])
}
