//! On which processors programs run. A call that the supervisor answers takes two thirds of the time if both run on the same
//! one, because nobody has to be woken on another. So all are kept on one processor, as long as that is enough for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How often they are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// For how many looks they may run anywhere before they are brought together again.
const APART: u32 = 10;

/// The threads that are traced, and whether each is where all are kept together. Nothing once a program has chosen its
/// processors itself.
type Threads = Option<HashMap<i32, bool>>;

#[derive(Clone)]
pub(super) struct Placement {
    threads: Arc<Mutex<Threads>>,
    /// The processors that there are for programs, as the kernel tells them.
    processors: Vec<u8>,
}

impl Placement {
    /// For programs that this thread traces.
    pub(super) fn begin(first: i32) -> Self {
        let threads = Some(HashMap::from([(first, false)]));
        let placement = Self { threads: Arc::new(Mutex::new(threads)), processors: processors() };
        if let Ok(all) = sched_getaffinity(None)
            && all.count() > 1
        {
            let (own, followed) = (gettid(), placement.clone());
            // Without it they run wherever the kernel likes.
            let _ = std::thread::Builder::new().spawn(move || followed.follow(own, all));
        }
        placement
    }

    pub(super) fn processors(&self) -> &[u8] {
        &self.processors
    }

    pub(super) fn add(&self, thread: i32) {
        self.with(|threads| threads.insert(thread, false));
    }

    pub(super) fn remove(&self, thread: i32) {
        self.with(|threads| threads.remove(&thread));
    }

    fn with(&self, change: impl FnOnce(&mut HashMap<i32, bool>) -> Option<bool>) {
        if let Some(threads) = self.threads.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            change(threads);
        }
    }

    /// From now on, programs run where they want to.
    pub(super) fn end(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let all = all(&self.processors);
        threads.iter().flatten().for_each(|(thread, _)| place(*thread, &all));
    }

    fn follow(&self, own: Pid, all: CpuSet) {
        // It must not wait for those that it looks at.
        let _ = sched_setaffinity(None, &all);
        let own = own.as_raw_nonzero().get();
        let (mut apart, mut before, mut is_together) = (0, waited(own), false);
        let mut here = all;
        loop {
            std::thread::sleep(LOOK);
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(threads) = threads.as_mut() else { return place(own, &all) };
            let now = waited(own);
            // Somebody else has the processor, too.
            let is_crowded = is_together && now.saturating_sub(before) > LOOK / 4;
            before = now;
            if is_crowded || threads.keys().filter(|thread| is_running(**thread)).take(2).count() > 1 {
                apart = APART;
            }
            let wanted = apart == 0;
            apart = apart.saturating_sub(1);
            if wanted && !is_together {
                here = one(processor_of(own));
            }
            if wanted != is_together {
                place(own, if wanted { &here } else { &all });
                is_together = wanted;
            }
            // New ones are where their parents were.
            for (thread, is_placed) in threads.iter_mut().filter(|(_, is_placed)| **is_placed != wanted) {
                place(*thread, if wanted { &here } else { &all });
                *is_placed = wanted;
            }
        }
    }
}

/// As sched_getaffinity(2) has them.
fn processors() -> Vec<u8> {
    let mut bytes = vec![0; CpuSet::MAX_CPU / 8];
    // SAFETY: the kernel writes at most as many bytes as there are.
    let length = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, bytes.len(), bytes.as_mut_ptr()) };
    bytes.truncate(usize::try_from(length).unwrap_or_default());
    bytes
}

fn all(processors: &[u8]) -> CpuSet {
    let mut set = CpuSet::new();
    let is_there = |processor: &usize| processors[processor / 8] & 1 << (processor % 8) != 0;
    (0..processors.len() * 8).filter(is_there).for_each(|processor| set.set(processor));
    set
}

fn one(processor: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(processor);
    set
}

fn place(thread: i32, processors: &CpuSet) {
    // It may have ended.
    let _ = sched_setaffinity(Pid::from_raw(thread), processors);
}

/// How long a thread of this process has waited for a processor (Documentation/scheduler/sched-stats.rst).
fn waited(thread: i32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// What comes after the name, which may have anything in it (proc_pid_stat(5)).
fn status(thread: i32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.split(' ').map(str::to_owned).collect())
}

fn is_running(thread: i32) -> bool {
    status(thread).is_some_and(|words| words.first().is_some_and(|state| state == "R"))
}

/// The one that it was on last.
fn processor_of(thread: i32) -> usize {
    const PROCESSOR: usize = 36;
    let word = status(thread).and_then(|words| words.get(PROCESSOR)?.parse().ok());
    word.unwrap_or_else(sched_getcpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_processors_are_read() {
        let (read, kernels) = (all(&processors()), sched_getaffinity(None).unwrap());
        assert!(read.count() > 0 && read.count() == kernels.count());
        assert!((0..8).all(|processor| read.is_set(processor) == kernels.is_set(processor)));
    }

    #[test]
    fn threads_are_known_by_their_status() {
        let own = gettid().as_raw_nonzero().get();
        assert!(is_running(own) && !is_running(i32::MAX));
        assert!(all(&processors()).is_set(processor_of(own)));
    }
}
