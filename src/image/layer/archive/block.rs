//! The fields of one 512-byte header block (POSIX pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format").

pub(super) const BLOCK: usize = 512;

/// A header block whose checksum is right.
pub(super) struct Block<'a>(&'a [u8; BLOCK]);

/// True for the first block of a tar archive that has at least one entry.
pub fn looks_like_tar(start: &[u8]) -> bool {
    let Some(Ok(block)) = start.get(..BLOCK).map(<&[u8; BLOCK]>::try_from) else { return false };
    block.iter().any(|&byte| byte != 0) && Block::new(block).is_some()
}

impl<'a> Block<'a> {
    pub(super) fn new(bytes: &'a [u8; BLOCK]) -> Option<Self> {
        let said = number(&bytes[148..156])?;
        let outside = || bytes[..148].iter().chain(&bytes[156..]);
        let blanks = 8 * i64::from(b' ');
        let unsigned: i64 = outside().map(|&byte| i64::from(byte)).sum();
        // Some old programs summed signed characters.
        let signed: i64 = outside().map(|&byte| i64::from(byte as i8)).sum();
        (said == unsigned + blanks || said == signed + blanks).then_some(Self(bytes))
    }

    pub(super) fn flag(&self) -> u8 {
        self.0[156]
    }

    /// The name, with ustar's prefix in front where there is one.
    pub(super) fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        let prefix = if self.is_posix() { text(&self.0[345..500]) } else { b"" };
        if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
    }

    pub(super) fn link(&self) -> &'a [u8] {
        text(&self.0[157..257])
    }

    pub(super) fn mode(&self) -> Option<i64> {
        number(&self.0[100..108])
    }

    pub(super) fn uid(&self) -> Option<i64> {
        number(&self.0[108..116])
    }

    pub(super) fn gid(&self) -> Option<i64> {
        number(&self.0[116..124])
    }

    pub(super) fn size(&self) -> Option<u64> {
        number(&self.0[124..136]).and_then(|size| u64::try_from(size).ok())
    }

    pub(super) fn mtime(&self) -> Option<i64> {
        number(&self.0[136..148])
    }

    pub(super) fn device(&self) -> Option<(u32, u32)> {
        let part = |field| number(field).and_then(|number| u32::try_from(number).ok());
        Some((part(&self.0[329..337])?, part(&self.0[337..345])?))
    }

    /// Offsets and lengths of the data of an old GNU sparse file, and whether more of them follow in a block of their
    /// own.
    pub(super) fn sparse_map(&self) -> (&'a [u8], bool) {
        (&self.0[386..482], self.0[482] != 0)
    }

    pub(super) fn sparse_size(&self) -> Option<u64> {
        number(&self.0[483..495]).and_then(|size| u64::try_from(size).ok())
    }

    fn is_posix(&self) -> bool {
        &self.0[257..263] == b"ustar\0"
    }
}

/// Text up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Octal digits between blanks and NULs, or, when the first bit is set, a big-endian binary number (GNU's base-256).
/// An empty field is zero.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    match field.first()? {
        0x80 => binary(0, &field[1..]),
        0xff => binary(-1, &field[1..]),
        _ => octal(field),
    }
}

fn binary(sign: i64, digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(sign, |value, &digit| value.checked_mul(256)?.checked_add(i64::from(digit)))
}

fn octal(field: &[u8]) -> Option<i64> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !blank(byte)).unwrap_or(field.len());
    let digits = field[start..].split(blank).next().unwrap_or_default();
    digits.iter().try_fold(0i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        let cases: [(&[u8], Option<i64>); 9] = [
            (b"0000644\0", Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"12345678", None),
            (b"0000x44\0", None),
            (b"\x80\0\0\0\0\x20\0\0", Some(0x20_0000)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"77777777777\0", Some(0o77777777777)),
        ];
        for (field, expected) in cases {
            assert_eq!(number(field), expected, "{field:?}");
        }
    }

    #[test]
    fn text_and_zeros_are_no_tar() {
        assert!(!looks_like_tar(&[0; 1024]));
        assert!(!looks_like_tar(&[b'a'; 1024]));
        assert!(!looks_like_tar(b"FROM busybox\n"));
        let mut header = tar::Header::new_gnu();
        header.set_path("x").unwrap();
        header.set_cksum();
        assert!(looks_like_tar(header.as_bytes()));
    }
}
