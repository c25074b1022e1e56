//! Tokens → the trees of a text's templates. `expression` parses the actions.

use super::lexer::{self, Kind, Token};
use super::printf::quoted;
use super::tree::{self, Node, Spot, Templates};
use super::{FormatError, literal};

/// The nesting limit of blocks and parentheses.
const DEPTH_LIMIT: usize = 100;

pub fn parse(text: &str) -> Result<Templates, FormatError> {
    let tokens = lexer::split(text);
    let variables = vec!["$".to_owned()];
    let mut parser =
        Parser { text, tokens, next: 0, action: None, depth: 0, ranges: 0, variables, templates: Templates::new() };
    parser.text()?;
    Ok(parser.templates)
}

pub struct Parser<'t> {
    text: &'t str,
    pub tokens: Vec<Token<'t>>,
    /// The index of the next token.
    pub next: usize,
    /// The line on which the current action begins.
    action: Option<usize>,
    depth: usize,
    /// The number of enclosing `range`s.
    ranges: usize,
    /// The variables in scope.
    pub variables: Vec<String>,
    templates: Templates,
}

/// What a list of nodes continues or ends with.
enum Item {
    Node(Node),
    End,
    Else,
}

impl Item {
    fn name(&self) -> &'static str {
        if matches!(self, Self::Else) { "{{else}}" } else { "{{end}}" }
    }
}

pub type Result<T, E = FormatError> = std::result::Result<T, E>;

impl<'t> Parser<'t> {
    pub fn take(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    pub fn peek(&self) -> Token<'t> {
        self.tokens[self.next].clone()
    }

