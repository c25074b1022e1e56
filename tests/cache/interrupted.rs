//! Transfers that are stopped, killed, or run out of space: nothing is half finished, and the next try works.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::common::small_disk::{Small, says_full};
use crate::common::{Answer, TestStore, wait_for, wait_until};
use crate::registry::TestRegistry;
use crate::web::Reply;

/// The operation that is interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Pull,
    /// Of a layer that stayed in the registry until it was needed.
    Fetch,
    Push,
    Export,
    Import,
}

const ALL: [Work; 5] = [Work::Pull, Work::Fetch, Work::Push, Work::Export, Work::Import];
/// The size of the layer; the other blobs have less than a hundredth.
const LARGE: usize = 2 << 20;

fn noise() -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..LARGE).map(|_| next()).collect()
}

fn write_context(store: &TestStore) {
    store.write("ctx/noise", noise());
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY noise /noise\n");
}

impl Work {
    /// Prepares everything without faults.
    fn prepare(self, registry: &TestRegistry, store: &TestStore) {
        let maker = TestStore::empty();
        write_context(&maker);
        match self {
            Self::Pull | Self::Fetch => {
                maker.build(&["-o", "type=oci,tar=false,dest=base"]).ok();
                registry.load_layout(&maker.work().join("base"), "team/base", "1");
            }
            Self::Push => {}
            Self::Export | Self::Import => write_context(store),
        }
        match self {
            Self::Fetch => {
                store.write("ctx/file", "content");
                let text = format!("FROM {}\nCOPY --link file /file\n", registry.name("team/base:1"));
                store.build_text(&text, &["-t", "app"]).ok();
            }
            Self::Push => {
                write_context(store);
                store.build(&["-t", &registry.name("team/pushed:1")]).ok();
            }
            Self::Import => {
                maker.build(&["--cache-to", &format!("type=registry,ref={}", registry.name("team/cache"))]).ok();
            }
            Self::Pull | Self::Export => {}
        }
    }

    fn command(self, registry: &TestRegistry) -> Vec<String> {
        let cache = registry.name("team/cache");
        let words = match self {
            Self::Pull => format!("pull -q {}", registry.name("team/base:1")),
            Self::Fetch => "save -o app.tar app".to_owned(),
            Self::Push => format!("push -q {}", registry.name("team/pushed:1")),
            Self::Export => format!("build --progress plain --cache-to type=registry,ref={cache} ctx"),
            Self::Import => format!("build --progress plain --cache-from {cache} -o type=docker,dest=app.tar ctx"),
        };
        words.split(' ').map(str::to_owned).collect()
    }

    /// Whether what exists only after the operation exists.
    fn is_done(self, registry: &TestRegistry, store: &TestStore) -> bool {
        match self {
            Self::Pull => !store.run(&["images", "-q"]).ok().stdout().is_empty(),
            Self::Fetch | Self::Import => store.work().join("app.tar").exists(),
            Self::Push => registry.manifest("team/pushed", "1").is_some(),
            Self::Export => registry.manifest("team/cache", "latest").is_some(),
        }
    }

    fn run(self, registry: &TestRegistry, store: &TestStore) -> Answer {
        let words = self.command(registry);
        store.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[track_caller]
    fn works_now(self, registry: &TestRegistry, store: &TestStore) {
        let answer = self.run(registry, store).ok();
        assert!(self.is_done(registry, store), "{self:?}");
        if self == Self::Import {
            assert_eq!(answer.executed(), [""; 0]);
        }
    }
}

/// Makes the large blob arrive slowly, or never answers its upload; sets the flag when one is on its way.
fn slow_down(registry: &TestRegistry) -> Arc<AtomicBool> {
    let reached = Arc::new(AtomicBool::new(false));
    let told = reached.clone();
    registry.set_fault(move |request, reply| {
        if request.path.contains("/blobs/sha256:") && reply.body.len() >= LARGE && request.method == "GET" {
            told.store(true, Ordering::Relaxed);
            return Reply { trickle: Some((8 << 10, Duration::from_secs(1))), ..reply };
        }
        if request.body.len() >= LARGE {
            told.store(true, Ordering::Relaxed);
            return Reply { delay: Duration::from_secs(600), ..reply };
        }
        reply
    });
    reached
}

#[track_caller]
fn is_in_order(work: Work, store: &TestStore) {
    let check = store.run(&["system", "check"]);
    assert_eq!(check.code(), Some(0), "{work:?}: {}{}", check.stdout(), check.stderr());
    let left: Vec<_> = std::fs::read_dir(store.root().join("tmp")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{work:?}: {left:?}");
}

fn interrupt(work: Work, signal: Signal) {
    let (registry, store) = (TestRegistry::start(), TestStore::empty());
    work.prepare(&registry, &store);
    let reached = slow_down(&registry);
    let words = work.command(&registry);
    let mut command = store.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_until(&format!("{work:?} has begun"), || reached.load(Ordering::Relaxed));
    std::thread::sleep(Duration::from_millis(150));
    rustix::process::kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
    let status = wait_for("it has ended", || child.try_wait().unwrap().ok_or_else(|| "it goes on".to_owned()));
    let is_told = status.code() == Some(130) || status.signal() == Some(signal.as_raw());
    assert!(is_told, "{work:?}: {status}");
    registry.clear_fault();
    assert!(!work.is_done(&registry, &store), "{work:?} {signal:?}");
    is_in_order(work, &store);
    work.works_now(&registry, &store);
    is_in_order(work, &store);
}

fn interrupt_all(signal: Signal) {
    std::thread::scope(|scope| {
        for work in ALL {
            scope.spawn(move || interrupt(work, signal));
        }
    });
}

#[test]
fn a_transfer_that_is_stopped_leaves_nothing() {
    // If a shell runs the tests in the background, they and their children ignore SIGINT. A signal with a handler here
    // has its default action in the children.
    let ends = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(signal_hook::consts::SIGINT, 130, ends).unwrap();
    interrupt_all(Signal::INT);
}

#[test]
fn a_transfer_that_is_killed_leaves_nothing() {
    interrupt_all(Signal::KILL);
}

#[test]
fn a_transfer_on_a_full_disk_says_so_and_leaves_nothing() {
    for work in ALL {
        let Some(small) = Small::new(32) else { return };
        let registry = TestRegistry::start();
        work.prepare(&registry, &small.store);
        let ballast = small.fill(LARGE as u64 / 2);
        let answer = work.run(&registry, &small.store);
        says_full(&answer);
        assert!(!work.is_done(&registry, &small.store), "{work:?}");
        std::fs::remove_file(ballast).unwrap();
        small.is_in_order();
        work.works_now(&registry, &small.store);
        small.is_in_order();
    }
}
