//! Edits that are easy to miss: the same size, the same time, the same inode. Every image equals that of a clean build.
//!
//! `RBUILD_TEST_EDITS=1000` makes that many; by default enough for all combinations of edits.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::common::TestStore;

/// A generator that prints its seed, so that a failure can be repeated.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        println!("seed {seed}");
        Self(seed)
    }

    /// With the variable, that many throws, different ones each time; by default `usual` throws, always the same.
    pub fn with_count(variable: &str, usual: u64) -> (u64, Self) {
        let wanted = std::env::var(variable).ok().and_then(|text| text.parse().ok());
        let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
        (wanted.unwrap_or(usual), Self::new(if wanted.is_some() { u64::from(now()) | 1 } else { 20_261_122 }))
    }

    pub fn below(&mut self, most: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// Enough that layers are stored as deltas, and few enough that edits often meet the same file.
const FILES: u64 = 195;
/// Most edits affect these.
const OFTEN: u64 = 12;

fn any(dice: &mut Dice) -> u64 {
    let below = if dice.below(4) == 0 { FILES } else { OFTEN };
    dice.below(below)
}

fn file(context: &Path, number: u64) -> PathBuf {
    context.join(format!("d{}/f{number}", number % 3))
}

fn set_time(path: &Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Makes one change; returns its name for the report.
fn edit(context: &Path, dice: &mut Dice) -> &'static str {
    let path = file(context, any(dice));
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    let size = fs::metadata(&path).unwrap().len() as usize;
    let content: Vec<u8> = (0..size).map(|_| b'a' + dice.below(26) as u8).collect();
    let aside = path.with_extension("new");
    match dice.below(10) {
        8 => {
            fs::write(path.with_extension(format!("{}", dice.below(3))), &content).unwrap();
            "another file"
        }
        9 => {
            let _ = fs::remove_file(path.with_extension(format!("{}", dice.below(3))));
            "a file less, perhaps"
        }
        0 => {
            let mut file = fs::File::options().write(true).open(&path).unwrap();
            file.rewind().unwrap();
            file.write_all(&content).unwrap();
            file.set_modified(modified).unwrap();
            "written in place, size, time and inode kept"
        }
        1 => {
            fs::write(&aside, &content).unwrap();
            set_time(&aside, modified);
            fs::rename(&aside, &path).unwrap();
            "renamed over, size and time kept"
        }
        2 => {
            let other = file(context, any(dice));
            if other != path {
                fs::remove_file(&path).unwrap();
                fs::hard_link(&other, &path).unwrap();
            }
            "a hard link to another"
        }
        3 => {
            fs::remove_file(&path).unwrap();
            fs::write(&path, &content).unwrap();
            set_time(&path, modified);
            "removed and made anew, perhaps with the same inode"
        }
        4 => {
            let other = file(context, any(dice));
            let time = fs::metadata(&other).unwrap().modified().unwrap();
            fs::write(&path, &content).unwrap();
            set_time(&path, time);
            "with the time of another"
        }
        5 => {
            let mode = [0o755, 0o700, 0o711][dice.below(3) as usize];
            fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(mode)).unwrap();
            "the mode of a folder"
        }
        6 => {
            let other = file(context, any(dice));
            fs::rename(&path, &aside).unwrap();
            if other != path {
                fs::rename(&other, &path).unwrap();
                fs::rename(&aside, &other).unwrap();
            } else {
                fs::rename(&aside, &path).unwrap();
            }
            "two files change places"
        }
        _ => {
            set_time(&path, SystemTime::now() - Duration::from_secs(dice.below(100_000)));
            fs::write(&path, &content).unwrap();
            set_time(&path, modified);
            "old, then written, then old again"
        }
    }
}