    /// The next token that is not a blank.
    pub fn take_solid(&mut self) -> Token<'t> {
        self.skip_space();
        self.take()
    }

    pub fn peek_solid(&mut self) -> Token<'t> {
        self.skip_space();
        self.peek()
    }

    pub fn skip_space(&mut self) {
        self.next += usize::from(self.tokens[self.next].kind == Kind::Space);
    }

    pub fn spot(&self, at: usize, text: String) -> Spot {
        let before = &self.text[..at];
        let column = before.rfind('\n').map_or(at, |newline| at - newline - 1);
        Spot { line: self.line(at), column, text }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text[..at].matches('\n').count()
    }

    /// An error on the line of the last token.
    pub fn wrong<T>(&self, message: impl Into<String>) -> Result<T> {
        let at = self.tokens[self.next.saturating_sub(1)].at;
        Err(FormatError::Syntax { line: self.line(at), message: message.into() })
    }

    pub fn unexpected<T>(&self, token: &Token<'_>, context: &str) -> Result<T> {
        let line = self.line(token.at);
        let message = match &token.kind {
            Kind::Error(message) => match self.action.filter(|action| *action != line) {
                Some(action) if message.ends_with(" action") => format!("{message} started at :{action}"),
                Some(action) => format!("{message} in action started at :{action}"),
                None => message.clone(),
            },
            _ => format!("unexpected {} in {context}", token.name()),
        };
        Err(FormatError::Syntax { line, message })
    }

    fn expect(&mut self, kind: &Kind, context: &str) -> Result<Token<'t>> {
        let token = self.take_solid();
        if token.kind == *kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    /// Calls `inner` one level deeper.
    pub fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH_LIMIT {
            return self.wrong("too deeply nested");
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// The whole text. Only here may templates be defined.
    fn text(&mut self) -> Result<()> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::End {
            let start = self.next;
            if self.take().kind == Kind::Open {
                let token = self.take_solid();
                if token.kind == Kind::Word && token.text == "define" {
                    self.definition()?;
                    continue;
                }
            }
            self.next = start;
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                other => return self.wrong(format!("unexpected {}", other.name())),
            }
        }
        self.add(String::new(), nodes)
    }

    fn definition(&mut self) -> Result<()> {
        let context = "define clause";
        let token = self.expect(&Kind::Quoted, context)?;
        let name = literal::unquote(token.text).or_else(|message| self.wrong(message))?;
        self.expect(&Kind::Close, context)?;
        self.body(name, context)
    }

    /// The nodes of a template up to its `end`, without the surrounding variables.
    fn body(&mut self, name: String, context: &str) -> Result<()> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".to_owned()]);
        let ranges = std::mem::take(&mut self.ranges);
        let (nodes, end) = self.list()?;
        (self.variables, self.ranges) = (variables, ranges);
        match end {
            Item::End => self.add(name, nodes),
            other => self.wrong(format!("unexpected {} in {context}", other.name())),
        }
    }

    /// The first definition that is not empty counts; a second one is an error.
    fn add(&mut self, name: String, nodes: Vec<Node>) -> Result<()> {
        if self.templates.get(&name).is_none_or(|known| tree::is_empty(known)) {
            self.templates.insert(name, nodes);
        } else if !tree::is_empty(&nodes) {
            return self.wrong(format!("template: multiple definition of template {}", quoted(&name, false)));
        }
        Ok(())
    }

    /// Nodes up to an `end` or `else`.
    fn list(&mut self) -> Result<(Vec<Node>, Item)> {
        self.nested(|parser| {
            let mut nodes = Vec::new();
            while parser.peek_solid().kind != Kind::End {
                match parser.item()? {
                    Item::Node(node) => nodes.push(node),
                    end => return Ok((nodes, end)),
                }
            }
            let line = parser.line(parser.peek().at);
            Err(FormatError::Syntax { line, message: "unexpected EOF".to_owned() })
        })
    }

    fn item(&mut self) -> Result<Item> {
        let token = self.take_solid();
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text.to_owned()))),
            Kind::Open => {
                self.action = Some(self.line(token.at));
                let item = self.action();
                self.action = None;
                item
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Result<Item> {
        let start = self.next;
        let token = self.take_solid();
        let keyword = if token.kind == Kind::Word { token.text } else { "" };
        Ok(match keyword {
            "end" => {
                self.expect(&Kind::Close, "end")?;
                Item::End
            }
            "else" => {
                let next = self.peek_solid();
                if !(next.kind == Kind::Word && matches!(next.text, "if" | "with")) {
                    self.expect(&Kind::Close, "else")?;
                }
                Item::Else
            }
            "if" | "range" | "with" => Item::Node(self.control(keyword)?),
            "block" | "template" => Item::Node(self.call(keyword == "block")?),
            "break" | "continue" => {
                self.expect(&Kind::Close, &format!("{{{{{keyword}}}}}"))?;
                if self.ranges == 0 {
                    return self.wrong(format!("{{{{{keyword}}}}} outside {{{{range}}}}"));
                }
                Item::Node(if keyword == "break" { Node::Break } else { Node::Continue })
            }
            _ => {
                self.next = start;
                Item::Node(Node::Output(self.pipeline("command", &Kind::Close)?))
            }
        })
    }

    fn control(&mut self, keyword: &str) -> Result<Node> {
        let scope = self.variables.len();
        let value = self.pipeline(keyword, &Kind::Close)?;
        let is_range = keyword == "range";
        self.ranges += usize::from(is_range);
        let (body, end) = self.list()?;
        self.ranges -= usize::from(is_range);
        let otherwise = match end {
            Item::Else => self.otherwise(keyword)?,
            _ => Vec::new(),
        };
        self.variables.truncate(scope);
        Ok(match keyword {
            "if" => Node::If { condition: value, then: body, otherwise },
            "range" => Node::Range { over: value, body, otherwise },
            _ => Node::With { value, body, otherwise },
        })
    }

    /// The part after an `else`. `else if` and `else with` share the `end` of the outer block.
    fn otherwise(&mut self, keyword: &str) -> Result<Vec<Node>> {
        let next = self.peek();
        if keyword != "range" && next.kind == Kind::Word && next.text == keyword {
            self.take();
            return Ok(vec![self.nested(|parser| parser.control(keyword))?]);
        }
        match self.list()? {
            (nodes, Item::End) => Ok(nodes),
            (_, other) => self.wrong(format!("expected end; found {}", other.name())),
        }
    }

    /// `template "name" value`, or `block "name" value` with the template's definition, which another one may replace.
    fn call(&mut self, is_block: bool) -> Result<Node> {
        let context = if is_block { "block clause" } else { "template clause" };
        let token = self.expect(&Kind::Quoted, context)?;
        let name = literal::unquote(token.text).or_else(|message| self.wrong(message))?;
        let value = match self.peek_solid().kind {
            Kind::Close if !is_block => {
                self.take();
                None
            }
            _ => Some(self.pipeline(context, &Kind::Close)?),
        };
        if is_block {
            self.body(name.clone(), context)?;
        }
        let shown = value.as_ref().map(|value| format!(" {}", value.written())).unwrap_or_default();
        let spot = self.spot(token.at, format!("{{{{template {}{shown}}}}}", quoted(&name, false)));
        Ok(Node::Call { name, value, spot })
    }
}
