//! Finds the patterns that could match a path, by the path's first byte and the last bytes of its names, for 64
//! patterns at a time.

use super::pattern::Pattern;

const BYTES: usize = 256;

/// One bit for each pattern.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    words: usize,
    /// For each byte, the patterns that match paths beginning with it.
    by_first: Vec<u64>,
    /// For each byte, the patterns that match paths (or folders above them) ending with it.
    by_last: Vec<u64>,
}

impl Candidates {
    pub fn new(patterns: &[Pattern]) -> Self {
        let words = patterns.len().div_ceil(64);
        let mut candidates = Self { words, by_first: vec![0; BYTES * words], by_last: vec![0; BYTES * words] };
        for (index, pattern) in patterns.iter().enumerate() {
            let (word, bit) = (index / 64, 1 << (index % 64));
            let set = |table: &mut [u64], byte: Option<u8>| match byte {
                Some(byte) => table[usize::from(byte) * words + word] |= bit,
                None => (0..BYTES).for_each(|byte| table[byte * words + word] |= bit),
            };
            set(&mut candidates.by_first, pattern.first_byte());
            set(&mut candidates.by_last, pattern.last_byte());
        }
        candidates
    }

    pub fn words(&self) -> usize {
        self.words
    }

    /// The patterns from `64 * word` on that could match the path, or a part of it that ends at one of `ends`.
    pub fn word(&self, path: &[u8], ends: &[usize], word: usize) -> u64 {
        let of = |table: &[u64], byte: Option<&u8>| {
            byte.map_or(u64::MAX, |byte| table[usize::from(*byte) * self.words + word])
        };
        let first = of(&self.by_first, path.first());
        let lasts = ends.iter().map(|&end| of(&self.by_last, path[..end].last()));
        if first == 0 { 0 } else { first & lasts.fold(0, |all, last| all | last) }
    }
}

/// The numbers of the set bits, highest first.
pub(super) fn descending(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let highest = bits.checked_ilog2()?;
        bits &= !(1 << highest);
        Some(highest as usize)
    })
}

/// The same, lowest first.
pub(super) fn ascending(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (bits != 0).then(|| bits.trailing_zeros())?;
        bits &= bits - 1;
        Some(lowest as usize)
    })
}
