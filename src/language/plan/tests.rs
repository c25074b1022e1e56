use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;
use crate::base::digest::DiffId;
use crate::image::{ImageConfig, Platform, Reference};

/// Knows one image, and records what it is asked.
#[derive(Default)]
struct OneImage {
    asked: RefCell<Vec<String>>,
    on_build: Vec<String>,
}

impl Bases for OneImage {
    fn image(&self, reference: &Reference, platform: &Platform) -> Result<BaseImage, BaseError> {
        self.asked.borrow_mut().push(reference.familiar());
        if reference.familiar() != "base:latest" {
            return Err(BaseError {
                message: format!("{}: not found", reference.familiar()),
                hint: None,
                source: None,
            });
        }
        let mut config = ImageConfig::scratch(platform);
        config.config.cmd = vec!["sh".to_owned()];
        config.config.on_build.clone_from(&self.on_build);
        Ok(BaseImage {
            name: "base".to_owned(),
            config,
            layers: vec![DiffId::from_bytes([1; 32])],
            digest: String::new(),
        })
    }

    fn named_context(&self, name: &str, _: &Platform) -> Result<Option<NamedContext>, BaseError> {
        Ok((name == "extra").then_some(NamedContext::Directory))
    }
}

pub(super) fn request(build_args: &[(&str, &str)], target: Option<&str>) -> PlanRequest {
    let platform = Platform::new("linux", "amd64", "");
    PlanRequest {
        target: target.map(str::to_owned),
        build_args: build_args
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect::<BTreeMap<_, _>>(),
        labels: Vec::new(),
        platform: platform.clone(),
        platform_is_explicit: false,
        epoch: Epoch::AsWritten,
        ignores_triggers: false,
        reproducible: false,
        several_platforms: false,
        build_platform: platform,
        no_cache: NoCache::Never,
        network: NetworkMode::Default,
        allow_host_network: false,
        allow_insecure: false,
    }
}

fn plan_of(text: &str, bases: &OneImage, request: &PlanRequest) -> Result<Plan, PlanError> {
    let dockerfile = crate::language::dockerfile::parse(text.as_bytes()).result.unwrap();
    plan(&dockerfile, request, bases)
}

fn planned(text: &str) -> Plan {
    plan_of(text, &OneImage::default(), &request(&[], None)).unwrap()
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.name.as_str()).collect()
}

fn run_arguments(plan: &Plan) -> Vec<&str> {
    fn last(operation: &Operation) -> Option<&str> {
        match operation {
            Operation::Run(run) => run.arguments.last().map(String::as_str),
            _ => None,
        }
    }
    plan.steps.iter().filter_map(|step| last(&step.operation)).collect()
}

#[test]
fn steps_are_numbered_by_stage() {
    let plan = planned("FROM base AS a\nRUN one\nFROM base\nCOPY --from=a /x /x\nWORKDIR /w\nCMD [\"x\"]\n");
    assert_eq!(
        names(&plan),
        [
            "[stage-1 1/3] FROM base",
            "[a 1/2] FROM base",
            "[a 2/2] RUN one",
            "[stage-1 2/3] COPY --from=a /x /x",
            "[stage-1 3/3] WORKDIR /w"
        ]
    );
    assert_eq!(plan.images[0].step, StepId(4));
    assert_eq!(plan.images[0].config.config.cmd, ["x"]);
}

#[test]
fn a_stage_that_is_not_needed_is_not_looked_up() {
    let bases = OneImage::default();
    let plan =
        plan_of("FROM nowhere AS unused\nRUN false\nFROM base\nRUN true\n", &bases, &request(&[], None)).unwrap();
    assert_eq!(*bases.asked.borrow(), ["base:latest"]);
    assert_eq!(run_arguments(&plan), ["true"]);
}

