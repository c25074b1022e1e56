//! Buffers in a program's memory for what its supervisor passes to the kernel.

use std::cell::RefCell;
use std::rc::Rc;

/// Buffers that replace the arguments of a program's own, one for each thread.
const SLOTS: usize = 1024;
pub(super) const SLOT_BYTES: u64 = 4096;
/// Larger buffers, for the arguments of a script's interpreter if there are many. They are shared by several threads.
const HALLS: usize = 64;
const HALL_BYTES: u64 = 1 << 20;
pub(super) const ROOM_BYTES: u64 = SLOTS as u64 * SLOT_BYTES + HALLS as u64 * HALL_BYTES;

/// A thread's slot in the buffers of its address space.
pub(super) struct Memory {
    room: Rc<Room>,
    slot: usize,
}

struct Room {
    base: u64,
    used: RefCell<Vec<bool>>,
}

impl Memory {
    pub(super) fn new(base: u64) -> Self {
        Self { room: Rc::new(Room { base, used: RefCell::new(vec![true]) }), slot: 0 }
    }

    /// For another thread in the same address space.
    pub(super) fn shared(&self) -> Self {
        let mut used = self.room.used.borrow_mut();
        let free = used.iter().position(|used| !used);
        let slot = free.unwrap_or_else(|| {
            used.push(true);
            used.len() - 1
        });
        used[slot] = true;
        Self { room: self.room.clone(), slot }
    }

    /// For a process with a copy of the memory.
    pub(super) fn copied(&self) -> Self {
        Self::new(self.room.base)
    }

    /// The address of a buffer for a path; `None` if there are too many threads.
    pub(super) fn place(&self) -> Option<u64> {
        (self.slot < SLOTS).then(|| self.room.base + self.slot as u64 * SLOT_BYTES)
    }

    /// The address of a buffer for that many bytes.
    pub(super) fn place_for(&self, bytes: usize) -> Option<u64> {
        match bytes as u64 {
            ..=SLOT_BYTES => self.place(),
            size if size <= HALL_BYTES => {
                Some(self.room.base + SLOTS as u64 * SLOT_BYTES + (self.slot % HALLS) as u64 * HALL_BYTES)
            }
            _ => None,
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.room.used.borrow_mut()[self.slot] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_memory_have_places_of_their_own() {
        let first = Memory::new(0x1000);
        let second = first.shared();
        assert_ne!(first.place(), second.place());
        let freed = second.place();
        drop(second);
        assert_eq!(first.shared().place(), freed);
        assert_eq!(first.copied().place(), Some(0x1000));
    }
}
