//! `--check` and `--call`, which execute nothing.

use serde_json::{Value, json};

use super::Rbuild;

/// Neither of its bases exists.
const DOCKERFILE: &str = "\
# VERSION to build
ARG VERSION=1
# base has the tools
FROM none.invalid/base:$VERSION AS base
ENV A b
RUN [\"/nothing\"]
FROM base AS final
ARG LEVEL=low
RUN --mount=type=secret,id=key,required --mount=type=ssh true
COPY \\

  missing /
CMD start
";

impl Rbuild {
    /// Standard output of a command with this exit code and nothing on standard error.
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let answer = self.run(&[&["build"], arguments, &["."]].concat()).fails(code);
        assert_eq!(answer.stderr(), "");
        answer.stdout()
    }
}

#[test]
fn the_check_shows_each_rule_with_its_lines() {
    let rule =
        |name: &str, slug: &str| format!("WARNING: {name} - https://docs.docker.com/go/dockerfile/rule/{slug}/\n");
    let expected = [
        "Check complete, 3 warnings have been found!\n\n",
        &rule("LegacyKeyValueFormat", "legacy-key-value-format"),
        "write `ENV name=value` instead of `ENV name value`\nDockerfile:5\n--------------------\n",
        "   3 |     # base has the tools\n   4 |     FROM none.invalid/base:$VERSION AS base\n   5 | >>> ENV A b\n",
        "   6 |     RUN [\"/nothing\"]\n   7 |     FROM base AS final\n--------------------\n\n",
        &rule("NoEmptyContinuation", "no-empty-continuation"),
        "a blank line stands inside the instruction; newer builders will refuse it\nDockerfile:12\n--------------------\n",
        "  10 |     COPY \\\n  11 |\n  12 | >>>   missing /\n  13 |     CMD start\n  14 |\n--------------------\n\n",
        &rule("JSONArgsRecommended", "json-args-recommended"),
        "write CMD as a JSON array, so that signals reach the program and not a shell\nDockerfile:13\n--------------------\n",
        "  11 |\n  12 |       missing /\n  13 | >>> CMD start\n  14 |\n--------------------\n",
    ];
    let rbuild = Rbuild::new(DOCKERFILE);
    assert_eq!(rbuild.says(&["--check"], 1), expected.concat());
    assert_eq!(rbuild.says(&["--call=check"], 1), expected.concat());
    assert!(rbuild.says(&["--call=check,ignorestatus=true"], 0).contains("3 warnings"));
    assert!(rbuild.says(&["--check", "--target", "base"], 1).contains("2 warnings have been found"));
    let skip = ["--check", "--build-arg", "BUILDKIT_DOCKERFILE_CHECK=skip=all"];
    assert_eq!(rbuild.says(&skip, 0), "Check complete, no warnings found.\n");
}

#[test]
fn an_instruction_is_shown_whole() {
    let text = Rbuild::new("FROM a\nENV A \\\n  b\nENV C=d\n").says(&["--check"], 1);
    let excerpt = "Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> ENV A \\\n   3 | >>>   b\n   4 |     ENV C=d\n";
    assert!(text.contains(excerpt), "{text}");
}

#[test]
fn the_check_as_json() {
    let rbuild = Rbuild::new("FROM a\nENV A \\\n  b\n");
    let expected = json!({
        "warnings": [{
            "ruleName": "LegacyKeyValueFormat",
            "description": "ENV and LABEL are written with =",
            "url": "https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/",
            "detail": "write `ENV name=value` instead of `ENV name value`",
            "location": { "ranges": [{ "start": { "line": 2 }, "end": { "line": 3 } }] }
        }],
        "sources": [{ "filename": "Dockerfile", "language": "Dockerfile", "data": "RlJPTSBhCkVOViBBIFwKICBiCg==" }]
    });
    for arguments in [&["--check", "--format", "json"][..], &["--call", "check,format=json"]] {
        let report: Value = serde_json::from_str(&rbuild.says(arguments, 1)).unwrap();
        assert_eq!(report, expected);
    }
}

