//! Times, sizes, durations, booleans and filters: the same grammar in every command.

use super::common::{TestStore, is_root, skip};

/// Command lines that end with a time.
const TIMES: &[&[&str]] = &[
    &["events", "--since", "0", "--until", "0s", "--filter", "type=container", "--since"],
    &["events", "--until"],
    &["container", "prune", "-f", "--filter", "until="],
    &["image", "prune", "-f", "--filter", "until="],
    &["network", "prune", "-f", "--filter", "until="],
    &["system", "prune", "-f", "--filter", "until="],
    &["builder", "prune", "-f", "--filter", "until="],
    &["buildx", "prune", "-f", "--filter", "unused-for="],
    &["buildx", "du", "--filter", "until="],
    &["images", "-f", "until="],
];
const RIGHT_TIMES: [&str; 13] = [
    "0",
    "24h",
    "1h30m1.5s",
    "300ms",
    "1700000000",
    "1700000000.25",
    "2020-01-01",
    "2020-01-01Z",
    "2020-01-01+02:00",
    "2020-01-01T10",
    "2020-01-01T10:00",
    "2020-01-01T10:00:00.5",
    "2020-01-01T10:00:00-07:00",
];
const WRONG_TIMES: [&str; 9] =
    ["", "x", "1d", "24", "2020-13-01", "2020-01-01 10:00", "-5", "1700000000.x", "2020-01-01T10:00:00+2"];

/// Command lines that end with a size.
const SIZES: &[&[&str]] = &[
    &["create", "-m"],
    &["run", "--memory-reservation"],
    &["run", "--shm-size"],
    &["build", "--shm-size"],
    &["build", "-m"],
    &["update", "-m"],
    &["builder", "prune", "-f", "--keep-storage"],
    &["buildx", "prune", "-f", "--reserved-space"],
    &["buildx", "prune", "-f", "--max-used-space"],
    &["buildx", "prune", "-f", "--min-free-space"],
    &["ps", "--max-store"],
    &["run", "--device-read-bps", "/dev/null:"],
    &["run", "--mount", "type=tmpfs,dst=/x,tmpfs-size="],
    &["run", "--tmpfs", "/x:size="],
    &["run", "--log-opt", "max-size="],
];
const WRONG_SIZES: [&str; 8] = ["x", "m", "4q", "1mm", "1kbi", "-5m", "1.2.3", "inf"];
const RIGHT_SIZES: [&str; 7] = ["8388608", "8m", "8MB", "8MiB", "0.5g", "8 m", "1e8"];

/// If the last word of a line ends with `=` or `:`, the value is appended to it; otherwise it is a word by itself.
fn with(words: &[&str], value: &str) -> Vec<String> {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    match words.last_mut().filter(|last| last.ends_with(['=', ':'])) {
        Some(last) => last.push_str(value),
        None => words.push(value.to_owned()),
    }
    words
}

fn run(store: &TestStore, words: &[String]) -> (Option<i32>, String) {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = super::run(store, &words, &[]);
    (answer.code(), answer.stderr())
}

