//! Contexts, layers and the store.

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rbuild::base::digest::{CacheKey, DiffId};
use rbuild::base::rights;
use rbuild::build::context::{Context, IgnorePatterns, Wanted};
use rbuild::image::layer::{self, ApplyOptions, GzipWriter, NothingKnown};
use rbuild::store::snapshot::View;
use rbuild::store::{LayerRecord, Store};

fn ignore(criterion: &mut Criterion) {
    let mut patterns: Vec<String> = (0..40).map(|number| format!("folder{number}/**/*.tmp")).collect();
    patterns.extend(
        ["**/node_modules", "*.log", "!keep.log", ".git", "**/*.o", "a?c", "[x-z]*", "/top", "b/*/c", "**/d/**"]
            .map(str::to_owned),
    );
    let patterns = IgnorePatterns::new(&patterns).expect("they are patterns");
    let paths: Vec<Vec<u8>> = (0..100_000)
        .map(|number| format!("folder{}/part{}/file{number}.txt", number / 1000, number / 100 % 10).into_bytes())
        .collect();
    criterion.bench_function("match 100000 paths against 50 patterns", |bencher| {
        bencher.iter(|| paths.iter().filter(|path| patterns.matches(black_box(path))).count());
    });
}

/// 20 folders of 100 files, one kilobyte each.
fn write_files(root: &Path) {
    for folder in 0..20 {
        let folder = root.join(folder.to_string());
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for file in 0..100 {
            std::fs::write(folder.join(file.to_string()), vec![file as u8; 1000]).expect("a file can be written");
        }
    }
}

fn scan(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let root = folder.path().join("context");
    write_files(&root);
    let cache = folder.path().join("cache");
    let none = IgnorePatterns::new::<&str>(&[]).expect("they are patterns");
    let open = || {
        let context = Context::open(&root, &none, Some(&cache)).expect("it can be read");
        let mut wanted = Wanted::default();
        context.paths().for_each(|path| context.want(&mut wanted, &path));
        assert!(context.digests(&wanted).all(|digest| digest.is_ok()), "they can be read");
        context
    };
    // A file that was just written is not trusted yet.
    std::thread::sleep(std::time::Duration::from_secs(1));
    open().save_stat_cache().expect("it can be written");
    criterion.bench_function("scan 2000 unchanged files", |bencher| bencher.iter(open));
}

fn encode(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    write_files(folder.path());
    let big = vec![7; 16 << 20];
    std::fs::write(folder.path().join("big"), &big).expect("a file can be written");
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Bytes(big.len() as u64 + 2_000_000));
    group.bench_function("encode and hash 2001 files", |bencher| {
        bencher.iter(|| layer::encode(folder.path(), std::io::sink(), &NothingKnown).expect("it can be read"));
    });
    group.finish();
}

fn apply(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let source = folder.path().join("source");
    write_files(&source);
    let mut stream = Vec::new();
    layer::encode(&source, &mut stream, &NothingKnown).expect("it can be read");
    let new_folder = || tempfile::tempdir_in(folder.path()).expect("a folder can be made");
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("apply 2000 files", |bencher| {
        bencher.iter_batched_ref(
            new_folder,
            |new| layer::apply(stream.as_slice(), new.path(), &ApplyOptions::default()).expect("it can be unpacked"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Makes a layer of a step's changes: ten changed files in a layer of 2000.
fn diff(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let (lower, upper) = (folder.path().join("lower"), folder.path().join("upper"));
    write_files(&lower);
    for number in 0..10 {
        let changed = upper.join(number.to_string());
        std::fs::create_dir_all(&changed).expect("a folder can be made");
        std::fs::write(changed.join("7"), vec![1; 1000]).expect("a file can be written");
    }
    let view = View::open(&[lower]).expect("it can be read");
    criterion.bench_function("take the diff of a step: 10 of 2000 files", |bencher| {
        bencher.iter(|| {
            layer::normalise(&upper, &view, None).expect("it can be read");
            layer::encode(&upper, std::io::sink(), &NothingKnown).expect("it can be read")
        });
    });
}

fn compress(criterion: &mut Criterion) {
    let text: Vec<u8> =
        (0..1_000_000_u64).flat_map(|number| (number * number % 977).to_string().into_bytes()).collect();
    let mut group = criterion.benchmark_group("gzip");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for threads in [1, 2] {
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| {
                let mut writer = GzipWriter::new(std::io::sink(), threads, 5);
                writer.write_all(black_box(&text)).expect("a sink takes all");
                writer.finish().expect("a sink takes all");
            });
        });
    }
    group.finish();
}

fn store(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let open = || Store::open(folder.path()).expect("a store can be opened");
    let store = open();
    for number in 0..100_u8 {
        let diff_id = DiffId::from_bytes([number; 32]);
        let made = store.staging().expect("a folder can be made");
        let directory = made.path().join("layer");
        std::fs::create_dir(&directory).expect("a folder can be made");
        let record =
            LayerRecord { diff_id, tree: None, stream_size: 1, content_size: 1, made_at: 1, built: true, base: None };
        store
            .add_layer(rights::held().expect("nobody said that they are missing"), &record, &directory)
            .expect("a layer can be added");
        store.add_cache_record(&CacheKey::from_bytes([number; 32]), &diff_id).expect("a record can be added");
    }
    criterion.bench_function("open the store", |bencher| bencher.iter(open));
    let key = CacheKey::from_bytes([42; 32]);
    criterion.bench_function("look a step up", |bencher| {
        bencher.iter(|| store.cached(black_box(&key)).expect("it can be read").expect("it is there"));
    });
}

criterion_group!(benches, ignore, scan, encode, apply, diff, compress, store);
criterion_main!(benches);
