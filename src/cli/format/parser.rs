//! Tokens → the tree of a template.

use serde_json::Value;

use super::lexer::{self, Piece, Token};
use super::{FormatError, functions};

/// How deep blocks and parentheses may be nested.
const DEPTH_LIMIT: usize = 100;

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    Text(String),
    Output(Pipeline),
    If { condition: Pipeline, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    With { value: Pipeline, body: Vec<Node>, otherwise: Vec<Node> },
    Break,
    Continue,
}

/// Commands, each of which gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// Variables that get the result: one, or for `range` two.
    pub variables: Vec<String>,
    /// True for `=`, which changes a variable instead of making one.
    pub assigns: bool,
    pub commands: Vec<Vec<Operand>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    pub head: Head,
    /// The fields that follow: `.A.B`.
    pub fields: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    Dot,
    Variable(String),
    Literal(Value),
    Function(String),
    Group(Box<Pipeline>),
}

pub fn parse(text: &str) -> Result<Vec<Node>, FormatError> {
    let pieces = lexer::split(text)?;
    let mut parser = Parser { pieces: pieces.into_iter(), depth: 0, ranges: 0 };
    let wrong = |message: String| FormatError::Syntax { message, text: text.to_owned() };
    let (nodes, end) = parser.block().map_err(wrong)?;
    match end {
        End::Template => Ok(nodes),
        End::Word(word, _) => Err(wrong(format!("unexpected `{word}`"))),
    }
}

/// What ended a block: the template's end, or `end` or `else` with what follows it.
enum End {
    Template,
    Word(String, Vec<Token>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
    /// How many `range`s are around.
    ranges: usize,
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, End), String> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err("too deeply nested".to_owned());
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let tokens = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(tokens) => tokens,
            };
            let keyword = match tokens.first() {
                Some(Token::Word(word)) => word.as_str(),
                _ => "",
            };
            match keyword {
                "end" | "else" => {
                    self.depth -= 1;
                    return Ok((nodes, End::Word(keyword.to_owned(), tokens[1..].to_vec())));
                }
                "if" | "range" | "with" => nodes.push(self.control(keyword, &tokens[1..])?),
                "break" | "continue" if self.ranges == 0 => return Err(format!("`{keyword}` outside of `range`")),
                "break" => nodes.push(Node::Break),
                "continue" => nodes.push(Node::Continue),
                // A format is one template: there is nobody to call one by a name.
                "define" | "template" | "block" => return Err(format!("`{keyword}` is not supported")),
                _ => nodes.push(Node::Output(single(pipeline(&tokens)?)?)),
            }
        }
        self.depth -= 1;
        Ok((nodes, End::Template))
    }

    fn control(&mut self, keyword: &str, tokens: &[Token]) -> Result<Node, String> {
        let is_range = keyword == "range";
        let value = if is_range { pipeline(tokens)? } else { single(pipeline(tokens)?)? };
        self.ranges += usize::from(is_range);
        let (body, end) = self.block()?;
        self.ranges -= usize::from(is_range);
        let otherwise = match end {
            End::Template => return Err("unexpected end of the template".to_owned()),
            End::Word(word, _) if word == "end" => Vec::new(),
            End::Word(_, tokens) => match tokens.first() {
                Some(Token::Word(next)) if next == "if" || next == "with" => {
                    self.depth += 1;
                    if self.depth > DEPTH_LIMIT {
                        return Err("too deeply nested".to_owned());
                    }
                    let node = self.control(next, &tokens[1..])?;
                    self.depth -= 1;
                    vec![node]
                }
                _ => match self.block()? {
                    (nodes, End::Word(word, _)) if word == "end" => nodes,
                    _ => return Err("unexpected end of the template".to_owned()),
                },
            },
        };
        Ok(match keyword {
            "if" => Node::If { condition: value, then: body, otherwise },
            "range" => Node::Range { over: value, body, otherwise },
            _ => Node::With { value, body, otherwise },
        })
    }
}

/// Only `range` has a value for a second variable.
fn single(pipeline: Pipeline) -> Result<Pipeline, String> {
    if pipeline.variables.len() > 1 { Err("too many declarations in command".to_owned()) } else { Ok(pipeline) }
}

fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let (variables, assigns, rest) = match tokens {
        [Token::Variable(name), mark @ (Token::Declare | Token::Assign), rest @ ..] => {
            (vec![name.clone()], *mark == Token::Assign, rest)
        }
        [Token::Variable(index), Token::Comma, Token::Variable(name), Token::Declare, rest @ ..] => {
            (vec![index.clone(), name.clone()], false, rest)
        }
        rest => (Vec::new(), false, rest),
    };
    let mut stream = rest.iter().peekable();
    let commands = commands(&mut stream, 0)?;
    match stream.next() {
        None => Ok(Pipeline { variables, assigns, commands }),
        Some(_) => Err("unexpected `)`".to_owned()),
    }
}

type Stream<'a> = std::iter::Peekable<std::slice::Iter<'a, Token>>;

/// Commands up to the end, or up to the parenthesis that closes them.
fn commands(stream: &mut Stream<'_>, depth: usize) -> Result<Vec<Vec<Operand>>, String> {
    if depth > DEPTH_LIMIT {
        return Err("too deeply nested".to_owned());
    }
    let mut commands = vec![Vec::new()];
    while let Some(token) = stream.next_if(|token| **token != Token::Close) {
        let current: &mut Vec<Operand> = commands.last_mut().ok_or("missing value")?;
        let head = match token {
            Token::Pipe => {
                commands.push(Vec::new());
                continue;
            }
            Token::Field { name, glued: true } if name.is_empty() => return Err("unexpected `.`".to_owned()),
            Token::Field { name, glued } => {
                match current.last_mut().filter(|_| *glued && !name.is_empty()) {
                    Some(operand) => operand.fields.push(name.clone()),
                    None => {
                        let fields = Some(name.clone()).filter(|name| !name.is_empty()).into_iter().collect();
                        current.push(Operand { head: Head::Dot, fields });
                    }
                }
                continue;
            }
            Token::Variable(name) => Head::Variable(name.clone()),
            Token::Literal(value) => Head::Literal(value.clone()),
            Token::Word(word) => match word.as_str() {
                "true" => Head::Literal(Value::Bool(true)),
                "false" => Head::Literal(Value::Bool(false)),
                "nil" => Head::Literal(Value::Null),
                name if functions::is_known(name) => Head::Function(word.clone()),
                name => return Err(format!("function `{name}` is not defined")),
            },
            Token::Open => {
                let inner = self::commands(stream, depth + 1)?;
                stream.next().ok_or("unclosed parenthesis")?;
                Head::Group(Box::new(Pipeline { variables: Vec::new(), assigns: false, commands: inner }))
            }
            Token::Close | Token::Comma | Token::Declare | Token::Assign => {
                return Err("unexpected punctuation".to_owned());
            }
        };
        current.push(Operand { head, fields: Vec::new() });
    }
    let is_plain =
        |operand: &Operand| operand.fields.is_empty() && matches!(operand.head, Head::Literal(_) | Head::Dot);
    if commands.iter().any(Vec::is_empty) {
        return Err("missing value for command".to_owned());
    }
    if commands[1..].iter().any(|command| command.first().is_some_and(is_plain)) {
        return Err("a value cannot take the result of what stands before it".to_owned());
    }
    if commands[0].len() == 1 && matches!(&commands[0][0].head, Head::Literal(Value::Null)) {
        return Err("nil is not a command".to_owned());
    }
    Ok(commands)
}
