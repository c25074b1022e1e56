//! Makes inputs from others: changed bytes, JSON with changed values, archives with corrected checksums.

use serde_json::{Map, Value, json};

/// The form of inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Bytes,
    /// JSON, if it can be parsed.
    Json,
    Tar,
}

pub struct Mutator {
    random: Random,
    pieces: &'static [&'static [u8]],
    form: Form,
}

/// Longer inputs don't find more.
const LONGEST: usize = 1 << 16;

impl Mutator {
    pub fn new(seed: u64, pieces: &'static [&'static [u8]], form: Form) -> Self {
        Self { random: Random(seed), pieces, form }
    }

    /// One of the inputs, changed in some places.
    pub fn changed(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = pool[self.random.below(pool.len())].clone();
        let other = &pool[self.random.below(pool.len())];
        let most = 1 << self.random.below(5);
        let times = 1 + self.random.below(most);
        if self.form == Form::Json
            && self.random.below(5) > 0
            && let Ok(mut value) = serde_json::from_slice::<Value>(&input)
        {
            let other: Option<Value> = serde_json::from_slice(other).ok();
            for _ in 0..times {
                self.change_value(&mut value, other.as_ref());
            }
            return value.to_string().into_bytes();
        }
        for _ in 0..times {
            self.change_bytes(&mut input, other);
        }
        input.truncate(LONGEST);
        if self.form == Form::Tar && self.random.below(10) > 0 {
            set_checksums(&mut input);
        }
        input
    }

    /// A range of at most `length` bytes.
    fn range(&mut self, bytes: &[u8], length: usize) -> std::ops::Range<usize> {
        let start = self.random.below(bytes.len() + 1);
        start..bytes.len().min(start + self.random.below(length + 1))
    }

    fn change_bytes(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.random.below(input.len() + 1);
        match self.random.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.random.below(8),
            1 if at < input.len() => input[at] = self.random.byte(),
            2 => drop(input.drain(self.range(input, 16))),
            3 => {
                let copy = input[self.range(input, 64)].to_vec();
                drop(input.splice(at..at, copy));
            }
            4 => {
                let copy = other[self.range(other, 600)].to_vec();
                drop(input.splice(at..at, copy));
            }
            5 if at < input.len() => {
                let odd = [0, 1, 0x7f, 0x80, 0xff, b'0', b'9', b' ', b'/'];
                input[at] = odd[self.random.below(odd.len())];
            }
            6 => {
                let piece = self.pieces[self.random.below(self.pieces.len())];
                let end = input.len().min(at + piece.len());
                drop(input.splice(at..end, piece.iter().copied()));
            }
            7 => {
                let many = if self.random.below(20) == 0 { 2000 } else { 1 + self.random.below(4) };
                let piece = self.pieces[self.random.below(self.pieces.len())].repeat(many);
                drop(input.splice(at..at, piece));
            }
            _ => {
                // Whole blocks, so that an archive's other entries stay intact.
                let blocks = input.len() / 512;
                let from = 512 * self.random.below(blocks + 1);
                let count = (512 * (1 + self.random.below(3))).min(input.len() - from);
                let copy = input[from..from + count].to_vec();
                let to = 512 * self.random.below(blocks + 1);
                drop(input.splice(to..to, copy));
            }
        }
    }

    fn change_value(&mut self, value: &mut Value, other: Option<&Value>) {
        let at = self.random.below(count(value));
        let new = match other {
            Some(other) if self.random.below(3) == 0 => {
                let mut other = other.clone();
                let mut at = self.random.below(count(&other));
                nth(&mut other, &mut at).cloned().unwrap_or_default()
            }
            _ => self.odd_value(),
        };
        let Some(found) = nth(value, &mut { at }) else { return };
        match found {
            Value::Array(items) if !items.is_empty() && self.random.below(2) == 0 => {
                let index = self.random.below(items.len());
                match self.random.below(3) {
                    0 => drop(items.remove(index)),
                    1 => items.push(items[index].clone()),
                    _ => items.insert(index, new),
                }
            }
            Value::Object(fields) if !fields.is_empty() && self.random.below(3) > 0 => self.change_fields(fields, new),
            Value::String(text) if self.random.below(2) == 0 => {
                let mut bytes = std::mem::take(text).into_bytes();
                self.change_bytes(&mut bytes, b"sha256:../..//\0");
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            _ => *found = new,
        }
    }

    fn change_fields(&mut self, fields: &mut Map<String, Value>, new: Value) {
        let keys: Vec<String> = fields.keys().cloned().collect();
        let key = keys[self.random.below(keys.len())].clone();
        match self.random.below(4) {
            0 => drop(fields.remove(&key)),
            1 => drop(fields.insert(key, new)),
            2 => {
                let old = fields.remove(&key).unwrap_or_default();
                drop(fields.insert(key.to_uppercase(), old));
            }
            _ => {
                let piece = String::from_utf8_lossy(self.pieces[self.random.below(self.pieces.len())]).into_owned();
                drop(fields.insert(piece, new));
            }
        }
    }

    fn odd_value(&mut self) -> Value {
        let nested = |depth| (0..depth).fold(Value::Null, |value, _| json!([value]));
        match self.random.below(14) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(-1),
            3 => json!(0),
            4 => json!(u64::MAX),
            5 => json!(i64::MIN),
            6 => json!(1.5e300),
            7 => json!(""),
            8 => json!([]),
            9 => json!({}),
            10 => json!("x".repeat(self.random.below(5000))),
            11 => nested(self.random.below(200)),
            12 => json!("\u{0}\u{1b}]0;x\u{7}"),
            _ => json!(String::from_utf8_lossy(self.pieces[self.random.below(self.pieces.len())])),
        }
    }
}

/// The number of values within a value, including itself.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// The value with that number, counted as in `count`.
fn nth<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(fields) => fields.values_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

/// Sets the checksum of everything that looks like a header.
fn set_checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512).filter(|block| block[257..].starts_with(b"ustar")) {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}

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

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
