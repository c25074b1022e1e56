//! Where to cut a file's bytes, so that equal bytes are cut at the same places wherever they are (Xia et al.,
//! "FastCDC", USENIX ATC 2016: a gear hash with a stricter mask before the normal length and a looser one after it).

/// The minimum length, except for the last chunk of a file.
pub const SHORTEST: usize = 16 << 10;
const NORMAL: usize = 64 << 10;
pub const LONGEST: usize = 256 << 10;
/// Two bits more and two bits less than log2 of the normal length; the high bits depend on the most bytes.
const STRICT: u64 = 0xffff_c000_0000_0000;
const LOOSE: u64 = 0xfffc_0000_0000_0000;

/// A number for each byte, from SplitMix64; changing one makes deltas larger, but the format stays readable.
const GEAR: [u64; 256] = gear();

const fn gear() -> [u64; 256] {
    let mut table = [0; 256];
    let mut state: u64 = 0x7262_7569_6c64;
    let mut index = 0;
    while index < 256 {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        table[index] = mixed ^ (mixed >> 31);
        index += 1;
    }
    table
}

/// The length of the first chunk of `bytes`, which must be at least [`LONGEST`] bytes or the rest of a file.
pub fn cut(bytes: &[u8]) -> usize {
    let end = bytes.len().min(LONGEST);
    if end <= SHORTEST {
        return end;
    }
    let mut hash: u64 = 0;
    for (position, byte) in bytes.iter().enumerate().take(end).skip(SHORTEST - 64) {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        let mask = if position < NORMAL { STRICT } else { LOOSE };
        if position >= SHORTEST && hash & mask == 0 {
            return position + 1;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes without a pattern, the same every time.
    fn noise(count: usize, seed: u64) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        (0..count).map(|_| next()).collect()
    }

    fn chunks(mut bytes: &[u8]) -> Vec<&[u8]> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (chunk, rest) = bytes.split_at(cut(bytes));
            found.push(chunk);
            bytes = rest;
        }
        found
    }

    #[test]
    fn chunks_have_about_the_normal_length() {
        let bytes = noise(16 << 20, 7);
        let found = chunks(&bytes);
        let average = bytes.len() / found.len();
        assert!((NORMAL / 2..NORMAL * 2).contains(&average), "{average}");
        assert!(found.iter().all(|chunk| chunk.len() <= LONGEST));
        assert_eq!(found.concat(), bytes);
    }

    #[test]
    fn an_inserted_byte_changes_the_chunks_around_it_only() {
        let bytes = noise(4 << 20, 11);
        let mut changed = bytes.clone();
        changed.insert(2 << 20, 0);
        let before: std::collections::HashSet<&[u8]> = chunks(&bytes).into_iter().collect();
        let new = chunks(&changed).into_iter().filter(|chunk| !before.contains(chunk)).count();
        assert!(new <= 3, "{new}");
    }
}
