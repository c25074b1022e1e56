//! How a build is shown: on a terminal, in a pipe, and to programs.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use serde_json::Value;

use crate::common::TestStore;
use crate::common::screen::Screen;

/// Two parallel stages, a long instruction and an instruction with a flag.
const STAGES: &str = "\
FROM busybox AS tools
RUN --mount=type=tmpfs,target=/scratch echo one of the tools > /tool && echo another line && echo a third line \\
    && echo and one more, so that the instruction is longer than any line > /long
FROM busybox AS app
RUN echo app > /app; sleep 0.4
FROM busybox
COPY --from=tools --chown=1:1 /tool /
COPY --from=app /app /
";

fn lines_with<'a>(lines: &'a [String], text: &str) -> Vec<&'a String> {
    lines.iter().filter(|line| line.contains(text)).collect()
}

#[test]
fn each_step_stands_on_one_line_whatever_the_width() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", STAGES);
    for columns in [60, 80, 200] {
        let mut screen = Screen::new(30, columns);
        assert_eq!(screen.run(store.command(&["build", "--no-cache", "-t", "shown", "ctx"])), Some(0));
        let seen = screen.seen();
        for title in ["[tools 2/2] RUN --mount=type=tm", "[app 2/2] RUN echo app", "2/3] COPY --from=tools"] {
            let lines = lines_with(&seen, title);
            assert_eq!(lines.len(), 1, "{title} at {columns}:\n{}", seen.join("\n"));
            assert!(lines[0].starts_with(" ✔ ") && lines[0].ends_with('s'), "{}", lines[0]);
            assert!(lines[0].chars().count() < usize::from(columns), "{}", lines[0]);
        }
        assert_eq!(lines_with(&seen, "building").len(), 0, "{}", seen.join("\n"));
        let last = seen.join("");
        assert!(last.contains("built shown:latest ") && last.contains(": 4 steps executed"), "{}", seen.join("\n"));
    }
    let mut screen = Screen::new(30, 80);
    assert_eq!(screen.run(store.command(&["build", "-t", "shown", "ctx"])), Some(0));
    let seen = screen.seen();
    let cached = lines_with(&seen, "[app 2/2] RUN echo app");
    assert!(cached.len() == 1 && cached[0].starts_with(" = ") && cached[0].ends_with("cached"), "{}", seen.join("\n"));
    assert!(seen.iter().any(|line| line.contains("4 steps cached")), "{}", seen.join("\n"));
}

#[test]
fn what_runs_is_shown_with_its_last_lines_and_gone_afterwards() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN seq 1 20; sleep 98766\n");
    let mut screen = Screen::new(24, 80);
    let mut child = screen.start(store.command(&["build", "ctx"]));
    screen.reads("│\x1b[0m 20");
    let seen = screen.seen();
    assert!(seen.iter().any(|line| line.starts_with("building ") && line.contains("1 of 2 steps")), "{seen:?}");
    assert!(
        seen.iter().any(|line| line.ends_with("│ 15")) && !seen.iter().any(|line| line.ends_with("│ 14")),
        "{seen:?}"
    );
    let process = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(screen.follow(&mut child), Some(130));
    let seen = screen.seen();
    assert!(lines_with(&seen, "building").is_empty() && lines_with(&seen, "│").is_empty(), "{}", seen.join("\n"));
    let canceled = lines_with(&seen, "RUN seq 1 20");
    assert!(canceled.len() == 1 && canceled[0].ends_with("canceled"), "{}", seen.join("\n"));
    assert_eq!(lines_with(&seen, "error: the build was cancelled").len(), 1);
}

