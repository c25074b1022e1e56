//! The grammar of options, checked for every option of every command that docker has, too.

use super::common::TestStore;

const OPTIONS: &str = include_str!("../../fixtures/docker/options.tsv");
const COMMANDS: &str = include_str!("../../fixtures/docker/commands.txt");

struct Known {
    command: &'static str,
    name: &'static str,
    short: &'static str,
    is_boolean: bool,
}

/// Commands that are the same under another name, or that rbuild does not have.
fn is_left_out(command: &str) -> bool {
    let groups = ["builder", "container", "image", "plugin", "swarm", "trust", "compose"];
    let first = command.split(' ').next().unwrap_or_default();
    let gone = ["history", "dial-stdio", "create", "export", "import", "rm", "update"];
    let in_group = |group: &str| gone.iter().any(|name| command.starts_with(&format!("{group} {name}")));
    groups.contains(&first) || first == "buildx" && in_group("buildx") || in_group("context")
}

fn options() -> Vec<Known> {
    let lines = OPTIONS.lines().filter(|line| !line.starts_with('#'));
    let known = lines.map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Known { command: fields[0], name: fields[1], short: fields[2], is_boolean: fields[3] == "bool" }
    });
    // These two may be used without a value, although they accept more than true and false.
    let is_odd = |known: &Known| matches!(known.name, "provenance" | "sbom" | "help");
    known.filter(|known| !is_left_out(known.command) && !is_odd(known)).collect()
}

#[test]
fn every_option_takes_what_docker_lets_it_take() {
    let store = TestStore::empty();
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut expect = |words: &[&str], code: i32, said: &str| {
        let answer = super::run(&store, words, &[]);
        count += 1;
        if answer.code() != Some(code) || !(answer.stdout() + &answer.stderr()).contains(said) {
            wrong.push(format!("{words:?}: {:?}\n{}{}", answer.code(), answer.stdout(), answer.stderr()));
        }
    };
    let all = options();
    for command in all.iter().map(|known| known.command).collect::<std::collections::BTreeSet<_>>() {
        // All options are parsed before the help is shown, so one command line suffices for the valid ones.
        let mut right: Vec<String> = command.split(' ').map(str::to_owned).filter(|word| !word.is_empty()).collect();
        for known in all.iter().filter(|known| known.command == command) {
            let (name, short) = (known.name, known.short);
            if known.is_boolean {
                right.extend(["", "=true", "=false", "=T", "=0"].map(|value| format!("--{name}{value}")));
                right.extend(
                    ["", "=1", "=f"].iter().filter(|_| !short.is_empty()).map(|value| format!("-{short}{value}")),
                );
            } else {
                right.extend([format!("--{name}=x"), format!("--{name}"), "-1".to_owned(), format!("--{name}=")]);
                if !short.is_empty() {
                    right.extend([format!("-{short}x"), format!("-{short}=x"), format!("-{short}"), "--".to_owned()]);
                }
            }
        }
        right.push("--help".to_owned());
        expect(&right.iter().map(String::as_str).collect::<Vec<_>>(), 0, "Usage:");
    }
    for known in &all {
        let group: Vec<&str> = known.command.split(' ').filter(|word| !word.is_empty()).collect();
        let option = format!("--{}", known.name);
        if known.is_boolean {
            expect(&[&group[..], &[&format!("{option}=maybe")]].concat(), 125, "invalid argument \"maybe\" for");
        } else {
            expect(&[&group[..], &[&option]].concat(), 125, &format!("flag needs an argument: {option}"));
        }
    }
    assert!(count > 300 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_command_has_a_help_and_refuses_what_it_does_not_know() {
    let store = TestStore::empty();
    let mut wrong = Vec::new();
    for command in COMMANDS.lines().filter(|line| !line.starts_with('#') && !is_left_out(line)) {
        let words: Vec<&str> = command.split(' ').collect();
        let help = super::run(&store, &[&words[..], &["--help"]].concat(), &[]);
        let same = super::run(&store, &[&["help"], &words[..]].concat(), &[]);
        if help.code() != Some(0) || help.stdout() != same.stdout() || !help.stderr().is_empty() {
            wrong.push(format!("{command} --help: {:?} {}", help.code(), help.stderr()));
        }
        for (word, said) in [("--no-such", "unknown flag: --no-such"), ("-Z", "unknown shorthand flag: 'Z' in -Z")] {
            let refused = super::run(&store, &[&words[..], &[word]].concat(), &[]);
            if refused.code() != Some(125) || !refused.stderr().contains(said) || !refused.stdout().is_empty() {
                wrong.push(format!("{command} {word}: {:?} {}", refused.code(), refused.stderr()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
