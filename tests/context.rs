//! Build contexts on disk: what is read, what is cached, and which changes are noticed.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rbuild::base::digest::ContentDigest;
use rbuild::build::context::{
    Context, ContextError, IgnorePatterns, SourceTree, Standard, Wanted, read_standard_input, unpack_context,
};
use rbuild::image::layer::FileKind;
use tempfile::TempDir;

/// Longer than the clock's granularity, for the stat cache.
const SETTLED: Duration = Duration::from_millis(150);

struct Folder {
    dir: TempDir,
    cache: PathBuf,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("caches/cache");
        let folder = Self { dir, cache };
        fs::create_dir(folder.root()).unwrap();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("context")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), content).unwrap();
    }

    fn open(&self, ignore: &str) -> Context {
        let ignore = IgnorePatterns::parse(ignore.as_bytes()).unwrap();
        Context::open(&self.root(), &ignore, Some(&self.cache)).unwrap()
    }
}

fn paths(context: &Context) -> Vec<String> {
    context.paths().map(|path| path.display().to_string()).collect()
}

fn digests(context: &Context, paths: &[PathBuf]) -> Vec<ContentDigest> {
    let mut wanted = Wanted::default();
    paths.iter().for_each(|path| context.want(&mut wanted, path));
    context.digests(&wanted).collect::<Result<_, _>>().unwrap()
}

fn digest(context: &Context, name: &str) -> ContentDigest {
    context.digest(Path::new(name)).unwrap()
}

#[test]
fn entries_stand_depth_first_in_byte_order() {
    let folder = Folder::new(&[("b", ""), ("a/z", ""), ("a/b/c", ""), ("a.txt", ""), ("a-", "")]);
    symlink("a/z", folder.at("link")).unwrap();
    let context = folder.open("");
    assert_eq!(paths(&context), ["a", "a/b", "a/b/c", "a/z", "a-", "a.txt", "b", "link"]);
    assert!(context.read_dir(Path::new("nothing")).unwrap().is_empty());
    assert!(context.entry(Path::new("a/zz")).is_none());
    let names = context.read_dir(Path::new("")).unwrap();
    let names: Vec<_> = names.iter().map(|(name, kind)| (name.to_str().unwrap(), kind.is_directory())).collect();
    assert_eq!(names, [("a", true), ("a-", false), ("a.txt", false), ("b", false), ("link", false)]);
    assert_eq!(context.read_link(Path::new("link")).unwrap(), Path::new("a/z"));
}

#[test]
fn many_folders_are_walked_by_many_threads_in_the_same_order() {
    let folder = Folder::new(&[]);
    for index in 0..300 {
        folder.write(&format!("d{index}/e/f"), &index.to_string());
    }
    let context = folder.open("**/e\n!d7/e\n");
    let mut expected: Vec<String> = (0..300).map(|index| format!("d{index}")).collect();
    expected.extend(["d7/e".to_owned(), "d7/e/f".to_owned()]);
    expected.sort();
    assert_eq!(paths(&context), expected);
}

#[test]
fn ignored_folders_are_there_only_for_what_comes_back() {
    let folder =
        Folder::new(&[("d/a.txt", ""), ("d/e/a.txt", ""), ("d/e/x.md", ""), ("keep/f", ""), ("empty/gone.md", "")]);
    assert_eq!(paths(&folder.open("d\n!d/e/a.txt\n**/*.md")), ["d", "d/e", "d/e/a.txt", "empty", "keep", "keep/f"]);
    assert_eq!(paths(&folder.open("*\n!d/nothing")), Vec::<String>::new());
    assert_eq!(paths(&folder.open("*\n!**/x.md")), ["d", "d/e", "d/e/x.md"]);
}