#[test]
fn finished_stages_fold_when_the_screen_is_full() {
    let Some(store) = TestStore::with_busybox() else { return };
    let mut dockerfile = "FROM busybox AS many\n".to_owned();
    for number in 0..12 {
        dockerfile += &format!("RUN echo {number}\n");
    }
    dockerfile += "FROM busybox\nCOPY --from=many /bin/sh /x\nRUN echo waiting; sleep 98767\n";
    store.write("ctx/Dockerfile", &dockerfile);
    let mut screen = Screen::new(10, 80);
    let mut child = screen.start(store.command(&["build", "ctx"]));
    screen.reads("│\x1b[0m waiting");
    let seen = screen.seen();
    assert!(seen.iter().any(|line| line.starts_with(" ✔ [many] 13 steps, 1 of them cached")), "{}", seen.join("\n"));
    let process = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(screen.follow(&mut child), Some(130));
    let seen = screen.seen();
    for number in 0..12 {
        assert_eq!(lines_with(&seen, &format!("] RUN echo {number} ")).len(), 1, "{}", seen.join("\n"));
    }
}

#[test]
fn without_colours_the_signs_say_it() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN exit 4\n");
    let failing = ["build", "--progress", "tty", "ctx"];
    let mut coloured = Screen::new(24, 80);
    assert_eq!(coloured.run(store.command(&failing)), Some(1));
    assert!(String::from_utf8_lossy(&coloured.bytes).contains("\x1b[31m✘\x1b[0m"));
    let is_said = |text: &str| text.lines().any(|line| line.starts_with(" ✘ [2/2] RUN exit 4"));
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let mut command = store.command(&failing);
        command.env(name, value);
        let mut screen = Screen::new(24, 80);
        assert_eq!(screen.run(command), Some(1));
        let text = String::from_utf8_lossy(&screen.bytes).into_owned();
        assert!(
            !text.contains("m✘") && !text.contains("\x1b[2m") && is_said(&screen.seen().join("\n")),
            "{name}: {text:?}"
        );
        assert!(name == "NO_COLOR" || !text.contains('\x1b'), "{text:?}");
    }
    let piped = store.run(&failing).fails(1).stderr();
    assert!(!piped.contains('\x1b') && is_said(&piped), "{piped}");
}

#[test]
fn plain_output_is_a_line_for_each_event() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo a; echo b\nRUN <<EOF\necho c\necho d\nEOF\n");
    let answer = store.run(&["build", "--progress", "plain", "-t", "plain", "ctx"]).ok().stderr();
    let lines: Vec<&str> = answer.lines().collect();
    let (last, steps) = lines.split_last().unwrap();
    let is_event = |line: &&str| line.strip_prefix('#').is_some_and(|rest| rest.as_bytes()[0].is_ascii_digit());
    assert!(steps.iter().all(is_event), "{answer}");
    assert!(last.starts_with("built plain:latest ") && last.contains(": 2 steps executed, slowest "), "{answer}");
}

#[test]
fn warnings_are_shown_when_the_build_fails_too() {
    let Some(store) = TestStore::with_busybox() else { return };
    let answer = store.build_text("FROM busybox\nENV A b\nRUN exit 3\n", &[]).fails(1).stderr();
    let warning =
        answer.find("\n1 warning:\nDockerfile:2:1: LegacyKeyValueFormat").unwrap_or_else(|| panic!("{answer}"));
    assert!(warning < answer.find("error: Dockerfile:3").unwrap(), "{answer}");
    let quiet = store.run(&["build", "-q", "ctx"]).fails(1).stderr();
    assert!(quiet.starts_with("error: "), "{quiet}");
}

