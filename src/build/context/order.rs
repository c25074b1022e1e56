//! The order of a context's entries: a directory before its content, names in byte order.

use std::cmp::Ordering;

/// Compares as if the slash were the lowest byte.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match left.iter().zip(right).find(|(left, right)| left != right) {
        Some((left, right)) => rank(*left).cmp(&rank(*right)),
        None => left.len().cmp(&right.len()),
    }
}
