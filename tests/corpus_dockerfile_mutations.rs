//! Ten thousand broken Dockerfiles: none panics or takes long. The same ones in every run.

mod corpus;

use std::collections::BTreeMap;
use std::time::Duration;

use rbuild::language::dockerfile::words::Lexer;
use rbuild::language::dockerfile::{mount, parse, report::Report};

const MUTATIONS: usize = 10_000;
/// CPU time, whatever the machine's load: far more than any input needs, but not enough for a hang or quadratic time.
const LONGEST: Duration = Duration::from_secs(10);

/// What mutations insert: the characters with a meaning, and some that break text.
const PIECES: &[&[u8]] = &[
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
    b"[[[[",
    b",",
    b"--",
    b"--mount=type=",
    b"=",
    b" ",
    b"\t",
    b"\xc2\xa0",
    b"\xff",
    b"\0",
    b"\xef\xbb\xbf",
    b"ONBUILD ",
    b"RUN ",
    b"COPY ",
    b"ENV ",
    b"HEALTHCHECK ",
    b"\xe2\x80\x83",
    b"$",
    b"/",
    b"%",
    b"\xf0\x9f\x98\x80",
];

/// The generator `splitmix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }
}

#[test]
fn mutated_files_do_no_harm() {
    let sources = sources();
    let mut random = Random(1);
    for _ in 0..MUTATIONS {
        let mut source = sources[random.below(sources.len())].clone();
        for _ in 0..=random.below(8) {
            mutate(&mut source, &mut random);
        }
        let start = used();
        exercise(&source);
        assert!(used() - start < LONGEST, "slow: {:?}", String::from_utf8_lossy(&source));
    }
}

#[test]
fn deep_and_long_inputs_do_no_harm() {
    let variables = BTreeMap::from([("A".to_owned(), "a".repeat(1000))]);
    for piece in
        ["${A:-", "\"${A/", "[", "[\"a\",", "ONBUILD ", "'", "\\", "--x=", "<<E ", "${A#*", "{\"a\":", "a=b ", "\u{a0}"]
    {
        let text = piece.repeat(4_000);
        for keyword in ["RUN", "ENV", "COPY", "ONBUILD", "ARG", "HEALTHCHECK CMD", "USER"] {
            let lines: Vec<&str> =
                text.as_bytes().chunks(20_000).filter_map(|part| std::str::from_utf8(part).ok()).collect();
            exercise(format!("FROM a\n{keyword} {}\n", lines.join("\\\n")).as_bytes());
        }
        let start = used();
        let _ = Lexer::new('\\').expand_words(&text, &variables);
        let _ = mount::parse(&text);
        assert!(used() - start < LONGEST, "{piece}");
    }
}

/// The CPU time of this thread.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn exercise(source: &[u8]) {
    let parsed = parse(source);
    let report = Report::new(&parsed);
    report.canonical().unwrap();
    if let Err(error) = &parsed.result {
        assert!(!error.render("Dockerfile", source).is_empty());
    }
    for node in &parsed.tree.instructions {
        for piece in &node.arguments {
            assert!(piece.place.start <= piece.place.end);
            let _ = node.span(piece.place);
            let _ = Lexer::new(parsed.tree.escape).expand(&piece.text, &BTreeMap::new());
        }
    }
}

fn mutate(source: &mut Vec<u8>, random: &mut Random) {
    let place = random.below(source.len() + 1);
    match random.below(4) {
        0 => {
            let piece = PIECES[random.below(PIECES.len())];
            source.splice(place..place, piece.iter().copied());
        }
        1 if place < source.len() => {
            let end = source.len().min(place + 1 + random.below(20));
            source.drain(place..end);
        }
        2 if place < source.len() => source[place] = u8::try_from(random.below(256)).unwrap(),
        _ => {
            let end = source.len().min(place + random.below(40));
            let copy = source[place..end].to_vec();
            let target = random.below(source.len() + 1);
            source.splice(target..target, copy);
        }
    }
}

/// The edge cases of the corpus and its shorter files; without it a few files of our own.
fn sources() -> Vec<Vec<u8>> {
    let own = [
        "# escape=`\nFROM a AS b\nRUN <<EOF c `\n d\nx\nEOF\nCMD [\"a\", \"b\"]\n",
        "FROM --platform=$P a\nENV A=b C=\"d e\" F ${A:-x}\nCOPY --from=b --chown=a:b a b /c\nONBUILD RUN --mount=type=cache,target=/a x\n",
        "FROM a\nHEALTHCHECK --interval=1m CMD [\"a\"]\nLABEL a=b\nEXPOSE 80/tcp\nCOPY <<-\"A\" /a\n\tb\n\tA\nUSER a\n",
    ];
    let mut sources: Vec<Vec<u8>> = own.iter().map(|text| text.as_bytes().to_vec()).collect();
    for file in ["edge.jsonl", "ast.jsonl"] {
        let rows = corpus::rows(file).unwrap_or_default();
        sources.extend(rows.iter().map(corpus::source).filter(|source| source.len() < 1500));
    }
    sources
}
