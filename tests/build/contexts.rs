//! Where the context and the Dockerfile come from.

use std::path::Path;

use crate::common::TestStore;

const PRINT: &str = "FROM busybox\nCOPY file /file\nRUN cat /file\n";

/// A tar archive of these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn a_tar_archive_on_standard_input_is_a_context() {
    let Some(store) = TestStore::with_busybox() else { return };
    let input = archive(&[("Dockerfile", PRINT), ("file", "from a pipe\n")]);
    let answer = store.run_with_input(&["build", "-"], &input).ok();
    assert!(answer.stderr().contains("from a pipe"), "{}", answer.stderr());
}

#[test]
fn a_compressed_archive_file_is_a_context() {
    use std::io::Write as _;
    let Some(store) = TestStore::with_busybox() else { return };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&archive(&[("./other", PRINT), ("./file", "from a file\n")])).unwrap();
    store.write("context.tar.gz", encoder.finish().unwrap());
    let answer = store.run(&["build", "-f", "other", "context.tar.gz"]).ok();
    assert!(answer.stderr().contains("from a file"), "{}", answer.stderr());
}

#[test]
fn a_dockerfile_alone_on_standard_input_has_an_empty_context() {
    let Some(store) = TestStore::with_busybox() else { return };
    let answer = store.run_with_input(&["build", "-"], b"FROM busybox\nCOPY . /all\nRUN ls -A /all | wc -l\n").ok();
    assert!(answer.stderr().lines().any(|line| line.ends_with(" 0")), "{}", answer.stderr());
}

#[test]
fn a_dockerfile_on_standard_input_goes_with_a_folder() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/file", "in the folder\n");
    let answer = store.run_with_input(&["build", "-f", "-", "ctx"], PRINT.as_bytes()).ok();
    assert!(answer.stderr().contains("in the folder"), "{}", answer.stderr());
}

#[test]
fn a_dockerfile_may_be_elsewhere_and_brings_its_ignore_file() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/file", "kept");
    store.write("ctx/other", "ignored");
    store.write("elsewhere/My.Dockerfile", "FROM busybox\nCOPY . /all\nRUN ls /all\n");
    store.write("elsewhere/My.Dockerfile.dockerignore", "other\n");
    let answer = store.run(&["build", "-f", "elsewhere/My.Dockerfile", "ctx"]).ok().stderr();
    assert!(answer.lines().any(|line| line.ends_with(" file")), "{answer}");
    assert!(!answer.lines().any(|line| line.ends_with(" other")), "{answer}");
}

#[test]
fn the_word_build_may_be_left_out() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\n");
    store.run(&["-t", "short:1", "ctx"]).ok();
    assert!(store.run(&["images"]).ok().stdout().contains("short"));
}

#[test]
fn a_named_folder_is_a_context() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("more/file", "named\n");
    store.write("more/.dockerignore", "ignored\n");
    store.write("more/ignored", "");
    let dockerfile = "FROM busybox\nCOPY --from=more . /more/\nRUN cat /more/file; ls -A /more\n";
    let answer = store.build_text(dockerfile, &["--build-context", "more=more"]).ok().stderr();
    assert!(answer.contains("named"), "{answer}");
    assert!(!answer.lines().any(|line| line.ends_with(" ignored")), "{answer}");
}

#[test]
fn a_named_image_takes_the_place_of_a_base() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("first/Dockerfile", "FROM busybox\nRUN echo replaced > /word\n");
    store.run(&["build", "-t", "mine", "first"]).ok();
    let dockerfile = "FROM example.invalid/not/there:1\nRUN cat /word\n";
    let named = "example.invalid/not/there:1=docker-image://mine";
    let answer = store.build_text(dockerfile, &["--build-context", named]).ok();
    assert!(answer.stderr().contains("replaced"), "{}", answer.stderr());
}

