//! A store with the image `busybox`, whose containers go with it.

use super::common::{Answer, TestStore, wait_for};

pub struct Machine(pub TestStore);

impl Machine {
    /// Nothing, with the reason said, where containers can't be run.
    pub fn new() -> Option<Self> {
        TestStore::with_busybox().map(Self)
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.0.run(arguments)
    }

    /// What a command that has to succeed prints, without the line end.
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

    /// Runs a script in a new container; gives the exit code and all that it printed.
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

    /// A number of its state file.
    #[track_caller]
    pub fn state_number(&self, name: &str, field: &str) -> i32 {
        let path = self.0.root().join("containers").join(self.field(name, "{{.Id}}")).join("state.json");
        let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        state[field].as_i64().unwrap() as i32
    }

    /// Asks until the answer is the wanted one.
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