#[test]
fn the_target_ends_the_build_and_its_name_has_no_case() {
    let text = "FROM base AS First\nRUN one\nFROM base\nRUN two\n";
    let bases = OneImage::default();
    assert_eq!(run_arguments(&plan_of(text, &bases, &request(&[], Some("FIRST"))).unwrap()), ["one"]);
    let error = plan_of(text, &bases, &request(&[], Some("frist"))).unwrap_err();
    assert_eq!(error.to_string(), "target stage `frist` could not be found");
    assert_eq!(error.hint.as_deref(), Some("did you mean `first`?"));
}

#[test]
fn stages_that_need_each_other_or_come_later_are_refused() {
    let error = |text: &str| {
        let error = plan_of(text, &OneImage::default(), &request(&[], None)).unwrap_err();
        (error.to_string(), error.lines.map(|lines| lines.first))
    };
    let circle = "FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nCOPY --from=a /x /x\n";
    assert_eq!(error(circle), ("circular dependency detected on stage `a`".to_owned(), Some(2)));
    let later = "FROM base AS a\nCOPY --from=b /x /x\nFROM base AS b\nFROM a\n";
    assert_eq!(
        error(later),
        ("cannot copy from stage `b`: it needs to be defined before stage `a`".to_owned(), Some(2))
    );
    assert_eq!(error("FROM base\nCOPY --from=7 /x /x\n").0, "invalid stage index 7: there are 1 stages");
    assert_eq!(error("FROM nowhere\n"), ("nowhere:latest: not found".to_owned(), Some(1)));
}

#[test]
fn arguments_have_their_scopes() {
    let text = "ARG G=global\nFROM base AS a\nARG G\nARG L=local\nENV SEEN=$G-$L-$UNKNOWN\nFROM a\nENV CHILD=$L\n\
                FROM base\nENV OTHER=$G-$L\nCOPY --from=1 / /\n";
    let plan = plan_of(text, &OneImage::default(), &request(&[("L", "given")], Some("a"))).unwrap();
    assert_eq!(plan.images[0].config.config.env_value("SEEN"), Some("global-given-"));
    let plan = planned(text);
    assert_eq!(plan.images[0].config.config.env_value("OTHER"), Some("-"));
    assert_eq!(plan.images[0].config.config.env_value("G"), None);
}

#[test]
fn triggers_run_in_the_child_and_are_gone_after_it() {
    let bases = OneImage { on_build: vec!["RUN triggered".to_owned()], ..OneImage::default() };
    let plan = plan_of("FROM base\nRUN own\n", &bases, &request(&[], None)).unwrap();
    assert_eq!(names(&plan), ["[1/3] FROM base", "[2/3] ONBUILD RUN triggered", "[3/3] RUN own"]);
    assert!(plan.images[0].config.config.on_build.is_empty());
}

#[test]
fn an_entrypoint_resets_the_command_of_the_base_only() {
    assert!(planned("FROM base\nENTRYPOINT [\"e\"]\n").images[0].config.config.cmd.is_empty());
    assert_eq!(planned("FROM base\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n").images[0].config.config.cmd, ["c"]);
}

#[test]
fn what_several_platforms_share_is_planned_once() {
    let text = "FROM --platform=$BUILDPLATFORM base AS tools\nRUN fetch\nFROM tools AS cross\nARG TARGETARCH\n\
                RUN compile\nFROM base\nCOPY --from=cross /x /x\n";
    let for_platform = |name: &str| {
        let platform = name.parse().unwrap();
        let request = PlanRequest { platform, reproducible: false, several_platforms: true, ..request(&[], None) };
        plan_of(text, &OneImage::default(), &request).unwrap()
    };
    let plan = Plan::join(vec![for_platform("linux/amd64"), for_platform("linux/arm64")]);
    assert_eq!(
        names(&plan),
        [
            "[linux/amd64 stage-2 1/2] FROM base",
            "[linux/amd64 tools 1/2] FROM base",
            "[linux/amd64 tools 2/2] RUN fetch",
            "[linux/amd64 cross 1/1] RUN compile",
            "[linux/amd64 stage-2 2/2] COPY --from=cross /x /x",
            "[linux/amd64->arm64 cross 1/1] RUN compile",
            "[linux/arm64 stage-2 2/2] COPY --from=cross /x /x",
        ]
    );
    assert_eq!(plan.images.iter().map(|image| image.step.0).collect::<Vec<_>>(), [4, 6]);
    assert_eq!(plan.images[1].config.platform.architecture, "arm64");
    for (index, step) in plan.steps.iter().enumerate() {
        assert!(step.operation.inputs().iter().all(|input| input.0 < index), "{} comes too early", step.name);
    }
}