#[test]
fn a_named_layout_takes_the_place_of_a_base() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("first/Dockerfile", "FROM busybox\nRUN echo laid-out > /word\n");
    store.run(&["build", "-t", "mine:2", "-o", "type=oci,dest=layout,tar=false", "first"]).ok();
    assert!(Path::new(&store.work()).join("layout/index.json").exists());
    let answer =
        store.build_text("FROM other\nRUN cat /word\n", &["--build-context", "other=oci-layout://layout:2"]).ok();
    assert!(answer.stderr().contains("laid-out"), "{}", answer.stderr());
}

#[test]
fn symbolic_links_do_not_lead_out_of_the_context() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("secret", "outside");
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY link/secret /taken\n");
    std::os::unix::fs::symlink("..", store.work().join("ctx/link")).unwrap();
    let answer = store.build(&[]).fails(1).stderr();
    assert!(answer.contains("secret"), "{answer}");
}

/// Build arguments for the builder itself.
#[test]
fn built_in_arguments_have_their_effects() {
    let Some(store) = TestStore::with_busybox() else { return };
    let text = "FROM busybox\nRUN hostname\nRUN --mount=type=cache,target=/cache ls /cache; touch /cache/was-here\n";
    let said = store.build_text(text, &["--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=my-host"]).ok().stderr();
    assert!(said.lines().any(|line| line.ends_with(" my-host")), "{said}");
    let namespace = ["--no-cache", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=other"];
    let said = store.build(&namespace).ok().stderr();
    assert!(!said.lines().any(|line| line.ends_with(" was-here")), "{said}");
    let said = store.build(&namespace).ok().stderr();
    assert!(said.lines().any(|line| line.ends_with(" was-here")), "{said}");
    let said = store.build(&["--build-arg", "BUILDKIT_SYNTAX=example.com/other:1"]).fails(1).stderr();
    assert!(said.contains("example.com/other:1"), "{said}");
    store.build(&["--build-arg", "BUILDKIT_SYNTAX=docker/dockerfile:1.9"]).ok();
}

#[test]
fn a_context_from_elsewhere_without_a_dockerfile_tells_what_it_has() {
    let store = TestStore::empty();
    let input = archive(&[("README", ""), ("app-1.0/Dockerfile", "FROM scratch\n"), ("app-1.0/x", "")]);
    let stderr = store.run_with_input(&["build", "-"], &input).fails(1).stderr();
    assert_eq!(
        stderr.trim_end(),
        "error: there is no `Dockerfile` in the build context; it has `README`, `app-1.0/`\n\
         hint: there is a `app-1.0/Dockerfile`: name it with --file"
    );
    let stderr = store.run_with_input(&["build", "-f", "other/Dockerfile", "-"], &input).fails(1).stderr();
    assert!(
        stderr.starts_with("error: there is no `other/Dockerfile` in the build context; it has `README`"),
        "{stderr}"
    );
    for method in ["--check", "--call=outline", "--call=targets"] {
        let stderr = store.run_with_input(&["build", method, "-"], &input).fails(1).stderr();
        assert!(stderr.contains("it has `README`, `app-1.0/`"), "{method}: {stderr}");
    }
    store.write("context.tar", archive(&[("one", "")]));
    let stderr = store.run(&["build", "context.tar"]).fails(1).stderr();
    assert!(stderr.contains("there is no `Dockerfile` in the build context; it has `one`"), "{stderr}");
}

#[test]
fn no_error_of_a_context_from_elsewhere_names_the_store() {
    let store = TestStore::empty();
    let link = |target: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "Dockerfile", target).unwrap();
        builder.into_inner().unwrap()
    };
    let ignored = archive(&[("Dockerfile", "FROM scratch\nCOPY . /\n"), (".dockerignore", "[a-\n")]);
    for input in [link("/etc/passwd"), link("nowhere"), archive(&[("Dockerfile/x", "")]), ignored] {
        let stderr = store.run_with_input(&["build", "-"], &input).fails(1).stderr();
        assert!(stderr.contains("ockerfile") || stderr.contains(".dockerignore"), "{stderr}");
        assert!(!stderr.contains(&store.root().display().to_string()), "{stderr}");
    }
}
