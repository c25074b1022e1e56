//! A store with the image `busybox`, which removes its containers on drop.

use super::common::{Answer, TestStore, wait_for};

pub struct Machine(pub TestStore);

impl Machine {
    /// Skips, with a reason, if containers can't be run.
    pub fn new() -> Option<Self> {
        TestStore::with_busybox().map(Self)
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.0.run(arguments)
    }

    /// Runs a command that has to succeed; returns its output without the final newline.
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> String {
        self.run(arguments).ok().stdout().trim_end().to_owned()
    }

    /// Starts a container without a network in the background.
    #[track_caller]
    pub fn start(&self, name: &str, options: &[&str], script: &str) {
        let arguments =
            [&["run", "-d", "--name", name, "--network", "none"], options, &["busybox", "sh", "-c", script]];
        self.run(&arguments.concat()).ok();
    }

    /// Runs a script in a new container; returns the exit code and all output.
    pub fn script(&self, options: &[&str], script: &str) -> (i32, String) {
        let arguments = [&["run", "--rm", "--network", "none"], options, &["busybox", "sh", "-c", script]].concat();
        let answer = self.run(&arguments);
        (answer.code().unwrap(), answer.stdout() + &answer.stderr())
    }

    /// A field of inspect.
    #[track_caller]
    pub fn field(&self, name: &str, field: &str) -> String {
        self.says(&["inspect", "--format", field, name])
    }

    /// A number in its state file.
    #[track_caller]
    pub fn state_number(&self, name: &str, field: &str) -> i32 {
        let path = self.0.root().join("containers").join(self.field(name, "{{.Id}}")).join("state.json");
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        state[field].as_i64().unwrap() as i32
    }

    /// Repeats a command until its answer is the expected one.
    #[track_caller]
    pub fn until(&self, arguments: &[&str], wanted: impl Fn(&str) -> bool) -> String {
        wait_for(&format!("{arguments:?}"), || {
            let answer = self.run(arguments).stdout();
            if wanted(&answer) { Ok(answer) } else { Err(answer) }
        })
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let all = self.run(&["ps", "-aq"]).stdout();
        let mut arguments = vec!["rm", "-f"];
        arguments.extend(all.split_whitespace());
        if arguments.len() > 2 {
            self.run(&arguments);
        }
    }
}