#[test]
fn an_ignored_folder_is_not_even_opened() {
    if rustix::process::geteuid().is_root() {
        // Root may open everything; a mount loop would be needed to test this.
        return;
    }
    let folder = Folder::new(&[("secret/f", ""), ("a", "")]);
    fs::set_permissions(folder.at("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(paths(&folder.open("secret\n!a")), ["a"]);
}

#[test]
fn digests_are_remembered_until_the_file_changes() {
    let folder = Folder::new(&[("f", "one"), ("g", "other")]);
    std::thread::sleep(SETTLED);
    let context = folder.open("");
    assert_eq!(digest(&context, "f"), ContentDigest::of(b"one"));
    context.save_stat_cache().unwrap();

    // Same size, same mtime, other content.
    let mtime = folder.at("f").metadata().unwrap().modified().unwrap();
    fs::write(folder.at("f"), "two").unwrap();
    File::open(folder.at("f")).unwrap().set_modified(mtime).unwrap();
    assert_eq!(digest(&folder.open(""), "f"), ContentDigest::of(b"two"));

    // The same with another inode.
    folder.write("new", "six");
    File::open(folder.at("new")).unwrap().set_modified(mtime).unwrap();
    fs::rename(folder.at("new"), folder.at("f")).unwrap();
    assert_eq!(digest(&folder.open(""), "f"), ContentDigest::of(b"six"));
}

#[test]
fn what_is_remembered_is_taken_without_reading() {
    let folder = Folder::new(&[("f", "one")]);
    std::thread::sleep(SETTLED);
    let context = folder.open("");
    digest(&context, "f");
    context.save_stat_cache().unwrap();
    let context = folder.open("");
    fs::remove_file(folder.at("f")).unwrap();
    assert_eq!(digest(&context, "f"), ContentDigest::of(b"one"));
}

#[test]
fn files_that_have_just_changed_are_read_again() {
    for round in 0..30 {
        let folder = Folder::new(&[("f", "aaaa")]);
        let context = folder.open("");
        digest(&context, "f");
        context.save_stat_cache().unwrap();
        // Within the clock's granularity, the stat result may be unchanged.
        let mtime = folder.at("f").metadata().unwrap().modified().unwrap();
        fs::write(folder.at("f"), "bbbb").unwrap();
        File::open(folder.at("f")).unwrap().set_modified(mtime).unwrap();
        assert_eq!(digest(&folder.open(""), "f"), ContentDigest::of(b"bbbb"), "round {round}");
    }
}

#[test]
fn a_damaged_cache_remembers_nothing() {
    let folder = Folder::new(&[("f", "one")]);
    std::thread::sleep(SETTLED);
    let context = folder.open("");
    digest(&context, "f");
    context.save_stat_cache().unwrap();
    let intact = fs::read(&folder.cache).unwrap();
    for at in 0..intact.len() {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x40;
        fs::write(&folder.cache, &damaged).unwrap();
        assert_eq!(digest(&folder.open(""), "f"), ContentDigest::of(b"one"), "byte {at}");
    }
    fs::write(&folder.cache, &intact[..intact.len() / 2]).unwrap();
    assert_eq!(digest(&folder.open(""), "f"), ContentDigest::of(b"one"));
}

#[test]
fn many_digests_come_in_the_order_asked() {
    let names: Vec<String> = (0..500).map(|index| format!("f{index:03}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let folder = Folder::new(&files);
    let context = folder.open("");
    let paths: Vec<PathBuf> = context.paths().collect::<Vec<_>>().into_iter().rev().collect();
    let digests = digests(&context, &paths);
    assert_eq!(digests.len(), 500);
    for (path, digest) in paths.iter().zip(digests) {
        assert_eq!(digest, ContentDigest::of(path.to_str().unwrap().as_bytes()));
    }
}

fn copy(context: &Context, name: &str) -> Result<(ContentDigest, Vec<u8>), ContextError> {
    let mut out = tempfile::tempfile().unwrap();
    let digest = context.copy_file(Path::new(name), &out)?;
    let mut content = Vec::new();
    std::io::Seek::rewind(&mut out).unwrap();
    out.read_to_end(&mut content).unwrap();
    Ok((digest, content))
}

#[test]
fn what_is_copied_has_the_digest_that_was_said() {
    let large = "0123456789".repeat(100_000);
    let folder = Folder::new(&[("small", "text"), ("large", &large), ("empty", "")]);
    let sparse = File::create(folder.at("sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 3 << 20).unwrap();
    let check = |context: &Context| {
        for name in ["small", "large", "empty", "sparse"] {
            let expected = fs::read(folder.at(name)).unwrap();
            let (digest, content) = copy(context, name).unwrap();
            assert!(content == expected, "{name}");
            assert_eq!(digest, ContentDigest::of(&expected), "{name}");
        }
    };
    // Just written: read and hashed. Later: copied by the kernel.
    check(&folder.open(""));
    std::thread::sleep(SETTLED);
    let context = folder.open("");
    digests(&context, &context.paths().collect::<Vec<_>>());
    check(&context);
}

#[test]
fn a_file_that_changes_during_the_build_is_noticed() {
    for settle in [Duration::ZERO, SETTLED] {
        let folder = Folder::new(&[("f", "before")]);
        std::thread::sleep(settle);
        let context = folder.open("");
        digest(&context, "f");
        let mtime = folder.at("f").metadata().unwrap().modified().unwrap();
        fs::write(folder.at("f"), "after!").unwrap();
        File::open(folder.at("f")).unwrap().set_modified(mtime).unwrap();
        assert!(matches!(copy(&context, "f"), Err(ContextError::Changed { .. })));
    }
}

#[test]
fn a_file_that_was_touched_and_not_changed_is_copied() {
    let folder = Folder::new(&[("f", "same")]);
    std::thread::sleep(SETTLED);
    let context = folder.open("");
    digest(&context, "f");
    fs::write(folder.at("f"), "same").unwrap();
    assert_eq!(copy(&context, "f").unwrap().1, b"same");
}

#[test]
fn a_name_that_became_a_symlink_is_not_followed() {
    let folder = Folder::new(&[("f", "inside"), ("d/f", "inside")]);
    fs::write(folder.dir.path().join("secret"), "outside").unwrap();
    let context = folder.open("");
    fs::remove_file(folder.at("f")).unwrap();
    symlink("../secret", folder.at("f")).unwrap();
    fs::rename(folder.at("d"), folder.at("e")).unwrap();
    symlink("..", folder.at("d")).unwrap();
    for name in ["f", "d/f"] {
        assert!(context.digest(Path::new(name)).is_err(), "{name}");
    }
}

#[test]
fn a_context_that_is_no_directory_is_told() {
    let folder = Folder::new(&[("f", "")]);
    let error = Context::open(&folder.at("f"), &IgnorePatterns::default(), None).unwrap_err();
    assert!(matches!(error, ContextError::NotADirectory { .. }), "{error}");
    assert!(Context::open(&folder.at("nothing"), &IgnorePatterns::default(), None).is_err());
    assert!(paths(&Context::empty()).is_empty() && Context::empty().root_fd().is_none());
}

#[test]
fn an_archive_on_standard_input_becomes_a_context() {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("./Dockerfile", "FROM scratch"), ("d/.wh.x", "not a deletion")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_uid(4_000_000);
        header.set_mtime(1_234_567_890);
        builder.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    let plain = builder.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    for bytes in [plain, gzip.finish().unwrap()] {
        let Standard::Archive(archive) = read_standard_input(bytes.as_slice()).unwrap() else { panic!("no archive") };
        let staging = tempfile::tempdir().unwrap();
        unpack_context(archive, staging.path()).unwrap();
        let context = Context::open(staging.path(), &IgnorePatterns::default(), None).unwrap();
        assert_eq!(paths(&context), ["Dockerfile", "d", "d/.wh.x"]);
        let entry = context.entry(Path::new("Dockerfile")).unwrap();
        assert_eq!((entry.kind, entry.mode, entry.identity.mtime.seconds), (FileKind::Regular, 0o640, 1_234_567_890));
    }
}

#[test]
fn a_dockerfile_on_standard_input_is_told_from_an_archive() {
    for text in ["FROM busybox\n", "", "# a long comment\n".repeat(100).as_str()] {
        match read_standard_input(text.as_bytes()).unwrap() {
            Standard::Dockerfile(read) => assert_eq!(read, text.as_bytes()),
            Standard::Archive(_) => panic!("{text:?} is not an archive"),
        }
    }
}
