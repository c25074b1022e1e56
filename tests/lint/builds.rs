//! Warnings of ordinary builds.

use super::Rbuild;

#[test]
fn warnings_stand_at_the_end_once() {
    let rbuild = Rbuild::new("FROM scratch\nENV A b\nCOPY \\\n\n  Dockerfile /\n");
    let expected = "\n2 warnings:\n\
        Dockerfile:2:1: LegacyKeyValueFormat: write `ENV name=value` instead of `ENV name value`\n\
        \x20 1 | FROM scratch\n  2 | ENV A b\n    | ^^^^^^^\n\n\
        Dockerfile:5:3: NoEmptyContinuation: a blank line stands inside the instruction; newer builders will refuse it\n\
        \x20 2 | ENV A b\n  3 | COPY \\\n  4 | \n  5 |   Dockerfile /\n    |   ^^^^^^^^^^^^\n\n";
    let stderr = rbuild.builds(&[]);
    assert!(stderr.ends_with(expected), "{stderr}");
    assert_eq!(stderr.matches("LegacyKeyValueFormat").count(), 1);
    let cached = rbuild.builds(&["-t", "named"]);
    assert!(cached.contains("built named:latest ") && cached.ends_with(expected), "{cached}");
}

#[test]
fn quiet_builds_warn_of_nothing() {
    let rbuild = Rbuild::new("FROM scratch\nENV A b\n");
    let quiet = rbuild.run(&["build", "-q", "."]);
    assert_eq!((quiet.code(), quiet.stderr().as_str()), (Some(0), ""));
    assert!(quiet.stdout().starts_with("sha256:"));
    let progress = rbuild.run(&["build", "--progress", "quiet", "."]);
    assert_eq!((progress.stderr().as_str(), progress.stdout().len()), ("", "sha256:\n".len() + 64));
}

#[test]
fn a_comment_skips_a_rule_for_one_instruction() {
    let rbuild = Rbuild::new("FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV A b\nENV C d\n");
    let stderr = rbuild.builds(&[]);
    assert!(stderr.contains("\n1 warning:\nDockerfile:4:1: LegacyKeyValueFormat"), "{stderr}");
}

#[test]
fn the_directive_fails_the_build_before_anything_runs() {
    let rbuild = Rbuild::new("# check=error=true\nFROM scratch\nMAINTAINER me\nRUN [\"/nothing\"]\n");
    let stderr = rbuild.fails(&[]);
    assert!(stderr.starts_with("error: the check directive turns these warnings into errors"), "{stderr}");
    assert!(stderr.contains("MaintainerDeprecated\n\nDockerfile:3:1: MaintainerDeprecated: "), "{stderr}");
    assert!(!stderr.contains("#1"), "{stderr}");
}

#[test]
fn a_build_argument_takes_the_place_of_the_directive() {
    let rbuild = Rbuild::new("# check=error=true\nFROM scratch\nMAINTAINER me\n");
    let check = |value: &str| ["--build-arg".to_owned(), format!("BUILDKIT_DOCKERFILE_CHECK={value}")];
    let with = |value: &str| check(value).map(|text| text.leak() as &str);
    assert!(!rbuild.builds(&with("skip=MaintainerDeprecated")).contains("warning"));
    assert!(rbuild.builds(&with("error=false")).contains("1 warning:"));
    assert!(rbuild.fails(&with("error=true")).contains("MaintainerDeprecated"));
    assert!(rbuild.fails(&with("error=perhaps")).contains("invalid check option `error=perhaps`"));
}

#[test]
fn a_directive_that_cannot_be_read_is_an_error() {
    let stderr = Rbuild::new("# syntax=docker/dockerfile:1\n# check=skip=A; error=true\nFROM scratch\n").fails(&[]);
    let expected =
        "error: Dockerfile:2:1: invalid check option ``: it is skip=RULE,… or error=true or experimental=RULE,…\n";
    assert!(stderr.starts_with(expected), "{stderr}");
}

