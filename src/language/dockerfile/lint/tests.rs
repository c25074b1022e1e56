use super::*;

/// `secret.txt` is left out by `.dockerignore`; the image `parent` has a trigger.
struct World;

impl super::World for World {
    fn base(&self, name: &str, _platform: Option<&str>) -> BaseImage {
        let triggers = if name == "parent" { vec!["WORKDIR sub".to_owned()] } else { Vec::new() };
        BaseImage { triggers, ..BaseImage::default() }
    }

    fn is_image_name(&self, text: &str) -> bool {
        !text.is_empty() && text == text.to_lowercase()
    }

    fn platform(&self, text: &str) -> Option<(String, String)> {
        text.split_once('/').map(|(system, architecture)| (system.to_owned(), architecture.to_owned()))
    }

    fn is_ignored(&self, path: &str) -> bool {
        path == "secret.txt"
    }
}

fn rules_for(source: &str, options: &LintOptions) -> Vec<(u32, &'static str)> {
    let lint = lint(&crate::language::dockerfile::parse(source.as_bytes()), &World, options);
    lint.warnings.iter().map(|warning| (warning.line, warning.rule.name)).collect()
}

fn rules(source: &str) -> Vec<(u32, &'static str)> {
    rules_for(source, &LintOptions::default())
}

#[test]
fn a_target_is_checked_with_what_it_needs() {
    let source = "FROM a AS b\nCMD b\nFROM a AS c\nCMD c\nFROM a AS d\nCMD d\nFROM a as e\nCOPY --from=c / /\n\
                  RUN --mount=from=0,target=/b true\nCMD e\n";
    let of = |target: Option<&str>| {
        let scope = Scope::Target(target.map(str::to_owned));
        rules_for(source, &LintOptions { scope, ..LintOptions::default() })
    };
    let json = "JSONArgsRecommended";
    assert_eq!(of(None), [(2, json), (4, json), (7, "FromAsCasing"), (10, json)]);
    assert_eq!(of(Some("D")), [(6, json), (7, "FromAsCasing")]);
}

#[test]
fn what_the_user_says_takes_the_place_of_the_directive() {
    let source = "# check=skip=all;error=true\nFROM a\nCMD a\n";
    let check = Some(CheckOptions::parse("skip=WorkdirRelativePath").unwrap());
    let options = LintOptions { check, ..LintOptions::default() };
    assert_eq!(rules_for(source, &options), [(3, "JSONArgsRecommended")]);
    assert_eq!(lint(&crate::language::dockerfile::parse(source.as_bytes()), &World, &options).error, None);
}

#[test]
fn a_directive_that_cannot_be_read_is_an_error_in_its_line() {
    let parse = crate::language::dockerfile::parse(b"# syntax=docker/dockerfile:1\n# check=skip\nFROM a\n");
    let error = lint(&parse, &World, &LintOptions::default()).error.unwrap();
    assert_eq!(error.lines, Some(Lines { first: 2, last: 2 }));
}

#[test]
fn a_comment_skips_a_rule_for_one_instruction() {
    let source = "FROM a\n# check=skip=LegacyKeyValueFormat\nENV A b\nENV C d\n";
    assert_eq!(rules(source), [(4, "LegacyKeyValueFormat")]);
}

#[test]
fn the_directive_skips_for_all_and_asks_for_experiments() {
    assert_eq!(rules("# check=skip=all\nFROM a AS B\nENV A b\n"), []);
    let copy = "FROM a\nCOPY secret.txt /\n";
    assert_eq!(rules(copy), [(2, "CopyIgnoredFile")]);
    assert_eq!(rules(&format!("# check=skip=CopyIgnoredFile\n{copy}")), []);
    let described = "# check=experimental=all\n\n# b the builder\nFROM a AS b\n# something\nARG X\n";
    assert_eq!(rules(described), [(6, "InvalidDefinitionDescription")]);
}

#[test]
fn variables_are_known_from_where_they_are_set() {
    let source = "ARG G=1\nFROM a AS b\nARG D\nENV A=$D B=$A\nENV C=$A$G\nFROM b\nUSER $C$A$E\n";
    assert_eq!(rules(source), [(4, "UndefinedVar"), (5, "UndefinedVar"), (7, "UndefinedVar")]);
}

#[test]
fn triggers_belong_to_the_line_of_their_from() {
    assert_eq!(rules("FROM scratch\nFROM parent\nWORKDIR other\n"), [(2, "WorkdirRelativePath")]);
    let own = "FROM a AS b\nONBUILD ENV A b\nFROM b\n";
    assert_eq!(rules(own), [(3, "LegacyKeyValueFormat")]);
}

#[test]
fn warnings_can_be_errors() {
    let parse = crate::language::dockerfile::parse(b"# check=error=true\nFROM a\nCMD a\n");
    let error = lint(&parse, &World, &LintOptions::default()).error.unwrap();
    assert_eq!(error.kind, LintErrorKind::Violations { rules: vec!["JSONArgsRecommended"] });
}

#[test]
fn secrets_are_words_of_a_name() {
    let source = "FROM a\nARG API_KEY\nARG KEYBOARD\nARG TOKEN_FILE\nENV public_key=a\nENV DB_PASSWORD=a\n";
    assert_eq!(rules(source), [(2, "SecretsUsedInArgOrEnv"), (6, "SecretsUsedInArgOrEnv")]);
}
