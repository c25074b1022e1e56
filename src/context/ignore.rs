/// A pattern that docker refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("syntax error in pattern `{pattern}`")]
    Syntax { pattern: String },
    #[error("illegal exclusion pattern: \"!\"")]
    BareExclamation,
    #[error("the ignore file has a line of more than 65536 bytes")]
    LineTooLong,
}

/// The patterns of a .dockerignore file or of `--exclude`, compiled, with docker's meaning (moby/patternmatcher).
#[derive(Debug, Default)]
pub struct IgnorePatterns;

impl IgnorePatterns {
    /// Compiles patterns as they are given to `--exclude`.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let _ = patterns;
        todo!()
    }

    /// Reads the text of an ignore file: comments, blanks, `!` and slashes cleaned as docker does, then compiled.
    pub fn parse(text: &[u8]) -> Result<Self, PatternError> {
        let _ = text;
        todo!()
    }

    /// Whether `path` (relative, clean) or a folder above it is matched, and no later `!` pattern brings it back.
    pub fn matches(&self, path: &[u8]) -> bool {
        let _ = path;
        todo!()
    }

    pub fn is_empty(&self) -> bool {
        true
    }
}
