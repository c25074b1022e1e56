//! Where a sparse file has data.

use super::block;
use super::extended::decimal;

/// A stretch of data; between stretches are holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The 24-byte pairs of an old GNU sparse header; an empty one ends them.
pub(super) fn read_old_map(field: &[u8], map: &mut Vec<Segment>) -> Option<()> {
    for pair in field.chunks_exact(24) {
        if pair.iter().all(|&byte| byte == 0) {
            break;
        }
        let offset = u64::try_from(block::number(&pair[..12])?).ok()?;
        let length = u64::try_from(block::number(&pair[12..])?).ok()?;
        map.push(Segment { offset, length });
    }
    Some(())
}

/// Format 1.0: the count, then offsets and lengths, each a decimal line. `None` while lines are missing.
pub(super) fn read_map_lines(text: &[u8]) -> Option<Result<Vec<Segment>, &'static str>> {
    const MALFORMED: Result<Vec<Segment>, &str> = Err("its sparse map is malformed");
    let complete = text.iter().rposition(|&byte| byte == b'\n')?;
    let mut lines = text[..complete].split(|&byte| byte == b'\n').map(decimal);
    let Some(Some(count)) = lines.next() else { return Some(MALFORMED) };
    let mut map = Vec::new();
    for _ in 0..count {
        match (lines.next(), lines.next()) {
            (Some(Some(offset)), Some(Some(length))) => map.push(Segment { offset, length }),
            (None, _) | (_, None) => return None,
            _ => return Some(MALFORMED),
        }
    }
    Some(Ok(map))
}

/// Segments have to be in order, disjoint, inside the file, and as long as the stored data.
pub(super) fn check(map: &[Segment], size: u64, stored: u64) -> Result<(), &'static str> {
    const MALFORMED: &str = "its sparse map does not fit its size";
    let (mut end, mut total) = (0u64, 0u64);
    for segment in map {
        if segment.offset < end {
            return Err(MALFORMED);
        }
        end = segment.offset.checked_add(segment.length).ok_or(MALFORMED)?;
        total += segment.length;
    }
    if end > size || total != stored { Err(MALFORMED) } else { Ok(()) }
}
