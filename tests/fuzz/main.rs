//! Runs the fuzz targets of `fuzz/targets` without a fuzzer: seeds that are mutated repeatedly, the same ones in every
//! run. An input with a new answer is mutated further.
//!
//! `RBUILD_FUZZ_SECONDS=60` runs each target for that time, `RBUILD_FUZZ_SEED=7` uses other mutations. An input that
//! fails is stored in `target/fuzz`; in `fuzz/kept/TARGET` it is run first from then on.

mod memory;
mod mutate;
#[path = "../../fuzz/targets/mod.rs"]
mod targets;

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mutate::{Form, Mutator};

/// CPU time, without optimization. Far more than any input needs.
const LONGEST: Duration = Duration::from_secs(10);
/// Wall-clock time after which an input counts as hanging.
const HANGING: Duration = Duration::from_secs(120);
/// The memory limit of an input, on the thread that reads it.
const MOST_MEMORY: usize = 256 << 20;
const USUAL_SECONDS: f64 = 0.5;
const LARGEST_POOL: usize = 3000;

struct Target {
    name: &'static str,
    run: fn(&[u8]) -> String,
    pieces: targets::Pieces,
    form: Form,
}

macro_rules! targets {
    ($($name:ident: $form:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            let target = Target {
                name: stringify!($name),
                run: targets::$name::run,
                pieces: targets::$name::PIECES,
                form: Form::$form,
            };
            fuzz(&target, targets::$name::seeds());
        })*

        /// Each file of the folder is a target here, and each target a program for cargo-fuzz.
        #[test]
        fn all_targets_are_driven() {
            let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let programs = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
            for entry in std::fs::read_dir(fuzz.join("targets")).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap();
                assert!(name == "mod" || [$(stringify!($name)),*].contains(&name), "{name}");
                assert!(name == "mod" || programs.contains(&format!("name = \"{name}\"")), "{name}");
            }
        }
    };
}

targets! {
    cache: Json,
    cdi: Json,
    compressed: Bytes,
    dns: Bytes,
    dockerfile: Bytes,
    dockerignore: Bytes,
    git: Bytes,
    image: Json,
    monitor: Bytes,
    references: Bytes,
    tar: Tar,
    unpack: Tar,
    words: Bytes,
}

fn variable<T: std::str::FromStr>(name: &str, usual: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

fn fuzz(target: &Target, mut pool: Vec<Vec<u8>>) {
    let watched = watch(target.name);
    let mut seen = HashSet::new();
    for input in kept(target.name).iter().chain(&pool) {
        seen.insert(answer(target, input, &watched));
    }
    let end = Instant::now() + Duration::from_secs_f64(variable("RBUILD_FUZZ_SECONDS", USUAL_SECONDS));
    let mut mutator = Mutator::new(variable("RBUILD_FUZZ_SEED", 1), target.pieces, target.form);
    let (first, mut count) = (pool.len(), 0u64);
    while Instant::now() < end {
        let input = mutator.changed(&pool);
        count += 1;
        if seen.insert(answer(target, &input, &watched)) {
            if pool.len() >= LARGEST_POOL {
                // Seeds are kept.
                pool.swap_remove(first + count as usize % (LARGEST_POOL - first));
            }
            pool.push(input);
        }
    }
    println!("{}: {count} inputs, {} answers", target.name, seen.len());
}

/// Inputs that failed once.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/kept").join(name);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|entry| std::fs::read(entry.path()).unwrap()).collect()
}

/// Runs the target; returns a number for the kind of its answer.
fn answer(target: &Target, input: &[u8], watched: &Watched) -> u64 {
    *watched.lock().unwrap() = Some((Instant::now(), input.to_vec()));
    let (begun, before) = (used(), memory::begin());
    let result = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let (took, most) = (used() - begun, memory::most_since(before));
    *watched.lock().unwrap() = None;
    let harm = match &result {
        Err(_) => Some("it panics".to_owned()),
        Ok(_) if took > LONGEST => Some(format!("it takes {took:?}")),
        Ok(_) if most > MOST_MEMORY => Some(format!("it takes {} MiB", most >> 20)),
        Ok(_) => None,
    };
    if let Some(harm) = harm {
        panic!("{harm}: {}", keep(target.name, input).display());
    }
    kind_of(&result.unwrap_or_default())
}

/// Texts that only differ in numbers and quotations are of the same kind.
fn kind_of(answer: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (number, part) in answer.split(['`', '"']).enumerate().take(64) {
        if number % 2 == 0 {
            part.chars()
                .filter(|letter| !letter.is_ascii_hexdigit())
                .take(2000)
                .for_each(|letter| letter.hash(&mut hasher));
        }
    }
    hasher.finish()
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}-{:016x}", hasher.finish()));
    std::fs::write(&path, input).unwrap();
    path
}

/// The CPU time of this thread.
fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The input that is being run, and since when.
type Watched = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// Aborts if an input does not end.
fn watch(name: &'static str) -> Watched {
    let watched = Watched::default();
    let weak = Arc::downgrade(&watched);
    std::thread::spawn(move || {
        while let Some(watched) = weak.upgrade() {
            if let Some((since, input)) = &*watched.lock().unwrap()
                && since.elapsed() > HANGING
            {
                eprintln!("{name}: it does not end: {}", keep(name, input).display());
                std::process::abort();
            }
            drop(watched);
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    watched
}