#[test]
fn a_context_may_take_the_place_of_a_base() {
    let plan = planned("FROM extra\nLABEL a=b\n");
    let is_copy = |step: &Step| matches!(&step.operation, Operation::Copy(copy) if copy.destination == "/");
    assert!(is_copy(&plan.steps[plan.images[0].step.0]));
}

#[test]
fn the_history_reads_as_buildkits() {
    let plan =
        planned("FROM base\nENV A one two\nLABEL b c\nEXPOSE 83/sctp 80 80/\nSTOPSIGNAL 65\nRUN <<E\n#!/bin/x\nE\n");
    let said: Vec<&str> = plan.images[0].config.history.iter().map(|entry| entry.created_by.as_str()).collect();
    let shebang = "RUN /bin/sh -c /dev/pipes/E # buildkit";
    assert_eq!(said, ["ENV A=one two", "LABEL b=c", "EXPOSE [80/tcp 80/tcp 83/sctp]", "STOPSIGNAL 65", shebang]);
}

#[test]
fn hints_name_the_stage_or_the_variable_that_was_meant() {
    for (dockerfile, hint) in [
        ("FROM base AS a\nFROM base AS builder\nFROM base\nCOPY --from=b /x /y\n", "did you mean the stage `builder`?"),
        ("FROM base AS build\nFROM biuld\n", "did you mean the stage `build`?"),
        ("FROM other:${TAG}\n", "the variable `TAG` has no value: pass --build-arg TAG=…, or write ARG TAG=… above"),
        ("ARG NAME\nFROM ${NAME}\n", "the variable `NAME` has no value"),
    ] {
        let parsed = crate::language::dockerfile::parse(dockerfile.as_bytes()).result.unwrap();
        let error = plan(&parsed, &request(&[], None), &OneImage::default()).unwrap_err();
        assert!(error.hint.as_deref().is_some_and(|found| found.starts_with(hint)), "{dockerfile}: {:?}", error.hint);
    }
}

#[test]
fn what_a_stage_names_that_is_not_needed_is_looked_at_all_the_same() {
    let error = |unneeded: &str| {
        let text = format!("FROM base AS a\n{unneeded}\nFROM base\n");
        let error = plan_of(&text, &OneImage::default(), &request(&[], None)).err()?;
        Some((error.to_string(), error.span.map(|span| span.column)))
    };
    let kind =
        |unneeded: &str| error(unneeded).map(|(text, column)| (text.split(": ").next().unwrap().to_owned(), column));
    assert_eq!(kind("FROM Upper"), Some(("`Upper` is not an image name".to_owned(), Some(6))));
    assert_eq!(kind("COPY --from=b@c /x /"), Some(("`b@c` is not an image name".to_owned(), Some(6))));
    assert_eq!(kind("COPY --from=5 /x /"), Some(("invalid stage index 5".to_owned(), Some(6))));
    assert_eq!(
        kind("RUN --mount=from=A:B:C,target=/x true"),
        Some(("`A:B:C` is not an image name".to_owned(), Some(5)))
    );
    for fine in ["FROM a", "FROM scratch", "FROM nowhere", "COPY --from=A /x /", "COPY --from=0 /x /", "FROM extra"] {
        assert_eq!(error(&format!("FROM base\n{fine}")), None, "{fine}");
    }
}