#[test]
fn modes_are_chosen_as_with_buildx() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nRUN echo said\n");
    let build = |mode: &str, arguments: &[&str]| {
        let mut command = store.command(&[&["build"], arguments, &["ctx"]].concat());
        command.env("BUILDKIT_PROGRESS", mode);
        crate::common::Answer::of(command)
    };
    let none = build("", &["--progress", "none"]).ok();
    assert_eq!((none.stdout().as_str(), none.stderr().as_str()), ("", ""));
    assert!(build("", &[]).ok().stderr().starts_with("#1 "));
    assert!(build("rawjson", &[]).ok().stderr().starts_with('{'));
    assert!(build("rawjson", &["--progress", "auto"]).ok().stderr().starts_with('{'));
    assert!(build("rawjson", &["--progress", "plain"]).ok().stderr().starts_with("#1 "));
    assert!(build("rawjson", &["-q"]).ok().stdout().starts_with("sha256:"));
    assert!(build("odd", &[]).fails(1).stderr().contains("there is no progress display `odd`"));
    let both = build("", &["-q", "--progress", "plain"]).ok();
    assert!(both.stdout().starts_with("sha256:") && both.stderr().is_empty());
}

/// The objects of `--progress rawjson`, one per line, and what follows them.
fn objects(text: &str) -> (Vec<Value>, String) {
    let lines = text.lines().take_while(|line| line.starts_with('{'));
    let objects: Vec<Value> = lines.map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    let rest: Vec<&str> = text.lines().skip(objects.len()).collect();
    (objects, rest.join("\n"))
}

fn all<'a>(objects: &'a [Value], key: &str) -> Vec<&'a Value> {
    objects.iter().filter_map(|object| object[key].as_array()).flatten().collect()
}

#[test]
fn programs_get_what_buildkit_tells() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", STAGES);
    let arguments = ["build", "--progress", "rawjson", "-t", "raw", "ctx"];
    let (objects_of_first, rest) = objects(&store.run(&arguments).ok().stderr());
    assert_eq!(rest, "");
    let keys: BTreeSet<&str> =
        objects_of_first.iter().flat_map(|object| object.as_object().unwrap().keys().map(String::as_str)).collect();
    assert!(keys.iter().all(|key| ["vertexes", "statuses", "logs", "warnings"].contains(key)), "{keys:?}");
    // The last state of each vertex.
    let last: BTreeMap<&str, &Value> = all(&objects_of_first, "vertexes")
        .into_iter()
        .map(|vertex| (vertex["name"].as_str().unwrap(), vertex))
        .collect();
    assert!(last.values().all(|vertex| vertex["completed"].is_string() && vertex["started"].is_string()), "{last:#?}");
    let digests: BTreeSet<&str> = last.values().map(|vertex| vertex["digest"].as_str().unwrap()).collect();
    assert!(digests.len() == last.len() && digests.iter().all(|digest| digest.starts_with("sha256:")), "{last:#?}");
    let inputs = last.values().filter_map(|vertex| vertex["inputs"].as_array()).flatten();
    assert!(inputs.map(|input| input.as_str().unwrap()).all(|input| digests.contains(input)), "{last:#?}");
    let tool = last.iter().find(|(name, _)| name.starts_with("[tools 2/2] RUN --mount=type=tmpfs")).unwrap().1;
    let decode =
        |log: &&Value| base64::engine::general_purpose::STANDARD.decode(log["data"].as_str().unwrap()).unwrap();
    let logs: Vec<u8> = all(&objects_of_first, "logs")
        .iter()
        .filter(|log| log["vertex"] == tool["digest"] && log["stream"] == 1)
        .flat_map(decode)
        .collect();
    assert_eq!(String::from_utf8_lossy(&logs), "another line\na third line\n");
    let statuses: Vec<&str> =
        all(&objects_of_first, "statuses").iter().map(|status| status["id"].as_str().unwrap()).collect();
    assert!(statuses.iter().any(|id| id.starts_with("writing image sha256:")), "{statuses:?}");
    assert!(statuses.contains(&"naming to raw:latest"), "{statuses:?}");
    // Also in a trace: why it was executed, and what it used.
    let of_tool = || all(&objects_of_first, "vertexes").into_iter().filter(|vertex| vertex["digest"] == tool["digest"]);
    assert!(of_tool().any(|vertex| vertex["rbuild"]["why"][0] == "first time seen"), "{objects_of_first:#?}");
    assert!(tool["rbuild"]["resources"]["peak_memory"].as_u64().is_some_and(|bytes| bytes > 0), "{tool:#}");
    let (again, _) = objects(&store.run(&arguments).ok().stderr());
    let steps = all(&again, "vertexes").into_iter().filter(|vertex| vertex["name"].as_str().unwrap().starts_with('['));
    assert!(steps.into_iter().all(|vertex| vertex["cached"] == true), "{again:#?}");
}

