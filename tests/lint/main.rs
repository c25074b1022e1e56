//! The lint, run as a user runs it.

mod builds;
mod check;

use std::process::{Command, Output};

/// A store and a build context of their own.
struct Rbuild {
    root: tempfile::TempDir,
}

impl Rbuild {
    fn new(dockerfile: &str) -> Self {
        let rbuild = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(rbuild.context()).unwrap();
        rbuild.write("Dockerfile", dockerfile);
        rbuild
    }

    fn context(&self) -> std::path::PathBuf {
        self.root.path().join("context")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.context().join(name), text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rbuild"))
            .args(arguments)
            .current_dir(self.context())
            .env("RBUILD_ROOT", self.root.path().join("store"))
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap()
    }

    /// Standard error of a build that has to succeed.
    fn builds(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["build", "--progress", "plain"], arguments, &["."]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        assert!(output.stdout.is_empty());
        stderr
    }

    /// Standard error of a build that has to fail.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(&[&["build", "--progress", "plain"], arguments, &["."]].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        stderr
    }

    /// An image without files whose config is changed like this.
    fn import(&self, name: &str, options: &[&str]) {
        let archive = self.root.path().join("empty.tar");
        std::fs::write(&archive, [0; 1024]).unwrap();
        let archive = archive.to_str().unwrap();
        let output = self.run(&[&["import"], options, &[archive, name]].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
