//! Output: fields of templates, rows as JSON, quoting, formats of times.

use serde_json::Value;

use super::common::{TestStore, busybox_archive, is_root, skip};

const FIELDS: &str = include_str!("../../fixtures/docker/fields.tsv");

/// All fields of docker's types can be queried.
#[test]
fn fields_of_dockers_types_are_there() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]);
    say(&["create", "--name", "box", "busybox"]).ok();
    say(&["volume", "create", "vol"]).ok();
    let mut wrong = Vec::new();
    for kind in ["container", "image", "network", "volume", "info", "version"] {
        let fields = FIELDS.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix('\t'));
        let fields: Vec<&str> = fields.collect();
        assert!(fields.len() > 5, "{kind}");
        let ask = |template: &str| match kind {
            "container" => say(&["inspect", "-f", template, "box"]),
            "image" => say(&["image", "inspect", "-f", template, "busybox"]),
            "network" => say(&["network", "inspect", "-f", template, "bridge"]),
            "volume" => say(&["volume", "inspect", "-f", template, "vol"]),
            kind => say(&[kind, "--format", template]),
        };
        // Individually only if all at once fail.
        let all: String = fields.iter().map(|field| format!("{{{{json {field}}}}}\n")).collect();
        if ask(&all).code() != Some(0) {
            let missing = fields.iter().filter(|field| ask(&format!("{{{{json {field}}}}}")).code() != Some(0));
            wrong.extend(missing.map(|field| format!("{kind} {field}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn versions_can_be_compared() {
    let store = TestStore::empty();
    let say = |words: &[&str]| super::run(&store, words, &[]).ok().stdout();
    let version = say(&["version", "--format", "{{.Server.Version}} {{.Client.Version}}"]);
    let words: Vec<&str> = version.split_whitespace().collect();
    assert!(words[0].starts_with("28.") && words[0].contains("+rbuild") && words[0] == words[1], "{version}");
    assert_eq!(say(&["info", "-f", "{{.ServerVersion}}"]).trim(), words[0]);
    let facts: Value = serde_json::from_str(&say(&["version", "--format", "json"])).unwrap();
    assert_eq!(facts["Server"]["ApiVersion"], facts["Client"]["ApiVersion"]);
    assert_eq!(say(&["version", "-f", "{{.Client.APIVersion}} {{.Server.APIVersion}}"]), "1.51 1.51\n");
    let names = say(&["version", "-f", "{{range .Server.Components}}{{.Name}}={{.Details.GitCommit}} {{end}}"]);
    assert!(names.starts_with("Engine=rbuild-"), "{names}");
    let plain = say(&["version"]);
    for line in ["Client: rbuild", "Server: rbuild", " Engine:", "  API version:      1.51 (minimum version 1.24)"] {
        assert!(plain.lines().any(|own| own.starts_with(line)), "{line}: {plain}");
    }
}

#[test]
fn rows_are_written_as_dockers() {
    if !is_root() {
        return skip("needs root");
    }
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]).ok().stdout();
    let archive = busybox_archive().unwrap();
    let loaded = say(&["load", "-q", "-i", archive.to_str().unwrap()]);
    assert_eq!(loaded, "Loaded image: busybox:latest\n", "-q shows no bar, and says what was loaded");
    let words = ["create", "--network", "none", "-l", "b=<x>&", "-e", "Z=1", "-e", "A=2", "--name", "box", "busybox"];
    say(&[&words[..], &["sh", "-c", "echo \"a b\"", "q'x"]].concat());
    let command = |options: &[&str]| say(&[&["ps", "-a", "--format", "{{.Command}}"], options].concat());
    assert_eq!(command(&["--no-trunc"]), "\"sh -c 'echo \\\"a b\\\"' q'x\"\n");
    assert_eq!(command(&[]), "\"sh -c 'echo \\\"a b\\\"' …\"\n");
    let row = say(&["ps", "-a", "--format", "json"]);
    assert!(row.starts_with(r#"{"Command":"#) && row.contains(r#""Labels":"b=\u003cx\u003e\u0026""#), "{row}");
    assert_eq!(say(&["ps", "-a", "--format", "{{json .Labels}}"]), "\"b=<x>&\"\n");
    let keys = |row: &str| {
        let row: serde_json::Map<String, Value> = serde_json::from_str(row.lines().next().unwrap()).unwrap();
        row.keys().cloned().collect::<Vec<_>>()
    };
    let commands: [&[&str]; 4] = [&["ps", "-a"], &["images"], &["network", "ls"], &["history", "busybox"]];
    for command in commands {
        let keys = keys(&say(&[command, &["--format", "json"]].concat()));
        assert!(keys.is_sorted() && !keys.contains(&"Label".to_owned()), "{keys:?}");
    }
    let whole = say(&["ps", "-aq", "--no-trunc"]);
    assert_eq!(say(&["ps", "-aq", "--no-trunc", "--format", "{{.Names}}"]), whole, "the format does not count");
    assert_eq!(whole.trim().len(), 64);

    let env = say(&["inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", "box"]);
    let names: Vec<&str> = env.split_whitespace().filter_map(|line| line.split('=').next()).collect();
    assert_eq!(names, ["Z", "A", "PATH"], "what was said comes before what the image has");
    assert_eq!(say(&["inspect", "-f", "{{.Driver}}", "box"]), say(&["info", "-f", "{{.Driver}}"]));
}

/// In docker's formats: Go's for networks, RFC 3339 in seconds for volumes and histories.
#[test]
fn times_have_dockers_forms() {
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[("TZ", "UTC")]).ok().stdout();
    say(&["volume", "create", "vol"]);
    let is = |text: &str, pattern: &str| {
        let pattern = regex::Regex::new(&format!("^{pattern}\n$")).unwrap();
        assert!(pattern.is_match(text), "{text} is not {pattern}");
    };
    let (day, second) = (r"\d{4}-\d\d-\d\d", r"\d\d:\d\d:\d\d");
    is(&say(&["volume", "inspect", "-f", "{{.CreatedAt}}", "vol"]), &format!("{day}T{second}Z"));
    is(&say(&["history", "--format", "{{.CreatedAt}}", "busybox"]), "2024-01-01T00:00:00Z");
    is(&say(&["images", "--format", "{{.CreatedAt}}"]), r"2024-01-01 00:00:00 \+0000 UTC");
    let bridge = ["network", "ls", "-f", "name=bridge", "--format", "{{.CreatedAt}}"];
    is(&say(&bridge), &format!(r"{day} {second}(\.\d+)? \+0000 UTC"));
    let answer = super::run(&store, &["history", "--format", "{{.CreatedAt}}", "busybox"], &[("TZ", "Etc/GMT-2")]);
    assert!(answer.ok().stdout().starts_with("2024-01-01T02:00:00"));
}

/// An image's config comes last in shown answers, with its fields sorted by name; a template uses docker's type.
#[test]
fn an_image_is_shown_as_dockers() {
    let Some(store) = TestStore::loaded() else { return };
    let say = |words: &[&str]| super::run(&store, words, &[]).ok().stdout();
    let all: Value = serde_json::from_str(&say(&["inspect", "busybox"])).unwrap();
    let image = all[0].as_object().unwrap();
    assert_eq!(image.keys().next_back().unwrap(), "Config");
    let keys: Vec<&String> = image["Config"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "User", "Volumes", "WorkingDir"]);
    let config = say(&["inspect", "-f", "{{json .Config}}", "busybox"]);
    assert!(config.starts_with(r#"{"Env":["PATH="#) && config.ends_with("],\"Cmd\":[\"sh\"]}\n"), "{config}");
    let size = say(&["images", "--format", "{{.Size}}"]);
    assert_eq!(say(&["system", "df", "-v", "--format", "{{range .Images}}{{.Size}}{{end}}"]), size);
    let rows = say(&["system", "df", "--format", "{{.Type}} {{.Size}}"]);
    assert_eq!(rows.lines().next(), Some("Images 1.984MB"));
}