#[test]
fn every_image_is_what_a_clean_build_makes() {
    let (edits, mut dice) = Dice::with_count("RBUILD_TEST_EDITS", 20);
    let store = TestStore::empty();
    let context = store.work().join("ctx");
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY d0 /a/\nCOPY d1 d2 /b/\n");
    for number in 0..FILES {
        fs::create_dir_all(file(&context, number).parent().unwrap()).unwrap();
        fs::write(file(&context, number), format!("content {number:04}")).unwrap();
    }
    // What precedes an edit is long enough that its part of the layer's digest is saved.
    for name in ["d0/a-large", "d0/f4-large"] {
        fs::write(context.join(name), vec![b'x'; 1_200_000]).unwrap();
    }
    contents(&store, &context, "warm");
    for number in 0..edits {
        let mut done = Vec::new();
        for _ in 0..=dice.below(3) {
            done.push(edit(&context, &mut dice));
        }
        if dice.below(3) == 0 {
            // Long enough for the stat cache to trust it.
            std::thread::sleep(Duration::from_millis(120));
        }
        let warm = contents(&store, &context, "warm");
        let clean = TestStore::empty();
        assert_eq!(warm, contents(&clean, &context, "clean"), "edit {number}: {done:?}");
    }
    // Each layer matches its digest.
    store.run(&["system", "check"]).ok();
}

/// Every path of the image with its mode and content: times may be an earlier layer's.
fn contents(store: &TestStore, context: &Path, name: &str) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let output = store.work().join(name);
    let _ = fs::remove_dir_all(&output);
    let to = format!("type=local,dest={}", output.display());
    store.run(&["build", "-q", "-o", &to, &context.to_string_lossy()]).ok();
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(&output).sort_by_file_name().into_iter().flatten() {
        let content = if entry.file_type().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let mode = entry.metadata().unwrap().permissions().mode();
        found.push((entry.path().strip_prefix(&output).unwrap().to_owned(), mode, content));
    }
    found
}

/// Files change while they are read: the build fails, or has a consistent state; the next one is right.
#[test]
fn what_changes_during_a_build_is_not_remembered_wrongly() {
    let store = TestStore::empty();
    let context = store.work().join("ctx");
    store.write("ctx/Dockerfile", "FROM scratch\nCOPY . /\n");
    let write = |letter: u8| fs::write(context.join("big"), vec![letter; 4 << 20]).unwrap();
    for round in 0..6u8 {
        write(b'a' + round);
        let mut build = store.command(&["build", "-q", "ctx"]);
        let mut child = build.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(round) * 3));
        write(b'A' + round);
        child.wait().unwrap();
        let clean = TestStore::empty();
        assert_eq!(contents(&store, &context, "warm"), contents(&clean, &context, "clean"), "round {round}");
    }
}

/// Another filesystem at the same path, with the same names, sizes, times and inode numbers.
#[test]
fn what_is_known_of_one_filesystem_is_not_believed_of_another() {
    if !crate::common::is_root() || !crate::common::has_programs(&["mount", "umount"]) {
        return crate::common::skip("a filesystem at another's place needs root");
    }
    let store = TestStore::empty();
    let context = store.work().join("ctx");
    fs::create_dir(&context).unwrap();
    let place = context.display().to_string();
    let time = SystemTime::now() - Duration::from_secs(100_000);
    for letter in ["a", "b", "c"] {
        crate::common::must_run("mount", &["-t", "tmpfs", "-o", "size=1m", letter, &place]);
        for (name, content) in [("Dockerfile", "FROM scratch\nCOPY f /\n".to_owned()), ("f", letter.repeat(10))] {
            fs::write(context.join(name), content).unwrap();
            set_time(&context.join(name), time);
        }
        // Long enough for the stat cache to trust it.
        std::thread::sleep(Duration::from_millis(150));
        let built = [contents(&store, &context, "once"), contents(&store, &context, "twice")];
        crate::common::must_run("umount", &[&place]);
        for files in built {
            assert!(
                files.iter().any(|(_, _, content)| *content == letter.repeat(10).into_bytes()),
                "{letter}: {files:?}"
            );
        }
    }
}
