//! The frames between a container's monitor and its clients, as both sides read them.

use rbuild::container::examine_frames;

pub const PIECES: super::Pieces = &[
    b"\x01\x05\0\0\0",
    b"\x02\0\0\0\0",
    b"\x06\x01\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x80\x80\x80\x80\x08",
    b"\0",
    b"\x01",
];

pub fn run(bytes: &[u8]) -> String {
    examine_frames(bytes)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let frame = |kind: u8, body: &[u8]| [&[kind], (body.len() as u32).to_le_bytes().as_slice(), body].concat();
    vec![
        // To which container a monitor belongs; attach with a size; resize.
        frame(1, b"\0\x02/c\x04abcd\x01\x01\x01\x01\x18\x50"),
        [frame(1, b"\x01\0\x01\x01\0"), frame(2, b"input"), frame(3, b"")].concat(),
        frame(1, b"\x02\x18\x50"),
        // A signal; stop within ten seconds; wait.
        [frame(1, b"\x03\x1e\x01"), frame(1, b"\x04\x01\x1e\x01\x14\0"), frame(1, b"\x05")].concat(),
        // Output; started with a warning; failed; ended.
        [
            frame(4, b"out"),
            frame(5, b"err"),
            frame(6, b"\0\x01\x04warn"),
            frame(6, b"\x02\x02no\x01\x04hint\x7d"),
            frame(6, b"\x03\x07\0\0"),
        ]
        .concat(),
    ]
}
