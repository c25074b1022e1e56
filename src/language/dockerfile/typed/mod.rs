//! The syntax tree → typed instructions: the rules for a single instruction, and the division into stages.

mod flags;
mod health;
mod run;
mod simple;
mod transfer;

use super::error::{Fault, ParseError, ParseErrorKind, Phase, Wanted};
use super::heredoc::without_tabs;
use super::parse::located;
use super::syntax::{Body, Node, SyntaxTree};
use super::{Command, CommandLine, Dockerfile, Heredoc, Instruction, Onbuild, Stage};
use flags::Flags;

/// Divides the instructions into stages. The first error ends it.
pub(super) fn dockerfile(tree: &SyntaxTree) -> Result<Dockerfile, ParseError> {
    let mut file = Dockerfile { global_args: Vec::new(), stages: Vec::new(), escape: tree.escape };
    for node in &tree.instructions {
        add(&mut file, node).map_err(|fault| located(fault, node, Phase::Instructions))?;
    }
    Ok(file)
}

/// The instruction of a trigger: anything but FROM, ONBUILD and MAINTAINER.
pub(super) fn trigger(node: &Node) -> Result<Instruction, ParseError> {
    forbidden(&node.keyword)
        .and_then(|()| without_flags(node))
        .and_then(|()| command(node))
        .map(|command| instruction(node, command))
        .map_err(|fault| located(fault, node, Phase::Instructions))
}

/// The first ARG or STOPSIGNAL with a flag. Neither has any. Until Dockerfile 1.28 flags were parsed and ignored, so
/// the parser still accepts them, but a build does not.
pub(super) fn needless_flags(tree: &SyntaxTree) -> Option<ParseError> {
    let fault = |node| without_flags(node).err().map(|fault| located(fault, node, Phase::Instructions));
    tree.instructions.iter().find_map(fault)
}

fn without_flags(node: &Node) -> Result<(), Fault> {
    match &*node.keyword {
        "ARG" | "STOPSIGNAL" => Flags::read(node, &[]).map(drop),
        _ => Ok(()),
    }
}

fn add(file: &mut Dockerfile, node: &Node) -> Result<(), Fault> {
    if node.keyword == "FROM" {
        file.stages.push(stage(node)?);
        return Ok(());
    }
    let command = command(node)?;
    let instruction = instruction(node, command);
    match file.stages.last_mut() {
        Some(stage) => stage.instructions.push(instruction),
        None if matches!(instruction.command, Command::Arg(_)) => file.global_args.push(instruction),
        None => {
            let kind = ParseErrorKind::NoStage { keyword: node.keyword.clone() };
            return Err(Fault::at(node.keyword_place(), kind));
        }
    }
    Ok(())
}

fn instruction(node: &Node, command: Command) -> Instruction {
    Instruction { command, lines: node.lines, original: node.original.trim().to_owned() }
}

fn command(node: &Node) -> Result<Command, Fault> {
    Ok(match &*node.keyword {
        "ADD" => Command::Add(transfer::add(node)?),
        "ARG" => Command::Arg(simple::arg(node)?),
        "CMD" => Command::Cmd(simple::command_line(node)?),
        "COPY" => Command::Copy(transfer::copy(node)?),
        "ENTRYPOINT" => Command::Entrypoint(simple::command_line(node)?),
        "ENV" => Command::Env(simple::pairs(node)?),
        "EXPOSE" => Command::Expose(simple::expose(node)?),
        "HEALTHCHECK" => Command::Healthcheck(health::healthcheck(node)?),
        "LABEL" => Command::Label(simple::pairs(node)?),
        "MAINTAINER" => Command::Maintainer(simple::one_word(node)?.text),
        "ONBUILD" => Command::Onbuild(onbuild(node)?),
        "RUN" => Command::Run(run::run(node)?),
        "SHELL" => Command::Shell(simple::shell(node)?),
        "STOPSIGNAL" => Command::StopSignal(simple::stop_signal(node)?),
        "USER" => Command::User(simple::one_word(node)?),
        "VOLUME" => Command::Volume(simple::volume(node)?),
        "WORKDIR" => Command::Workdir(simple::one_word(node)?),
        _ => {
            let kind = ParseErrorKind::UnknownInstruction { written: node.written.clone() };
            return Err(Fault::at(node.keyword_place(), kind));
        }
    })
}

fn stage(node: &Node) -> Result<Stage, Fault> {
    let texts = node.texts();
    let name = match texts[..] {
        [_] => None,
        [_, keyword, name] if keyword.eq_ignore_ascii_case("as") => {
            let lower = name.to_lowercase();
            if !is_stage_name(&lower) {
                let kind = ParseErrorKind::InvalidStageName { name: name.to_owned() };
                return Err(Fault::at(node.arguments[2].place, kind));
            }
            Some(lower)
        }
        _ => return Err(argument_count(node, Wanted::OneOrThree)),
    };
    let flags = Flags::read(node, &["platform"])?;
    Ok(Stage {
        base: node.word(&node.arguments[0]),
        platform: flags.word("platform"),
        name,
        lines: node.lines,
        original: node.original.trim().to_owned(),
        instructions: Vec::new(),
    })
}

fn is_stage_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.'))
}

fn onbuild(node: &Node) -> Result<Onbuild, Fault> {
    let nested = node.onbuild.as_ref().ok_or_else(|| argument_count(node, Wanted::AtLeastOne))?;
    Flags::read(node, &[])?;
    let place = node.arguments.first().map_or_else(|| node.keyword_place(), |piece| piece.place);
    forbidden(&nested.keyword).map_err(|fault| Fault { place: Some(place), ..fault })?;
    let mut trigger = nested.original.clone();
    for body in &node.heredocs {
        trigger.push('\n');
        trigger.push_str(&body.content);
        trigger.push_str(&body.name);
    }
    Ok(Onbuild { trigger })
}

fn forbidden(keyword: &str) -> Result<(), Fault> {
    match keyword {
        "ONBUILD" => Err(ParseErrorKind::ChainedOnbuild.into()),
        "MAINTAINER" | "FROM" => Err(ParseErrorKind::ForbiddenTrigger { keyword: keyword.to_owned() }.into()),
        _ => Ok(()),
    }
}

fn argument_count(node: &Node, wanted: Wanted) -> Fault {
    Fault::at(node.arguments_place(), ParseErrorKind::ArgumentCount { keyword: node.keyword.clone(), wanted })
}

/// The command of RUN, CMD or ENTRYPOINT from the arguments.
fn command_line(json: bool, arguments: &[&str]) -> CommandLine {
    if json {
        CommandLine::Exec(arguments.iter().map(|text| (*text).to_owned()).collect())
    } else {
        CommandLine::Shell(arguments.first().map_or_else(String::new, |text| (*text).to_owned()))
    }
}

fn heredoc(node: &Node, body: &Body) -> Heredoc {
    let content = if body.chomp { without_tabs(&body.content) } else { body.content.clone() };
    Heredoc {
        name: body.name.clone(),
        content,
        raw: body.content.clone(),
        expand: body.expand,
        chomp: body.chomp,
        span: body.place.and_then(|place| node.span(place)),
        line: body.line,
    }
}
