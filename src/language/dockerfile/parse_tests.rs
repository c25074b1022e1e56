use super::*;
use crate::language::dockerfile::excerpt::Span;
use crate::language::dockerfile::{Command, CommandLine, Run, Source};

fn run(source: &str) -> Run {
    let file = parse(source.as_bytes()).result.unwrap();
    match &file.stages[0].instructions[0].command {
        Command::Run(run) => run.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn places_lead_back_through_continuations_and_comments() {
    let source = "FROM a\n  RUN --network=none \\\n# comment\n\\\n    --mount=é,x  cat \\\n a\n";
    let tree = parse(source.as_bytes()).tree;
    let node = &tree.instructions[1];
    let spans: Vec<Span> = node.flags.iter().filter_map(|flag| node.span(flag.place)).collect();
    assert_eq!(spans, [Span { line: 2, column: 7, length: 14 }, Span { line: 5, column: 5, length: 11 }]);
    let argument = node.span(node.arguments[0].place);
    assert_eq!(argument, Some(Span { line: 5, column: 18, length: 4 }));
    assert_eq!(node.span(node.keyword_place()), Some(Span { line: 2, column: 3, length: 3 }));
}

#[test]
fn heredocs_of_run_have_their_bodies() {
    let script = run("FROM a\nRUN <<-EOF\n\tone\n\tEOF\n");
    let bodies = |run: &Run| run.heredocs.iter().map(|it| (it.content.clone(), it.raw.clone())).collect::<Vec<_>>();
    assert_eq!(bodies(&script), [("one\n".to_owned(), "\tone\n".to_owned())]);
    assert_eq!(bodies(&run("FROM a\nRUN cat <<A <<B\na\nA\nb\nB\n")).len(), 2);
    assert!(run("FROM a\nRUN [\"<<EOF\"]\n").heredocs.is_empty());
}

#[test]
fn a_trigger_is_read_as_the_image_keeps_it() {
    let lines = Lines { first: 7, last: 8 };
    let source = "FROM a\nONBUILD COPY <<EOF /x\nbody\nEOF\n";
    let file = parse(source.as_bytes()).result.unwrap();
    let Command::Onbuild(onbuild) = &file.stages[0].instructions[0].command else { panic!("{file:?}") };
    let instruction = parse_trigger(&onbuild.trigger, '\\', lines).unwrap();
    assert_eq!(instruction.lines, lines);
    let Command::Copy(copy) = instruction.command else { panic!("{:?}", instruction.command) };
    assert!(matches!(&copy.sources[..], [Source::Heredoc(heredoc)] if heredoc.content == "body\n"));
    let error = parse_trigger("COPY a", '\\', lines).unwrap_err();
    assert_eq!((error.lines, error.span), (lines, None));
}

#[test]
fn commands_keep_their_form() {
    assert_eq!(run("FROM a\nRUN\n").command, CommandLine::Shell(String::new()));
    assert_eq!(run("FROM a\nRUN []\n").command, CommandLine::Exec(Vec::new()));
    assert_eq!(run("FROM a\nRUN [\"a\",]\n").command, CommandLine::Shell("[\"a\",]".to_owned()));
}

#[test]
fn flags_of_instructions_without_any_are_read_but_not_built() {
    for (source, flag) in
        [("FROM a\nARG --a=b c\n", "--a"), ("ARG --x y\nFROM a\n", "--x"), ("FROM a\nSTOPSIGNAL --a 9\n", "--a")]
    {
        let parse = parse(source.as_bytes());
        assert!(parse.result.is_ok(), "{source}");
        let refused = parse.refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.starts_with(&format!("unknown flag {flag} for ")), "{source}: {refused}");
    }
    assert_eq!(parse(b"FROM a\nARG c\nSTOPSIGNAL 9\nHEALTHCHECK --a NONE\n").refused, None);
    assert!(parse_trigger("ARG --a b", '\\', Lines { first: 1, last: 1 }).is_err());
}