#[test]
fn times_are_written_in_one_way() {
    let store = TestStore::empty();
    let mut wrong = Vec::new();
    for words in TIMES {
        // Others end when that time has come.
        let is_past = |text: &&&str| !words.ends_with(&["--until"]) || !text.is_empty();
        for text in RIGHT_TIMES.iter().filter(is_past) {
            let words = with(words, text);
            if run(&store, &words).0 != Some(0) {
                wrong.push(words);
            }
        }
        for text in WRONG_TIMES {
            // A number means seconds.
            if text != "24" {
                let words = with(words, text);
                let (code, message) = run(&store, &words);
                if code == Some(0) || !(message.contains("time or duration") || message.contains("KEY=VALUE")) {
                    wrong.push(words);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sizes_are_written_in_one_way() {
    let store = TestStore::empty();
    let mut wrong = Vec::new();
    for words in SIZES {
        let behind: &[&str] = match words[0] {
            "run" | "create" => &["--pull", "never", "no-such-image"],
            "update" => &["no-such-container"],
            "build" => &["no-such-folder"],
            _ => &[],
        };
        for (text, is_right) in
            RIGHT_SIZES.map(|text| (text, true)).into_iter().chain(WRONG_SIZES.map(|text| (text, false)))
        {
            let mut words = with(words, text);
            words.extend(behind.iter().map(|word| (*word).to_owned()));
            let (code, message) = run(&store, &words);
            // With a valid value, the command continues until it does not find something.
            let came_through = match behind.last() {
                None => code == Some(0),
                Some(missing) => message.contains(missing),
            };
            if came_through != is_right {
                wrong.push((words, message));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn durations_are_written_in_one_way() {
    let store = TestStore::empty();
    let options = ["--health-interval", "--health-timeout", "--health-start-period", "--health-start-interval"];
    for option in options {
        let run = |text: &str| {
            let words = ["create", "--pull", "never", "--health-cmd", "true", option, text, "no-such-image"];
            super::run(&store, &words, &[]).stderr()
        };
        for right in ["0", "0s", "1s", "1.5s", "1h30m", "300ms", "1m0.5s", ".5s"] {
            assert!(run(right).contains("no-such-image"), "{option} {right}: {}", run(right));
        }
        for wrong in ["", "1", "1d", "x", "-1s", "1us", "1 s", "s"] {
            assert!(run(wrong).contains(option), "{option} {wrong}: {}", run(wrong));
        }
    }
}

/// An invalid filter stops the command before anything is queried or removed, even after a valid one.
#[test]
fn a_wrong_filter_removes_nothing() {
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]);
    say(&["volume", "create", "--label", "a=1", "vol"]).ok();
    say(&["create", "--name", "box", "busybox"]).ok();
    store.write("ctx/Dockerfile", "FROM busybox\nCOPY Dockerfile /\n");
    say(&["build", "ctx"]).ok();
    let state = || {
        let list = |words: &[&str]| say(words).ok().stdout();
        [
            list(&["images", "-aq"]),
            list(&["ps", "-aq"]),
            list(&["volume", "ls", "-q"]),
            list(&["network", "ls", "-q"]),
            list(&["buildx", "du", "--format", "{{.ID}}"]),
        ]
    };
    let before = state();
    let commands: [&[&str]; 7] = [
        &["container", "prune", "-f"],
        &["image", "prune", "-af"],
        &["volume", "prune", "-af"],
        &["network", "prune", "-f"],
        &["builder", "prune", "-af"],
        &["buildx", "prune", "-af"],
        &["system", "prune", "-af"],
    ];
    let wrong = ["x=y", "dangling=x", "until=1d", "label", "until=1h --filter until=2h", "label!=a --filter x=y"];
    for command in commands {
        for filter in wrong {
            // Volumes have no time filter.
            let filters = filter.split(' ').filter(|word| *word != "--filter").flat_map(|word| ["--filter", word]);
            let words: Vec<&str> = command.iter().copied().chain(filters).collect();
            let answer = say(&words);
            assert_ne!(answer.code(), Some(0), "{words:?}: {}", answer.stdout());
            assert_eq!(state(), before, "{words:?}");
        }
    }
    for (filter, message) in [("dangling=t", "dangling=[t]"), ("until=x", "time or duration")] {
        assert!(say(&["images", "-f", filter]).fails(1).stderr().contains(message), "{filter}");
    }
    say(&["system", "prune", "-f", "--volumes", "--filter", "until=1h"]).fails(1);
    assert_eq!(state(), before);
}

/// The containers, volumes and networks that a filter selects: docker 28.5.2's answers.
#[test]
fn filters_choose_as_dockers() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]);
    let lines = |words: &[&str]| {
        let mut lines: Vec<String> = say(words).ok().stdout().lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ")
    };
    let mut ids = Vec::new();
    for number in ["1", "2", "3"] {
        let (name, label) = (format!("c{number}"), format!("n={number}"));
        let volume = format!("vol{number}:/v{number}");
        let words = ["create", "--network", "none", "--name", &name, "-l", &label, "-v", &volume, "busybox"];
        ids.push(say(&words).ok().stdout().trim().to_owned());
    }
    let (whole, start) = (format!("id={}", ids[0]), format!("id={}", &ids[0][..50]));
    let pattern = format!("id=^{}", &ids[0][..50]);
    let containers: [(&str, &str); 24] = [
        (&whole, "c1"),
        (&start, "c1"),
        (&pattern, ""),
        ("id=.", ""),
        ("id=", ""),
        ("name=c", "c1 c2 c3"),
        ("name=^/c1$", "c1"),
        ("name=c[12]", "c1 c2"),
        ("name=(", ""),
        ("status=created", "c1 c2 c3"),
        ("exited=0", ""),
        ("ancestor=busybox", "c1 c2 c3"),
        ("ancestor=nope", ""),
        ("before=c2", "c1"),
        ("since=c1", "c2 c3"),
        ("volume=vol1", "c1"),
        ("volume=/v2", "c2"),
        ("volume=vo", ""),
        ("network=none", "c1 c2 c3"),
        ("network=non", ""),
        ("expose=80/xyz", ""),
        ("is-task=false", "c1 c2 c3"),
        ("label=n=1", "c1"),
        ("label=", ""),
    ];
    for (filter, wanted) in containers {
        assert_eq!(lines(&["ps", "-a", "--format", "{{.Names}}", "-f", filter]), wanted, "{filter}");
    }
    for filter in ["status=bogus", "exited=x", "before=nope", "publish=x", "health=x", "is-task=t", "x=y"] {
        say(&["ps", "-f", filter]).fails(1);
    }
    let volumes = [("name=vol", "vol1 vol2 vol3"), ("name=^vol1$", "vol1"), ("name=v.l1", "vol1"), ("name=(", "")];
    for (filter, wanted) in volumes {
        assert_eq!(lines(&["volume", "ls", "-q", "-f", filter]), wanted, "{filter}");
    }
    let networks =
        [("name=^no", "none"), ("name=n.ne", "none"), ("driver=nul", ""), ("type=builtin", "bridge host none")];
    for (filter, wanted) in networks {
        assert_eq!(lines(&["network", "ls", "--format", "{{.Name}}", "-f", filter]), wanted, "{filter}");
    }
    for filter in ["type=x", "dangling=x", "x=y"] {
        say(&["network", "ls", "-f", filter]).fails(1);
    }
    say(&["images", "-f", "reference=["]).fails(1);
}
