//! One entry's metadata, and its canonical form as tar header blocks: ustar, with a PAX extended header in front only
//! where ustar cannot say it (POSIX pax, "ustar Interchange Format" and "pax Extended Header").

/// An entry's type, with ustar's type flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeFlag {
    Regular = b'0' as isize,
    HardLink = b'1' as isize,
    Symlink = b'2' as isize,
    CharDevice = b'3' as isize,
    BlockDevice = b'4' as isize,
    Directory = b'5' as isize,
    Fifo = b'6' as isize,
    Extended = b'x' as isize,
}

/// What a tar header says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    /// Relative, without a trailing slash.
    pub(super) path: &'a [u8],
    pub(super) flag: TypeFlag,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    pub(super) size: u64,
    pub(super) link: &'a [u8],
    pub(super) device: (u32, u32),
    /// Names and values, in byte order of the names.
    pub(super) xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

const BLOCK: usize = 512;
const NAME_LEN: usize = 100;
const PREFIX_LEN: usize = 155;
/// The largest number that seven octal digits hold.
const MAX_SMALL: u64 = 0o7777777;
/// The largest number that eleven octal digits hold.
const MAX_LARGE: u64 = 0o77777777777;

impl Record<'_> {
    /// Appends the header blocks to `out`.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut path = self.path.to_vec();
        if self.flag == TypeFlag::Directory {
            path.push(b'/');
        }
        let records = self.extended_records(&path);
        if !records.is_empty() {
            write_extended(&records, out);
        }
        let (prefix, name) = split_path(&path).unwrap_or((b"", &path));
        out.extend_from_slice(&self.block(prefix, name));
    }

    /// The records of the extended header; empty when ustar says it all.
    fn extended_records(&self, path: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        let fits = |text: &[u8]| text.is_ascii() && text.len() <= NAME_LEN;
        if std::str::from_utf8(path).is_err() || std::str::from_utf8(self.link).is_err() {
            // PAX text is UTF-8 unless this record says otherwise; libarchive writes and reads it so.
            push_record(&mut records, b"hdrcharset", b"BINARY");
        }
        if !path.is_ascii() || split_path(path).is_none() {
            push_record(&mut records, b"path", path);
        }
        if !fits(self.link) {
            push_record(&mut records, b"linkpath", self.link);
        }
        let mut number = |name: &[u8], fits: bool, text: String| {
            if !fits {
                push_record(&mut records, name, text.as_bytes());
            }
        };
        number(b"size", self.size <= MAX_LARGE, self.size.to_string());
        number(b"uid", u64::from(self.uid) <= MAX_SMALL, self.uid.to_string());
        number(b"gid", u64::from(self.gid) <= MAX_SMALL, self.gid.to_string());
        number(b"mtime", u64::try_from(self.mtime).is_ok_and(|time| time <= MAX_LARGE), self.mtime.to_string());
        for (name, value) in self.xattrs {
            push_record(&mut records, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        records
    }

    fn block(&self, prefix: &[u8], name: &[u8]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[0..100], name);
        put_octal(&mut block[100..108], u64::from(self.mode));
        put_octal(&mut block[108..116], u64::from(self.uid));
        put_octal(&mut block[116..124], u64::from(self.gid));
        put_octal(&mut block[124..136], self.size);
        put_octal(&mut block[136..148], u64::try_from(self.mtime).unwrap_or(0));
        block[156] = self.flag as u8;
        put_text(&mut block[157..257], self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        put_octal(&mut block[329..337], u64::from(self.device.0));
        put_octal(&mut block[337..345], u64::from(self.device.1));
        put_text(&mut block[345..500], prefix);
        put_checksum(&mut block);
        block
    }
}

fn write_extended(records: &[u8], out: &mut Vec<u8>) {
    let header = Record {
        path: b"././@PaxHeader",
        flag: TypeFlag::Extended,
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0,
        size: records.len() as u64,
        link: b"",
        device: (0, 0),
        xattrs: &[],
    };
    out.extend_from_slice(&header.block(b"", header.path));
    out.extend_from_slice(records);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// `<length> <name>=<value>\n`, where the length counts itself.
fn push_record(records: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + decimal_digits(length) != length {
        length = rest + decimal_digits(length);
    }
    records.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", name, b"=", value, b"\n"] {
        records.extend_from_slice(part);
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// How ustar takes a path: short ones as a name, longer ones cut at a slash into prefix and name.
fn split_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_LEN {
        return Some((b"", path));
    }
    // A directory's trailing slash does not separate.
    let last = path.len() - 1;
    let first_cut = path.len() - NAME_LEN - 1;
    let cut = (first_cut..last.min(PREFIX_LEN + 1)).find(|&index| path[index] == b'/')?;
    (cut > 0).then(|| (&path[..cut], &path[cut + 1..]))
}

/// Text that is too long or not ASCII is only for readers that do not understand PAX.
fn put_text(field: &mut [u8], text: &[u8]) {
    for (target, &byte) in field.iter_mut().zip(text) {
        *target = if byte.is_ascii() { byte } else { b'?' };
    }
}

/// Octal digits and a NUL; zero for a number that does not fit, which is then in a PAX record.
fn put_octal(field: &mut [u8], number: u64) {
    let digits = field.len() - 1;
    let fits = number >> (3 * digits) == 0;
    let mut rest = if fits { number } else { 0 };
    for target in field[..digits].iter_mut().rev() {
        *target = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
}

/// The sum of all bytes with the checksum field as blanks: six octal digits, NUL, blank.
fn put_checksum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    put_octal(&mut block[148..155], sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &[u8]) -> Record<'_> {
        Record {
            path,
            flag: TypeFlag::Regular,
            mode: 0o644,
            uid: 0,
            gid: 0,
            mtime: 0,
            size: 0,
            link: b"",
            device: (0, 0),
            xattrs: &[],
        }
    }

    fn blocks(record: &Record<'_>) -> usize {
        let mut out = Vec::new();
        record.write(&mut out);
        out.len() / BLOCK
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, expected) in [(b"abc".to_vec(), "12 path=abc\n"), (b"a".to_vec(), "9 path=a\n")] {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &value);
            assert_eq!(String::from_utf8_lossy(&records), expected);
        }
        for length in 80..120 {
            let mut records = Vec::new();
            push_record(&mut records, b"path", &vec![b'x'; length]);
            let said: usize = std::str::from_utf8(&records).unwrap().split(' ').next().unwrap().parse().unwrap();
            assert_eq!(said, records.len());
        }
    }

    #[test]
    fn an_extended_header_is_there_only_when_ustar_does_not_do() {
        let long = [vec![b'd'; 100], vec![b'/'], vec![b'f'; 100]].concat();
        assert_eq!(blocks(&record(b"a/b")), 1);
        assert_eq!(blocks(&record(&long)), 1, "prefix and name");
        assert_eq!(blocks(&record(&[b'n'; 101])), 3);
        assert_eq!(blocks(&record("ü".as_bytes())), 3);
        assert_eq!(blocks(&record(b"\xff")), 3);
        assert_eq!(blocks(&Record { uid: 2_097_152, ..record(b"a") }), 3);
        assert_eq!(blocks(&Record { mtime: -1, ..record(b"a") }), 3);
        assert_eq!(blocks(&Record { size: 8 << 30, ..record(b"a") }), 3);
        assert_eq!(blocks(&Record { size: (8 << 30) - 1, ..record(b"a") }), 1);
    }

    #[test]
    fn the_tar_crate_reads_every_field_back() {
        let xattrs = [(b"user.x".to_vec(), b"12=\0\xff".to_vec())];
        let path = [b"caf\xe9/".to_vec(), vec![b'n'; 250]].concat();
        let record = Record {
            uid: 4_000_000_000,
            gid: 3_000_000,
            mtime: 1_700_000_000,
            mode: 0o4755,
            xattrs: &xattrs,
            ..record(&path)
        };
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().as_ref(), path);
        assert_eq!((entry.header().mode().unwrap(), entry.header().mtime().unwrap()), (0o4755, 1_700_000_000));
        let records: Vec<(Vec<u8>, Vec<u8>)> = entry
            .pax_extensions()
            .unwrap()
            .unwrap()
            .map(|record| record.unwrap())
            .map(|record| (record.key_bytes().to_vec(), record.value_bytes().to_vec()))
            .collect();
        assert!(records.contains(&(b"SCHILY.xattr.user.x".to_vec(), b"12=\0\xff".to_vec())));
        assert!(records.contains(&(b"uid".to_vec(), b"4000000000".to_vec())));
        assert!(records.contains(&(b"hdrcharset".to_vec(), b"BINARY".to_vec())));
    }
}