#[test]
fn faults_are_errors_of_the_check() {
    let faults = [
        ("FROM scratch\nRUNN true\n", "error: Dockerfile:2:1: unknown instruction `RUNN`\n", Some(2)),
        ("FROM scratch\nCOPY --from=7 a b\n", "error: Dockerfile:2:6: invalid stage index 7", Some(2)),
        ("FROM scratch\nEXPOSE x\nFROM scratch\n", "error: Dockerfile:2:8: `x` is not a port", Some(2)),
        ("FROM scratch\nUSER ${A:?}\n", "error: Dockerfile:2:6: ", Some(2)),
        ("# check=x\nFROM scratch\n", "error: Dockerfile:1:1: invalid check option `x`", Some(1)),
        (
            "# check=error=true\nFROM scratch\nMAINTAINER me\n",
            "error: the check directive turns these warnings into errors",
            None,
        ),
    ];
    for (dockerfile, message, line) in faults {
        let rbuild = Rbuild::new(dockerfile);
        let answer = rbuild.run(&["build", "--check", "--format=json", "."]).fails(1);
        let stderr = answer.stderr();
        assert!(stderr.replace("error: Dockerfile: ", "error: ").starts_with(message), "{stderr}");
        let report: Value = serde_json::from_str(&answer.stdout()).unwrap();
        assert_eq!(report["buildError"]["location"]["ranges"][0]["start"]["line"].as_u64(), line, "{report}");
        assert!(report["buildError"]["message"].is_string());
    }
    assert!(Rbuild::new("FROM scratch\n").fails(&["--check", "--target", "x"]).contains("target stage `x`"));
}

#[test]
fn what_a_base_might_define_is_no_fault() {
    let rbuild = Rbuild::new("FROM none.invalid/a\nEXPOSE $PORT\nSTOPSIGNAL $SIGNAL\n");
    assert!(rbuild.says(&["--check"], 1).contains("the variable `$SIGNAL` is not defined"));
    let known = Rbuild::new("FROM known\nEXPOSE $PORT\nWORKDIR $PORT/a\n");
    known.import("known", &["--change", "ENV PORT=80"]);
    let text = known.says(&["--check"], 1);
    assert!(text.contains("WorkdirRelativePath") && !text.contains("UndefinedVar"), "{text}");
}

#[test]
fn the_check_as_sarif() {
    let rbuild = Rbuild::new("FROM a\nENV A b\nEXPOSE x\n");
    let answer = rbuild.run(&["build", "--call=check,format=sarif", "."]).fails(1);
    let report: Value = serde_json::from_str(&answer.stdout()).unwrap();
    assert_eq!(report["version"], "2.1.0");
    let run = &report["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!((&results[0]["ruleId"], &results[0]["level"]), (&json!("LegacyKeyValueFormat"), &json!("warning")));
    let region = json!({ "artifactLocation": { "uri": "Dockerfile" }, "region": { "startLine": 2, "endLine": 2 } });
    assert_eq!(results[0]["locations"][0]["physicalLocation"], region);
    assert_eq!((&results[1]["ruleId"], &results[1]["level"]), (&json!("BuildError"), &json!("error")));
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
}

#[test]
fn an_outline_shows_what_can_be_given() {
    let rbuild = Rbuild::new(DOCKERFILE);
    let text = "TARGET: final\n\nBUILD ARG   VALUE   DESCRIPTION\nVERSION     1       to build\nLEVEL       low\n\n\
                SECRET   REQUIRED\nkey      true\n\nSSH       REQUIRED\ndefault\n\n";
    assert_eq!(rbuild.says(&["--call=outline"], 0), text);
    let base = "TARGET:      base\nDESCRIPTION: has the tools\n\nBUILD ARG   VALUE   DESCRIPTION\nVERSION     2       to build\n\n";
    assert_eq!(rbuild.says(&["--call=outline", "--target=base", "--build-arg=VERSION=2"], 0), base);
    let report: Value = serde_json::from_str(&rbuild.says(&["--call=outline,format=json"], 0)).unwrap();
    assert_eq!(report["name"], "final");
    let location = json!({ "ranges": [{ "start": { "line": 2 }, "end": { "line": 2 } }] });
    let version = json!({ "name": "VERSION", "description": "to build", "value": "1", "location": location });
    assert_eq!(report["args"][0], version);
    assert_eq!(report["secrets"][0]["required"], true);
    assert_eq!(report["ssh"][0]["name"], "default");
}

#[test]
fn targets_are_listed() {
    let rbuild = Rbuild::new(DOCKERFILE);
    let text = "TARGET          DESCRIPTION\nbase            has the tools\nfinal (default)\n";
    assert_eq!(rbuild.says(&["--call=targets"], 0), text);
    let report: Value = serde_json::from_str(&rbuild.says(&["--call=targets", "--format=json"], 0)).unwrap();
    let last = json!({
        "name": "final", "default": true, "base": "base",
        "location": { "ranges": [{ "start": { "line": 7 }, "end": { "line": 7 } }] }
    });
    assert_eq!(report["targets"][1], last);
    assert_eq!(report["targets"][0]["description"], "has the tools");
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let rbuild = Rbuild::new("FROM scratch\n");
    assert!(rbuild.fails(&["--format=json"]).contains("--format is for --check"));
    assert!(rbuild.fails(&["--call=targets,format=sarif"]).contains("SARIF is for"));
    let unknown = rbuild.run(&["build", "--call=chek", "."]);
    assert!(unknown.stderr().contains("unknown method `chek`"));
}