#[test]
fn programs_get_errors_and_warnings() {
    let Some(store) = TestStore::with_busybox() else { return };
    store.write("ctx/Dockerfile", "FROM busybox\nENV A b\nRUN echo hopeless; exit 5\n");
    let (found, rest) = objects(&store.run(&["build", "--progress", "rawjson", "ctx"]).fails(1).stderr());
    let failed: Vec<&Value> =
        all(&found, "vertexes").into_iter().filter(|vertex| vertex["error"].is_string()).collect();
    assert_eq!(failed.len(), 1, "{found:#?}");
    assert!(failed[0]["error"].as_str().unwrap().contains("did not complete successfully: exit code: 5"));
    assert!(failed[0]["completed"].is_string() && failed[0]["name"] == "[2/2] RUN echo hopeless; exit 5");
    let warnings = all(&found, "warnings");
    assert_eq!(warnings.len(), 1, "{found:#?}");
    let short = base64::engine::general_purpose::STANDARD.decode(warnings[0]["short"].as_str().unwrap()).unwrap();
    assert!(String::from_utf8_lossy(&short).starts_with("LegacyKeyValueFormat: "));
    assert_eq!(warnings[0]["range"][0]["start"]["line"], 2);
    assert_eq!(warnings[0]["sourceInfo"]["filename"], "Dockerfile");
    // Compose adds an empty line after each line of an error: there is one, and the others are the step's output.
    assert!(rest.starts_with("ERROR: Dockerfile:3") && !rest.contains('\n'), "{rest}");
    let said = |found: &[Value], vertex: &Value| -> String {
        let of_vertex = all(found, "logs").into_iter().filter(|log| log["vertex"] == vertex["digest"]);
        let decoded = of_vertex
            .map(|log| base64::engine::general_purpose::STANDARD.decode(log["data"].as_str().unwrap()).unwrap());
        String::from_utf8(decoded.flatten().collect()).unwrap()
    };
    let text = said(&found, failed[0]);
    assert!(text.starts_with("hopeless\n") && text.contains("3 | RUN echo hopeless; exit 5\n"), "{text}");
    assert_eq!(text.matches("hopeless").count(), 2, "{text}");

    store.write("ctx/Dockerfile", "FROM busybox\nRNU x\n");
    let (found, rest) = objects(&store.run(&["build", "--progress", "rawjson", "ctx"]).fails(1).stderr());
    assert!(rest.ends_with("unknown instruction `RNU` (did you mean `RUN`?)") && !rest.contains('\n'), "{rest}");
    let failed = *all(&found, "vertexes").iter().find(|vertex| vertex["error"].is_string()).unwrap();
    assert!(said(&found, failed).contains("2 | RNU x\n"), "{found:#?}");
}

#[test]
fn what_takes_long_has_a_bar_that_goes_with_it() {
    use std::io::Write as _;
    let store = TestStore::empty();
    let pipe = store.work().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let mut screen = Screen::new(24, 80);
    let mut child = screen.start(store.command(&["import", "pipe", "imported"]));
    let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
    writer.write_all(&[0; 512]).unwrap();
    screen.reads("importing pipe ");
    screen.reads(" 512B ");
    writer.write_all(&[0; 512]).unwrap();
    drop(writer);
    assert_eq!(screen.follow(&mut child), Some(0));
    let seen = screen.seen();
    assert!(seen[0].starts_with("sha256:") && lines_with(&seen, "importing").is_empty(), "{}", seen.join("\n"));
}
