//! The documents of a remote cache: the list of records, the outline of a layer, the index of a mount's content.

use rbuild::build::remote_cache::{Document, examine_index};
use rbuild::store::snapshot::{Outline, outline_of};
use serde_json::json;

pub const PIECES: super::Pieces = &[
    b"null",
    b"\"sha256:",
    b"{}",
    b"[]",
    b"-1",
    b"9223372036854775807",
    b"\"version\":1",
    b"rbuild outline 1\n",
    b"rbuild mount 1\n",
    b"\xff\xff\xff\xff",
];

pub fn run(bytes: &[u8]) -> String {
    let mut said = match Document::parse(bytes) {
        Ok(document) => examine(&document),
        Err(error) => super::chain(&error),
    };
    // Those two are compressed; their decompressed content is mutated.
    let outline = [b"rbuild outline 1\n".as_slice(), &compressed(bytes)].concat();
    for outline in [bytes, &outline] {
        said.push_str(&format!("outline {};", Outline::parse(outline).is_some()));
    }
    let cut = bytes.len() / 2;
    let (head, recipe) = (compressed(&bytes[..cut]), compressed(&bytes[cut..]));
    let index = [b"rbuild mount 1\n".as_slice(), &(head.len() as u64).to_le_bytes(), &head, &recipe].concat();
    for index in [bytes, &index] {
        let read = examine_index(index);
        said.push_str(&read.map_or_else(|error| super::chain(&error), |total| format!("{total} bytes;")));
    }
    said
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory takes it")
}

fn examine(document: &Document) -> String {
    let written = document.to_bytes();
    assert_eq!(&Document::parse(&written).expect("it was one"), document, "what is written is read as the same");
    let mut merged = document.clone();
    merged.merge(document.clone());
    assert_eq!(&merged, document, "a document has nothing that it lacks");
    merged.prune(20_000);
    merged.drop_blobs(|digest| digest.as_bytes()[0] & 1 == 0);
    assert!(Document::parse(&merged.to_bytes()).is_ok(), "what is left is whole");
    let manifest = document.manifest(&written);
    format!("{} records, {} blobs;", document.records.len(), manifest.layers.len())
}

pub fn seeds() -> Vec<Vec<u8>> {
    let digest = |byte: &str| format!("sha256:{}", byte.repeat(32));
    let blob = |byte: &str| json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest(byte), "size": 7});
    let document = json!({
        "version": 1,
        "records": {digest("0a"): {"layer": digest("01"), "usedDay": 19_999}, digest("0b"): {"layer": digest("02"), "usedDay": 1}},
        "layers": {
            digest("01"): {"tree": digest("11"), "streamSize": 1024, "contentSize": 3, "madeAt": 1_700_000_000, "blob": blob("21")},
            digest("02"): {"tree": digest("12"), "streamSize": 1024, "contentSize": 3, "madeAt": 5},
        },
        "mounts": {"id": {"savedAt": 1_700_000_000, "stream": digest("31"), "index": blob("32"), "packs": [blob("33")]}},
        "outlines": {digest("01"): {"blob": blob("41"), "usedDay": 20_000}},
    });
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::create_dir_all(folder.path().join("etc/x")).expect("a folder can be made");
    std::fs::write(folder.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("a file can be written");
    std::os::unix::fs::symlink("etc", folder.path().join("link")).expect("a link can be made");
    let outline = outline_of(&[folder.path().to_owned()]).expect("it can be read").expect("it is small");
    let plain = zstd::decode_all(&outline[b"rbuild outline 1\n".len()..]).expect("it was compressed");
    // The head of one pack with one chunk (postcard), and a recipe of as many bytes: some literal ones, and that chunk.
    let head = [&[0xff, 3, 0, 0, 1], [7; 32].as_slice(), &[0x80, 1, 1], &[9; 32], &[0, 0, 5, 5]].concat();
    let mut recipe = b"\0\x03\0\0\0abc\x01\0\0\0\0".to_vec();
    recipe.extend(
        [
            &[0, head.len() as u8 - recipe.len() as u8 - 5, 0, 0, 0],
            vec![b'x'; head.len() - recipe.len() - 5].as_slice(),
        ]
        .concat(),
    );
    vec![document.to_string().into_bytes(), outline, plain, [head, recipe].concat()]
}
