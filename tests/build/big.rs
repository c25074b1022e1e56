//! Large numbers of layers, files and bytes, and too little disk space.

use std::os::unix::fs::MetadataExt as _;

use crate::common::small_disk::Small;
use crate::common::{TestStore, busybox_archive, can_run_containers};

#[test]
fn an_image_may_have_130_layers() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut dockerfile = String::from("FROM busybox\n");
    for number in 0..129 {
        dockerfile += &format!("COPY f /f{number}\n");
    }
    dockerfile += "RUN ls / | grep -c '^f[0-9]' && rm /f0 && echo more >> /f1\nRUN ls / | grep -c '^f[0-9]'\n";
    store.write("ctx/f", "x\n");
    let answer = store.build_text(&dockerfile, &["-t", "tall"]).ok().stderr();
    assert!(answer.contains(" 129\n") && answer.contains(" 128\n"), "{answer}");
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
    store.run(&["save", "-o", "tall.tar", "tall"]).ok();
    let other = TestStore::empty();
    other.run(&["load", "-i", &store.work().join("tall.tar").to_string_lossy()]).ok();
    let answer = other.build_text("FROM tall\nRUN cat /f1\n", &[]).ok().stderr();
    assert!(answer.contains(" more\n"), "{answer}");
}

/// Five thousand, or RBUILD_TEST_FILES: creating a file may take the disk milliseconds.
#[test]
fn a_context_may_have_many_files() {
    let Some(store) = TestStore::with_busybox() else { return };
    let count: usize = std::env::var("RBUILD_TEST_FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000);
    for folder in 0..count.div_ceil(1000) {
        let path = store.work().join(format!("ctx/many/{folder}"));
        std::fs::create_dir_all(&path).unwrap();
        for number in folder * 1000..count.min((folder + 1) * 1000) {
            std::fs::write(path.join(number.to_string()), number.to_string()).unwrap();
        }
    }
    let answer = store.build_text("FROM busybox\nCOPY many /many\nRUN find /many -type f | wc -l\n", &[]).ok();
    assert!(answer.stderr().contains(&format!(" {count}\n")), "{}", answer.stderr());
    assert_eq!(store.build(&[]).ok().executed(), [""; 0]);
    store.write("ctx/many/0/7", "8");
    assert_eq!(store.build(&[]).ok().executed().len(), 2);
}

#[test]
fn a_sparse_file_of_five_gigabytes_takes_no_room() {
    const SIZE: u64 = 5 << 30;
    let Some(store) = TestStore::with_busybox() else { return };
    let sparse = std::fs::File::create(store.write("ctx/sparse", "")).unwrap();
    sparse.set_len(SIZE).unwrap();
    let answer = store.build_text("FROM busybox\nCOPY sparse /sparse\nRUN stat -c %s /sparse\n", &[]).ok();
    assert!(answer.stderr().contains(&format!(" {SIZE}\n")), "{}", answer.stderr());
    let used = walkdir::WalkDir::new(store.root().join("layers"))
        .into_iter()
        .filter_map(|entry| entry.unwrap().metadata().ok())
        .map(|metadata| metadata.blocks() * 512)
        .sum::<u64>();
    assert!(used < 100 << 20, "{used} bytes are used for holes");
}

#[test]
fn a_full_disk_is_a_clear_error_and_leaves_a_store_that_works() {
    if !can_run_containers() {
        return;
    }
    let Some(Small { store }) = &Small::new(24) else { return };
    store.run(&["load", "-i", &busybox_archive().unwrap().to_string_lossy()]).ok();
    let build = |dockerfile: &str| store.build_text(dockerfile, &[]);
    build("FROM busybox\nRUN echo kept > /kept\n").ok();
    let in_run = build("FROM busybox\nRUN echo kept > /kept\nRUN dd if=/dev/zero of=/big bs=1M count=100\n").fails(1);
    assert!(in_run.stderr().contains("No space left on device"), "{}", in_run.stderr());
    store.write("ctx/big", vec![b'x'; 40 << 20]);
    let in_copy = build("FROM busybox\nRUN echo kept > /kept\nCOPY big /big\n").fails(1);
    assert!(in_copy.stderr().contains("No space left on device"), "{}", in_copy.stderr());
    let again = build("FROM busybox\nRUN echo kept > /kept\nRUN cat /kept\n").ok();
    assert_eq!(again.cached(), ["RUN echo kept > /kept"]);
}
