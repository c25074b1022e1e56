//! Sixteen processes at once in one store: building, running, pulling, saving, removing and pruning.
//!
//! `RBUILD_TEST_CROWD=600` continues for that many seconds; by default for a few.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Answer, TestStore};
use crate::registry::TestRegistry;
use crate::stale::Dice;

/// No command takes longer, unless something waits forever.
const PATIENCE: Duration = Duration::from_secs(300);

/// What no command may ever print.
const FORBIDDEN: [&str; 8] = [
    "is not in the store",
    "neither the files nor",
    "database is locked",
    "constraint failed",
    "panicked",
    "database failed",
    "is damaged",
    "is wrong",
];

/// Waits for its end; fails the test if there is none.
fn finish(mut command: Command, what: &str) -> Answer {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    let mut pipes = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let readers = std::thread::spawn(move || {
        let (mut out, mut error) = (Vec::new(), Vec::new());
        let _ = std::io::Read::read_to_end(&mut pipes.1, &mut error);
        let _ = std::io::Read::read_to_end(&mut pipes.0, &mut out);
        (out, error)
    });
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("{what} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let (stdout, stderr) = readers.join().unwrap();
    let answer = Answer::from(std::process::Output { status, stdout, stderr });
    let said = answer.stderr();
    assert!(FORBIDDEN.iter().all(|words| !said.contains(words)), "{what}: {said}");
    answer
}

struct Worker<'a> {
    store: &'a TestStore,
    registry: &'a TestRegistry,
    number: u64,
    round: u64,
}

impl Worker<'_> {
    fn run(&self, words: &[&str]) -> Answer {
        finish(self.store.command(words), &format!("worker {} {words:?}", self.number))
    }

    fn act(&mut self, dice: &mut Dice) {
        self.round += 1;
        let number = self.number;
        let own = format!("own{number}");
        match dice.below(8) {
            0 | 1 => {
                let folder = format!("own{number}");
                let text = format!("FROM busybox\nRUN echo {number}-{} > /own\nCOPY f /f\n", self.round);
                self.store.write(&format!("{folder}/Dockerfile"), text);
                self.store.write(&format!("{folder}/f"), format!("{number}"));
                self.run(&["build", "-q", "-t", &own, &folder]).ok();
                let said = self.run(&["run", "--rm", "--network", "none", &own, "cat", "/own"]).ok().stdout();
                assert_eq!(said, format!("{number}-{}\n", self.round), "the tag means another image");
            }
            2 => {
                self.run(&["build", "-q", "-t", "shared", "shared"]).ok();
                self.run(&["run", "--rm", "--network", "none", "shared", "cat", "/f"]).ok();
            }
            3 => {
                // Others may remove it at any time.
                let name = self.registry.name("pulled:1");
                self.run(&["pull", "-q", &name]).ok();
                self.may_be_gone(&["run", "--rm", "--network", "none", &name, "true"]);
            }
            4 => self.may_be_gone(&["rmi", "-f", &self.registry.name("pulled:1")]),
            5 => drop(self.run(&["builder", "prune", "-f"]).ok()),
            6 => drop(self.run(&["image", "prune", "-f"]).ok()),
            _ => {
                let file = format!("saved{number}.tar");
                self.run(&["save", "-o", &file, "busybox"]).ok();
            }
        }
    }

    fn may_be_gone(&self, words: &[&str]) {
        let answer = self.run(words);
        let said = answer.stderr().to_lowercase();
        let is_gone = said.contains("no such image") || said.contains("cannot reach");
        assert!(answer.code() == Some(0) || is_gone, "{words:?}: {said}");
    }
}

#[test]
fn sixteen_at_once_do_each_other_no_harm() {
    let Some(store) = TestStore::with_busybox() else { return };
    let seconds: u64 = std::env::var("RBUILD_TEST_CROWD").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let registry = TestRegistry::start();
    store.write("shared/Dockerfile", "FROM busybox\nCOPY f /f\nRUN sleep 0.1; cat /f\n");
    store.write("shared/f", "shared");
    let base = "FROM busybox\nRUN echo pulled > /pulled\n";
    store.build_text(base, &["-t", &registry.name("pulled:1")]).ok();
    store.run(&["push", &registry.name("pulled:1")]).ok();
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let (store, registry) = (&store, &registry);
            scope.spawn(move || {
                let mut worker = Worker { store, registry, number, round: 0 };
                let mut dice = Dice::new(number * 7919 + 12345);
                while Instant::now() < end {
                    worker.act(&mut dice);
                }
            });
        }
    });
    let check = store.run(&["system", "check"]);
    assert_eq!(check.code(), Some(0), "{}", check.stdout());
    store.run(&["run", "--rm", "--network", "none", "busybox", "true"]).ok();
}

#[test]
fn a_step_that_another_executes_is_waited_for() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = "FROM busybox\nRUN --mount=type=cache,target=/c echo once >> /c/log; sleep 1\n";
    store.write("ctx/Dockerfile", text);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| store.build(&[]).ok());
        }
    });
    let said = store.build_text("FROM busybox\nRUN --mount=type=cache,target=/c cat /c/log\n", &[]).ok().stderr();
    let written = said.lines().filter(|line| line.ends_with(" once")).count();
    assert_eq!(written, 1, "{said}");
}