#[test]
fn what_is_known_of_base_images_counts() {
    let rbuild = Rbuild::new("FROM base\nENV A=$HERE B=$GONE\nWORKDIR $ARG\nCMD a\n");
    rbuild.import("base", &["--change", "ENV HERE=yes", "--platform", "linux/s390x"]);
    let stderr = rbuild.builds(&[]);
    let rules: Vec<&str> = stderr.lines().filter(|line| line.starts_with("Dockerfile:")).collect();
    assert_eq!(rules.len(), 5, "{stderr}");
    assert!(rules[0].contains("Dockerfile:1:1: InvalidBaseImagePlatform: `base` is for linux/s390x, not for linux/"));
    assert!(rules[1].contains("Dockerfile:2:1: UndefinedVar: the variable `$GONE`"), "{stderr}");
    assert!(rules[2].contains("Dockerfile:3:1: UndefinedVar: the variable `$ARG`"), "{stderr}");
    assert!(rules[3].contains("WorkdirRelativePath") && rules[4].contains("JSONArgsRecommended"), "{stderr}");
}

#[test]
fn only_stages_that_are_built_are_checked() {
    let rbuild = Rbuild::new("FROM unknown.invalid/none AS other\nCMD $X\nFROM scratch AS last\nENV A=b\n");
    assert!(!rbuild.builds(&[]).contains("warning"));
}

#[test]
fn copies_of_ignored_files_are_found() {
    let dockerfile = "# just a comment\nFROM scratch\nCOPY ./*.log *.txt /\n";
    let rbuild = Rbuild::new(dockerfile);
    rbuild.write("a.txt", "");
    rbuild.write(".dockerignore", "*.log\n");
    let stderr = rbuild.builds(&[]);
    assert!(stderr.contains("Dockerfile:3:1: CopyIgnoredFile: \"./*.log\" is left out"), "{stderr}");
    rbuild.write(".dockerignore", "*.log\n!a.txt\n");
    assert!(!rbuild.builds(&[]).contains("CopyIgnoredFile"));
}

/// ONBUILD instructions of a stage may need other stages, too.
#[test]
fn a_stage_that_only_a_trigger_needs_is_looked_at() {
    let text = "FROM scratch AS needed\nENV A b\nCOPY Dockerfile /\nFROM scratch AS parent\n\
        ONBUILD COPY --from=needed /Dockerfile /copied\nFROM parent\nLABEL a=b\n";
    let stderr = Rbuild::new(text).builds(&[]);
    assert_eq!(stderr.matches("LegacyKeyValueFormat").count(), 1, "{stderr}");
}

#[test]
fn all_of_a_context_that_is_ignored_is_found() {
    let rbuild = Rbuild::new("FROM scratch\nCOPY . /\n");
    rbuild.write("a.txt", "");
    rbuild.write(".dockerignore", "*.log\n");
    assert!(!rbuild.builds(&[]).contains("CopyIgnoredFile"));
    rbuild.write(".dockerignore", "**\n");
    assert!(rbuild.builds(&[]).contains("CopyIgnoredFile: \".\" is left out"));
}

#[test]
fn builds_that_fail_warn_too() {
    let broken = "FROM scratch\nENV PSW b\nCOPY nothing /\n";
    for (dockerfile, error) in [
        (broken, "nothing"),
        ("FROM scratch\nENV PSW b\nSTOPSIGNAL NOPE\n", "NOPE"),
        ("FROM scratch\nMAINTAINER me\nNONSENSE\n", "NONSENSE"),
    ] {
        let rbuild = Rbuild::new(dockerfile);
        let stderr = rbuild.fails(&[]);
        assert!(stderr.contains("warning") && stderr.contains(error), "{stderr}");
    }
    let stderr = Rbuild::new(broken).fails(&[]);
    assert!(stderr.contains("SecretsUsedInArgOrEnv") && stderr.contains("LegacyKeyValueFormat"), "{stderr}");
    let quiet = Rbuild::new(broken).run(&["build", "-q", "."]);
    assert!(!quiet.stderr().contains("warning"), "{}", quiet.stderr());
}
