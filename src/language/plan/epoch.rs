//! SOURCE_DATE_EPOCH: a number of seconds, or the name of something that has a time: the build context, a named
//! context, or a stage that only downloads one thing.

use crate::language::dockerfile::{Command, Dockerfile, Lines, Source, Stage, Transfer, Word};

use super::error::{PlanError, PlanErrorKind};
use super::expand::{Environment, Expander};
use super::globals;
use super::request::PlanRequest;

pub(super) const NAME: &str = "SOURCE_DATE_EPOCH";

/// The value of SOURCE_DATE_EPOCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EpochValue {
    /// It is not set, or is empty.
    Nothing,
    /// Seconds since 1970; negative before it.
    Seconds(i64),
    /// The time of this object.
    Of(EpochSource),
}

/// An object that has a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EpochSource {
    Context,
    Named(String),
    /// The only download of a stage.
    Http {
        url: String,
        checksum: Option<String>,
    },
    Git {
        url: String,
        checksum: Option<String>,
    },
}

/// Parses SOURCE_DATE_EPOCH, from the command line or else a global ARG. `is_context` recognises named contexts.
pub fn epoch(
    dockerfile: &Dockerfile,
    request: &PlanRequest,
    is_context: &dyn Fn(&str) -> bool,
) -> Result<EpochValue, PlanError> {
    let lexer = crate::language::dockerfile::words::Lexer::new(dockerfile.escape);
    let target = request.target.as_deref().or_else(|| dockerfile.stages.last()?.name.as_deref());
    let mut globals = globals::declare(dockerfile, request, &lexer, target)?;
    let value = request.build_args.get(NAME).map(String::as_str).or_else(|| globals.get(NAME)).unwrap_or_default();
    let value = value.to_owned();
    if value.is_empty() {
        return Ok(EpochValue::Nothing);
    }
    if let Ok(seconds) = value.parse() {
        return Ok(EpochValue::Seconds(seconds));
    }
    if value == "context" {
        return Ok(EpochValue::Of(EpochSource::Context));
    }
    if is_context(&value) {
        return Ok(EpochValue::Of(EpochSource::Named(value)));
    }
    let mut stages = dockerfile.stages.iter();
    let is_named = |stage: &&Stage| stage.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&value));
    let Some(stage) = stages.find(is_named) else {
        return Err(PlanErrorKind::Epoch(value).nowhere());
    };
    globals.remove(NAME);
    let reader = Reader { request, lexer: &lexer, lines: stage.lines };
    reader.source(stage, &value, globals).map(EpochValue::Of)
}

struct Reader<'a> {
    request: &'a PlanRequest,
    lexer: &'a crate::language::dockerfile::words::Lexer,
    lines: Lines,
}

impl Reader<'_> {
    /// The stage's download, if the stage does nothing else.
    fn source(&self, stage: &Stage, name: &str, mut known: Environment) -> Result<EpochSource, PlanError> {
        let refused = |reason| Err(PlanErrorKind::EpochStage { stage: name.to_owned(), reason }.at(self.lines));
        if self.word(&stage.base, &known)? != "scratch" {
            return refused("does not begin FROM scratch");
        }
        let mut found = None;
        for instruction in &stage.instructions {
            match &instruction.command {
                Command::Arg(declarations) => {
                    for declaration in declarations {
                        let given = self.request.build_args.get(&declaration.name).cloned();
                        let default = declaration.default.as_ref().map(|text| self.word(text, &known)).transpose()?;
                        if let Some(value) = given.or(default) {
                            known.set(&declaration.name, &value);
                        }
                    }
                }
                Command::Add(transfer) if found.is_none() => match self.download(transfer, &known)? {
                    Some(source) => found = Some(source),
                    None => return refused("does not take its only file from http, https or git"),
                },
                Command::Add(_) => return refused("has more than one ADD"),
                _ => return refused("does more than one ADD of something remote"),
            }
        }
        found.map_or_else(|| refused("has no ADD of something remote"), Ok)
    }

    fn download(&self, transfer: &Transfer, known: &Environment) -> Result<Option<EpochSource>, PlanError> {
        let [Source::Path(path)] = transfer.sources.as_slice() else { return Ok(None) };
        let url = self.word(path, known)?;
        let checksum = transfer.checksum.as_ref().map(|text| self.word(text, known)).transpose()?;
        Ok(if crate::base::urls::is_git_url(&url) {
            Some(EpochSource::Git { url, checksum })
        } else if crate::base::urls::is_http_url(&url) {
            Some(EpochSource::Http { url, checksum })
        } else {
            None
        })
    }

    fn word(&self, word: &Word, known: &Environment) -> Result<String, PlanError> {
        Expander { lexer: self.lexer, lines: self.lines }.word(word, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::plan::tests::request;

    fn value(text: &str, args: &[(&str, &str)]) -> Result<EpochValue, String> {
        let dockerfile = crate::language::dockerfile::parse(text.as_bytes()).result.unwrap();
        epoch(&dockerfile, &request(args, None), &|name| name == "docs").map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_names_and_stages_are_told_apart() {
        let of = |text: &str| value("FROM scratch AS When\nARG F=x\nADD https://h/$F /\nFROM b", &[(NAME, text)]);
        assert_eq!(of(""), Ok(EpochValue::Nothing));
        assert_eq!(of("-5"), Ok(EpochValue::Seconds(-5)));
        assert_eq!(of("context"), Ok(EpochValue::Of(EpochSource::Context)));
        assert_eq!(of("docs"), Ok(EpochValue::Of(EpochSource::Named("docs".to_owned()))));
        let http = EpochSource::Http { url: "https://h/x".to_owned(), checksum: None };
        assert_eq!(of("when"), Ok(EpochValue::Of(http)));
        assert!(of("nowhere").unwrap_err().contains("nowhere"));
        assert_eq!(value("ARG SOURCE_DATE_EPOCH=7\nFROM b", &[]), Ok(EpochValue::Seconds(7)));
        assert_eq!(value("ARG SOURCE_DATE_EPOCH=7\nFROM b", &[(NAME, "")]), Ok(EpochValue::Nothing));
    }

    #[test]
    fn a_stage_with_a_time_only_downloads() {
        for (stage, reason) in [
            ("FROM b AS w\nADD https://h/x /", "scratch"),
            ("FROM scratch AS w\nARG A", "no ADD"),
            ("FROM scratch AS w\nADD https://h/x /\nCOPY a /", "more than"),
            ("FROM scratch AS w\nADD https://h/x /\nADD https://h/y /", "more than one ADD"),
            ("FROM scratch AS w\nADD a /", "http"),
            ("FROM scratch AS w\nADD https://h/x https://h/y /", "http"),
        ] {
            let error = value(&format!("{stage}\nFROM b"), &[(NAME, "w")]).unwrap_err();
            assert!(error.contains(reason), "{stage}: {error}");
        }
    }
}
