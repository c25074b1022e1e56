use super::*;

const SOURCE: &str = "\
# VERSION is the version to build\nARG VERSION=1.${MINOR}\nARG MINOR=2\nARG BASE=busybox:${MINOR}\nARG UNUSED=x\n
# base has the tools\nFROM ${BASE} AS base\nARG VERSION\nARG TARGETARCH\n
FROM base AS other\nARG OTHER\nRUN --mount=type=secret,id=never true\n
# final is what runs\n# check=skip=all\nFROM --platform=$BUILDPLATFORM base\n# LEVEL of detail\nARG LEVEL=low DEEP=$LEVEL\n\
RUN --mount=type=secret,target=/run/$LEVEL.key,required --mount=type=ssh --mount=type=secret,id=b true\n";

fn outline_of(source: &str, options: &OutlineOptions) -> Result<Outline, OutlineError> {
    let parse = crate::language::dockerfile::parse(source.as_bytes());
    outline(&parse, parse.result.as_ref().unwrap(), options)
}

fn options(target: Option<&str>) -> OutlineOptions {
    let predefined = ["BUILDPLATFORM", "TARGETARCH"].map(|name| (name.to_owned(), "x".to_owned())).to_vec();
    OutlineOptions { target: target.map(str::to_owned), predefined, ..OutlineOptions::default() }
}

fn arguments(outline: &Outline) -> Vec<(&str, &str, &str)> {
    outline.arguments.iter().map(|one| (&*one.name, &*one.value, &*one.description)).collect()
}

#[test]
fn a_target_can_be_given_what_it_and_its_bases_use() {
    let last = outline_of(SOURCE, &options(None)).unwrap();
    assert_eq!(
        arguments(&last),
        [
            ("VERSION", "1.", "is the version to build"),
            ("MINOR", "2", ""),
            ("BASE", "busybox:2", ""),
            ("LEVEL", "low", "of detail"),
            ("DEEP", "low", "")
        ]
    );
    let given = |list: &[Given]| -> Vec<(String, bool)> {
        list.iter().map(|given| (given.id.clone(), given.required)).collect()
    };
    assert_eq!(given(&last.secrets), [("low.key".to_owned(), true), ("b".to_owned(), false)]);
    assert_eq!(given(&last.ssh), [("default".to_owned(), false)]);
}

#[test]
fn a_named_target_has_its_description() {
    let base = outline_of(SOURCE, &options(Some("BASE"))).unwrap();
    assert_eq!((base.name.as_str(), base.description.as_str()), ("base", "has the tools"));
    assert_eq!(base.arguments.len(), 3);
    let other = outline_of(SOURCE, &options(Some("other"))).unwrap();
    assert_eq!(arguments(&other).last(), Some(&("OTHER", "", "")));
    let unknown = outline_of(SOURCE, &options(Some("nothing"))).unwrap_err();
    assert_eq!(unknown.to_string(), "target stage `nothing` could not be found");
}

#[test]
fn build_arguments_are_the_values() {
    let mut options = options(None);
    options.build_args =
        [("VERSION", "3"), ("DEEP", "er")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let outline = outline_of(SOURCE, &options).unwrap();
    assert!(arguments(&outline).contains(&("VERSION", "3", "is the version to build")));
    assert!(arguments(&outline).contains(&("DEEP", "er", "")));
}

#[test]
fn targets_are_listed_as_they_stand() {
    let parse = crate::language::dockerfile::parse(SOURCE.as_bytes());
    let targets = targets(&parse);
    let shown: Vec<_> = targets.iter().map(|target| (&*target.name, &*target.description, target.is_default)).collect();
    assert_eq!(shown, [("base", "has the tools", false), ("other", "", false), ("", "", true)]);
    assert_eq!((&*targets[2].base, &*targets[2].platform), ("base", "$BUILDPLATFORM"));
}

#[test]
fn an_argument_made_of_what_it_was_needs_what_that_needed() {
    let source = "ARG A=1\nARG B=$A\nARG B=x$B\nFROM $B\n";
    let outline = outline_of(source, &OutlineOptions::default()).unwrap();
    assert_eq!(arguments(&outline), [("A", "1", ""), ("B", "x1", "")]);
}
