//! What precedes an entry and overrides its header: PAX records and GNU long names.

use super::sparse::Segment;

/// Overrides for the next entry.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) mtime: Option<i64>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: SparseRecords,
}

/// The PAX records of GNU's sparse formats 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    /// Format 1.0: the map precedes the data.
    pub(super) map_in_data: bool,
    /// Formats 0.0 and 0.1.
    pub(super) map: Vec<Segment>,
    offset: u64,
}

impl Extended {
    /// Takes the records of one PAX header.
    pub(super) fn read_records(&mut self, mut records: &[u8]) -> Result<(), &'static str> {
        while !records.is_empty() {
            let (name, value, rest) = split_record(records).ok_or("a PAX record has a wrong length")?;
            self.record(name, value)?;
            records = rest;
        }
        Ok(())
    }

    fn record(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        match name {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link = text(value)?,
            b"size" => self.size = optional(value, decimal)?,
            b"uid" => self.uid = optional(value, |value| decimal(value)?.try_into().ok())?,
            b"gid" => self.gid = optional(value, |value| decimal(value)?.try_into().ok())?,
            b"mtime" => self.mtime = optional(value, seconds)?,
            _ => {
                if let Some(xattr) = name.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((xattr.to_vec(), value.to_vec()));
                } else if let Some(sparse) = name.strip_prefix(b"GNU.sparse.") {
                    self.sparse.record(sparse, value)?;
                }
            }
        }
        Ok(())
    }
}

impl SparseRecords {
    fn record(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let number = || decimal(value).ok_or(BAD_NUMBER);
        match name {
            b"name" => self.name = text(value)?,
            b"size" | b"realsize" => self.real_size = Some(number()?),
            b"major" => self.map_in_data = value == b"1",
            b"offset" => self.offset = number()?,
            b"numbytes" => self.map.push(Segment { offset: self.offset, length: number()? }),
            b"map" => {
                let numbers: Option<Vec<u64>> = value.split(|&byte| byte == b',').map(decimal).collect();
                let numbers = numbers.filter(|numbers| numbers.len() % 2 == 0).ok_or("its sparse map is malformed")?;
                self.map = numbers.chunks_exact(2).map(|pair| Segment { offset: pair[0], length: pair[1] }).collect();
            }
            _ => {}
        }
        Ok(())
    }
}

const BAD_NUMBER: &str = "a PAX record holds no number where one has to be";

/// `<length> <name>=<value>\n` in front of the rest.
fn split_record(records: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = records.iter().take(20).position(|&byte| byte == b' ')?;
    let length = usize::try_from(decimal(&records[..blank])?).ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &records[length..]))
}

/// A name; an empty one cancels an override.
fn text(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("a name holds a NUL byte");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn optional<T>(value: &[u8], read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, &'static str> {
    if value.is_empty() { Ok(None) } else { read(value).map(Some).ok_or(BAD_NUMBER) }
}

pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Seconds with a fraction, rounded down.
fn seconds(value: &[u8]) -> Option<i64> {
    let (negative, value) = value.strip_prefix(b"-").map_or((false, value), |rest| (true, rest));
    let mut parts = value.splitn(2, |&byte| byte == b'.');
    let whole = i64::try_from(decimal(parts.next()?)?).ok()?;
    let fraction = parts.next().unwrap_or_default();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let beyond = fraction.iter().any(|&digit| digit != b'0');
    if negative { (-whole).checked_sub(i64::from(beyond)) } else { Some(whole) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_may_hold_any_bytes() {
        let mut extended = Extended::default();
        let records = b"25 SCHILY.xattr.user.a=\n\n11 path=\xff\n\n20 mtime=1500000.75\n".as_slice();
        // The lengths above are checked here so that the table stays correct.
        let (name, value, rest) = split_record(records).unwrap();
        assert_eq!((name, value), (b"SCHILY.xattr.user.a".as_slice(), b"\n".as_slice()));
        extended.read_records(rest).unwrap();
        assert_eq!(extended.path.as_deref(), Some(b"\xff\n".as_slice()));
        assert_eq!(extended.mtime, Some(1_500_000));
    }

    #[test]
    fn malformed_records_are_errors() {
        for records in
            ["path=a\n", "8 path=a\n", "999 path=a\n", "7 path\n", "10 path=a\0\n", "11 size=-1a\n", "0 a=b\n"]
        {
            assert!(Extended::default().read_records(records.as_bytes()).is_err(), "{records:?}");
        }
    }

    #[test]
    fn times_are_rounded_down() {
        for (text, expected) in
            [("1.9", Some(1)), ("-1.1", Some(-2)), ("-1", Some(-1)), ("0.0", Some(0)), ("1.x", None)]
        {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }
}
