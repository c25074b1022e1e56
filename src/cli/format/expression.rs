//! Parses actions: pipelines of commands, which consist of operands.

use super::lexer::{Kind, Token};
use super::parser::{Parser, Result};
use super::printf::quoted;
use super::tree::{Command, Head, Operand, Pipeline};
use super::{functions, literal};

impl Parser<'_> {
    pub fn pipeline(&mut self, context: &str, end: &Kind) -> Result<Pipeline> {
        let (variables, assigns) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.peek_solid();
            match token.kind {
                ref kind if kind == end => break,
                Kind::Word if token.is_keyword() && token.text != "nil" => return self.unexpected(&token, context),
                Kind::Word | Kind::Dot | Kind::Field | Kind::Variable | Kind::LeftParen => {}
                Kind::Number | Kind::Character | Kind::Quoted => {}
                _ => return self.unexpected(&token, context),
            }
            commands.push(self.command()?);
        }
        self.take();
        let is_plain = |command: &Command| {
            let first = &command.operands[0];
            first.fields.is_empty() && matches!(first.head, Head::Literal(_) | Head::Dot | Head::Nil)
        };
        if commands.is_empty() {
            return self.wrong(format!("missing value for {context}"));
        }
        if let Some(at) = commands[1..].iter().position(is_plain) {
            return self.wrong(format!("non executable command in pipeline stage {}", at + 2));
        }
        Ok(Pipeline { variables, assigns, commands })
    }

    /// `$x :=`, `$x =`, and for `range` also `$x, $y :=`; true for assignments to existing variables.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool)> {
        let mut variables = Vec::new();
        loop {
            let token = self.peek_solid();
            let start = self.next;
            if token.kind != Kind::Variable {
                return Ok((variables, false));
            }
            self.take();
            let next = self.take_solid();
            let is_comma = next.kind == Kind::Other && next.text == ",";
            if !is_comma && !matches!(next.kind, Kind::Declare | Kind::Assign) {
                self.next = start;
                return Ok((variables, false));
            }
            variables.push(token.text.to_owned());
            self.variables.push(token.text.to_owned());
            if !is_comma {
                return Ok((variables, next.kind == Kind::Assign));
            }
            if context != "range" || variables.len() > 1 {
                return self.wrong(format!("too many declarations in {context}"));
            }
            if !matches!(self.peek_solid().kind, Kind::Variable | Kind::Close | Kind::RightParen) {
                return self.wrong("range can only initialize variables");
            }
        }
    }

    fn command(&mut self) -> Result<Command> {
        let at = self.peek_solid().at;
        let mut operands = Vec::new();
        loop {
            self.skip_space();
            operands.extend(self.operand()?);
            match self.peek().kind {
                Kind::Space => continue,
                Kind::Close | Kind::RightParen => break,
                Kind::Pipe => {
                    self.take();
                    break;
                }
                _ => {
                    let token = self.take();
                    return self.unexpected(&token, "operand");
                }
            }
        }
        if operands.is_empty() {
            return self.wrong("empty command");
        }
        let text = operands.iter().map(Operand::written).collect::<Vec<_>>().join(" ");
        Ok(Command { operands, spot: self.spot(at, text) })
    }

    /// A term and the fields after it; `None` if there is no term.
    fn operand(&mut self) -> Result<Option<Operand>> {
        let token = self.peek();
        let mut at = token.at;
        let Some((head, mut fields)) = self.term(token)? else { return Ok(None) };
        let is_group = matches!(head, Head::Group(_));
        let mut text = match &head {
            Head::Group(pipeline) => pipeline.written(),
            _ => self.tokens[self.next - 1].text.to_owned(),
        };
        for count in 0.. {
            let token = self.peek();
            if token.kind != Kind::Field {
                break;
            }
            if fields.is_empty() && matches!(head, Head::Literal(_) | Head::Dot | Head::Nil) {
                return self.wrong(format!("unexpected . after term {}", quoted(&text, false)));
            }
            if count == 0 {
                at = token.at;
                text = if is_group { format!("({text})") } else { text };
            }
            text += token.text;
            fields.push(token.text[1..].to_owned());
            self.take();
        }
        Ok(Some(Operand { head, fields, spot: self.spot(at, text) }))
    }

    fn term(&mut self, token: Token<'_>) -> Result<Option<(Head, Vec<String>)>> {
        let start = self.next;
        self.take();
        let mut fields = Vec::new();
        let known = |result: Result<_, String>| result.or_else(|message| self.wrong(message));
        let head = match (&token.kind, token.text) {
            (Kind::Word, "true" | "false") => Head::Literal((token.text == "true").into()),
            (Kind::Word, "nil") => Head::Nil,
            (Kind::Word, _) if token.is_keyword() => {
                self.next = start;
                return Ok(None);
            }
            (Kind::Word, name) if functions::is_known(name) => Head::Function(name.to_owned()),
            (Kind::Word, name) => return self.wrong(format!("function {} not defined", quoted(name, false))),
            (Kind::Dot, _) => Head::Dot,
            (Kind::Field, name) => {
                fields.push(name[1..].to_owned());
                Head::Dot
            }
            (Kind::Variable, name) if self.variables.iter().any(|known| known == name) => {
                Head::Variable(name.to_owned())
            }
            (Kind::Variable, name) => return self.wrong(format!("undefined variable {}", quoted(name, false))),
            (Kind::Number, text) => Head::Literal(known(literal::number(text))?),
            (Kind::Character, text) => Head::Literal(known(literal::character(text))?),
            (Kind::Quoted, text) => Head::Literal(known(literal::unquote(text).map(Into::into))?),
            (Kind::LeftParen, _) => {
                let inner = self.nested(|parser| parser.pipeline("parenthesized pipeline", &Kind::RightParen))?;
                Head::Group(Box::new(inner))
            }
            _ => {
                self.next = start;
                return Ok(None);
            }
        };
        Ok(Some((head, fields)))
    }
}
