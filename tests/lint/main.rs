//! The lint, as a user runs it.

#[path = "../common/mod.rs"]
mod common;

mod builds;
mod check;

use common::{Answer, TestStore};

/// A store, and a build context in which commands are run.
struct Rbuild(TestStore);

impl Rbuild {
    fn new(dockerfile: &str) -> Self {
        let rbuild = Self(TestStore::empty());
        rbuild.write("Dockerfile", dockerfile);
        rbuild
    }

    fn write(&self, name: &str, text: &str) {
        self.0.write(name, text);
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.0.run(arguments)
    }

    /// Standard error of a build that has to succeed.
    fn builds(&self, arguments: &[&str]) -> String {
        let answer = self.run(&[&["build", "--progress", "plain"], arguments, &["."]].concat()).ok();
        assert_eq!(answer.stdout(), "");
        answer.stderr()
    }

    /// Standard error of a build that has to fail.
    fn fails(&self, arguments: &[&str]) -> String {
        self.run(&[&["build", "--progress", "plain"], arguments, &["."]].concat()).fails(1).stderr()
    }

    /// Imports an image without files, with these changes of its config.
    fn import(&self, name: &str, options: &[&str]) {
        self.0.run_with_input(&[&["import"], options, &["-", name]].concat(), &[0; 1024]).ok();
    }
}
