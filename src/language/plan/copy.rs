//! `COPY` and `ADD`.

use crate::language::dockerfile::words::Lexer;
use crate::language::dockerfile::{Heredoc, Instruction, Lines, Place, Source, Transfer, Word};

use super::chmod::Chmod;
use super::error::{PlanError, PlanErrorKind};
use super::instructions::{StageBuilder, check_owner_on_nothing, destination};
use super::part::{Part, Parts};
use super::step::{CopySource, CopyStep, Operation, TreeSource};
use super::windows;
use crate::base::redaction;

impl StageBuilder<'_, '_> {
    pub(super) fn copy(
        &mut self,
        transfer: &Transfer,
        is_add: bool,
        instruction: &Instruction,
    ) -> Result<(), PlanError> {
        let lines = instruction.lines;
        let tree = self.copied_tree(transfer, lines)?;
        let expanded = self.expand_transfer(transfer, lines)?;
        let mut sources = Vec::new();
        for source in &expanded.sources {
            sources.push(self.copy_source(source, &expanded, is_add, &tree, lines)?);
        }
        check_checksum(&expanded, &sources, lines)?;
        // As in BuildKit, --chmod disables --link.
        let link = expanded.link && expanded.chmod.is_none();
        if let Some(owner) = expanded.chown.as_deref().filter(|_| link || self.stands_on_nothing()) {
            check_owner_on_nothing(owner, place_of(&expanded.chown, lines))?;
        }
        let (sources, parts) = ordered(sources, &expanded);
        let working_folder = self.slashed(&self.built.config.config.working_dir, lines.into())?;
        let expanded_destination = self.slashed(&expanded.destination, expanded.destination.place(lines))?;
        let chmod = expanded.chmod.as_ref().map(|word| parse_chmod(word, word.place(lines))).transpose()?;
        let operation = Operation::Copy(Box::new(CopyStep {
            parent: self.step,
            sources,
            destination: destination(&working_folder, &expanded_destination),
            chown: expanded.chown.as_ref().map(|word| word.text.clone()),
            chmod,
            excludes: expanded.excludes.iter().map(|word| word.text.clone()).collect(),
            parents: expanded.parents,
            link,
            epoch: self.planner.epoch,
            latest_time: self.planner.latest_time(),
        }));
        let words = shown_words(&expanded);
        let keyword = if is_add { "ADD" } else { "COPY" };
        let shown = match &transfer.from {
            Some(from) => format!("{keyword} --from={from} {words}"),
            None => format!("{keyword} {words}"),
        };
        self.push(instruction, &shown, (operation, parts));
        self.record(format!("{keyword} {}{words} # buildkit", shown_flags(&expanded)), true);
        Ok(())
    }

    /// The path on this machine, if the image is for Windows.
    fn slashed(&self, path: &str, place: Place) -> Result<String, PlanError> {
        if !windows::is_meant(&self.built.config.platform) {
            return Ok(path.to_owned());
        }
        let refused = |reason| PlanErrorKind::WindowsPath { path: path.to_owned(), reason }.at(place);
        windows::without_drive(path).map_err(refused)
    }

    /// What the instruction's paths refer to: the build context, or the value of `--from`.
    fn copied_tree(&mut self, transfer: &Transfer, lines: Lines) -> Result<TreeSource, PlanError> {
        let Some(from) = &transfer.from else { return Ok(TreeSource::Context(None)) };
        let expander = super::expand::Expander { lexer: &self.planner.lexer, lines };
        if expander.word(from, &super::Environment::default())? != from.text {
            return Err(PlanErrorKind::VariableInFrom.at(from.place(lines)));
        }
        let node = self.planner.source_node(from, lines)?;
        self.planner.source_tree(node, self.index, from.place(lines))
    }

    /// The instruction with its variables expanded, except in --exclude, as in BuildKit.
    fn expand_transfer(&self, transfer: &Transfer, lines: Lines) -> Result<Transfer, PlanError> {
        let one = |word: &Word| Ok(Word { text: self.expand(word, lines)?, span: word.span });
        let optional = |word: &Option<Word>| word.as_ref().map(one).transpose();
        let mut sources = Vec::new();
        for source in &transfer.sources {
            sources.push(match source {
                Source::Path(path) => Source::Path(one(path)?),
                Source::Heredoc(heredoc) => Source::Heredoc(self.expand_heredoc(heredoc, lines)?),
            });
        }
        Ok(Transfer {
            sources,
            destination: one(&transfer.destination)?,
            from: transfer.from.clone(),
            chown: optional(&transfer.chown)?,
            chmod: optional(&transfer.chmod)?,
            checksum: optional(&transfer.checksum)?,
            ..transfer.clone()
        })
    }

