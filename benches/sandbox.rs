//! Starts a container, without a store or a monitor: namespaces, an overlay of one layer, `true`, and its end.

use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use rbuild::container::sandbox::{self, Container, Isolation, Process, Rootfs, Stack, Stdio, User};

const BUSYBOX: &str = "/bin/busybox";

fn container(folder: &Path) -> Container {
    Container {
        rootfs: Rootfs::Overlay(Stack {
            lower: vec![folder.join("layer")],
            upper: Some(folder.join("upper")),
            work: Some(folder.join("work")),
            volatile: false,
        }),
        mounts: Vec::new(),
        process: Process {
            arguments: vec!["/true".into()],
            environment: Vec::new(),
            directory: "/".into(),
            create_directory: false,
            user: User::default(),
            terminal: false,
            limits: Vec::new(),
            oom_score_adjust: None,
            init: false,
        },
        isolation: Isolation::default(),
    }
}

fn start(criterion: &mut Criterion) {
    if !rustix::process::geteuid().is_root() || !Path::new(BUSYBOX).exists() {
        println!("skipped: needs root and busybox-static");
        return;
    }
    rbuild::use_program(Path::new(env!("CARGO_BIN_EXE_rbuild"))).expect("it is there");
    let folder = tempfile::tempdir().expect("a folder can be made");
    for name in ["layer", "upper", "work"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder can be made");
    }
    std::fs::copy(BUSYBOX, folder.path().join("layer/true")).expect("it can be copied");
    let container = container(folder.path());
    criterion.bench_function("start a container and wait for its end", |bencher| {
        bencher.iter(|| {
            let running = sandbox::spawn(&container, Stdio::default()).expect("it can be started");
            running.wait().expect("it ends")
        });
    });
}

criterion_group!(benches, start);
criterion_main!(benches);