    /// In a heredoc quotes are literal, and the escape character is a backslash whatever the directive says.
    fn expand_heredoc(&self, heredoc: &Heredoc, lines: Lines) -> Result<Heredoc, PlanError> {
        if !heredoc.expand {
            return Ok(heredoc.clone());
        }
        let lexer = Lexer::new('\\').ignore_quotes();
        let content = super::expand::Expander { lexer: &lexer, lines }.body(heredoc, &self.built.environment)?;
        Ok(Heredoc { content, ..heredoc.clone() })
    }

    fn copy_source(
        &self,
        source: &Source,
        transfer: &Transfer,
        is_add: bool,
        tree: &TreeSource,
        lines: Lines,
    ) -> Result<CopySource, PlanError> {
        let place = Place { lines, span: source.span() };
        let path = match source {
            Source::Heredoc(heredoc) if heredoc.name.contains('/') => {
                return Err(PlanErrorKind::HeredocName(heredoc.name.clone()).at(place));
            }
            Source::Heredoc(heredoc) => {
                return Ok(CopySource::Inline { name: heredoc.name.clone(), content: heredoc.content.clone() });
            }
            Source::Path(path) => &path.text,
        };
        let checksum = transfer.checksum.as_ref().map(|word| word.text.clone());
        let remote = if crate::base::urls::is_git_url(path) {
            let keep_git_dir = transfer.keep_git_dir;
            Some(("git repository", CopySource::Git { url: path.clone(), checksum, keep_git_dir }))
        } else if path.starts_with("http://") || path.starts_with("https://") {
            let unpack = transfer.unpack.unwrap_or(false);
            Some(("URL", CopySource::Http { url: path.clone(), checksum, unpack }))
        } else {
            None
        };
        match remote {
            Some((_, source)) if is_add => Ok(source),
            Some((what, _)) => {
                Err(PlanErrorKind::RemoteCopy { what, source_text: redaction::in_text(path).into_owned() }.at(place))
            }
            None => {
                let unpack = transfer.unpack.unwrap_or(is_add);
                Ok(CopySource::Path { tree: tree.clone(), path: self.slashed(path, place)?, unpack })
            }
        }
    }
}

fn check_checksum(transfer: &Transfer, sources: &[CopySource], lines: Lines) -> Result<(), PlanError> {
    let remote = matches!(sources, [CopySource::Http { .. } | CopySource::Git { .. }]);
    if transfer.checksum.is_some() && !remote {
        return Err(PlanErrorKind::Checksum.at(place_of(&transfer.checksum, lines)));
    }
    Ok(())
}

fn place_of(word: &Option<Word>, lines: Lines) -> Place {
    word.as_ref().map_or(lines.into(), |word| word.place(lines))
}

/// The sources in copying order, and the places of the instruction's words. Heredocs come last, as in BuildKit: their
/// names may clash with those of files.
fn ordered(sources: Vec<CopySource>, transfer: &Transfer) -> (Vec<CopySource>, Parts) {
    let mut sources: Vec<_> = sources.into_iter().zip(transfer.sources.iter().map(Source::span)).collect();
    sources.sort_by_key(|(source, _)| matches!(source, CopySource::Inline { .. }));
    let (sources, spans): (Vec<_>, Vec<_>) = sources.into_iter().unzip();
    let parts = Parts::default()
        .with_all(Part::Source, spans)
        .with(Part::Destination, transfer.destination.span)
        .with(Part::Owner, transfer.chown.as_ref().and_then(|word| word.span));
    (sources, parts)
}

fn parse_chmod(text: &str, place: Place) -> Result<Chmod, PlanError> {
    let wanted = "an octal number from 0 to 07777, or letters as in `u+x,go-w`";
    Chmod::parse(text)
        .ok_or_else(|| PlanErrorKind::FlagValue { flag: "--chmod", value: text.to_owned(), wanted }.at(place))
}

/// Sources and destination as in the history and the progress display.
fn shown_words(transfer: &Transfer) -> String {
    let mut words = Vec::new();
    for source in &transfer.sources {
        words.push(match source {
            Source::Path(path) => redaction::in_text(path).into_owned(),
            Source::Heredoc(heredoc) => format!("<<{}", heredoc.name),
        });
    }
    words.push(transfer.destination.text.clone());
    words.join(" ")
}

fn shown_flags(transfer: &Transfer) -> String {
    let mut flags = String::new();
    if transfer.parents {
        flags.push_str("--parents ");
    }
    for (flag, value) in [("chown", &transfer.chown), ("chmod", &transfer.chmod)] {
        if let Some(value) = value {
            flags.push_str(&format!("--{flag}={value} "));
        }
    }
    flags
}
