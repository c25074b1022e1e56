use super::*;

fn variables() -> BTreeMap<String, String> {
    [("HOME", "/root"), ("EMPTY", ""), ("VER", "v1.2.3"), ("SP", "a  b")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn expand(word: &str) -> Result<String, String> {
    Lexer::new('\\').expand(word, &variables()).map(|done| done.text).map_err(|error| error.kind.to_string())
}

#[test]
fn operators() {
    for (word, wanted) in [
        ("${HOME}/bin", "/root/bin"),
        ("${X:-a}${EMPTY:-b}${EMPTY-c}", "ab"),
        ("${HOME:+a}${EMPTY:+b}${EMPTY+c}", "ac"),
        ("${VER#v}${VER%.*}${VER%%.*}${VER##*.}", "1.2.3v1.2v13"),
        ("${VER/./-} ${VER//./-}", "v1-2.3 v1-2-3"),
        ("${X:-${Y:-${HOME}}}", "/root"),
        ("\"$HOME\" '$HOME' \\$HOME", "/root $HOME $HOME"),
    ] {
        assert_eq!(expand(word).as_deref(), Ok(wanted), "{word}");
    }
}

#[test]
fn faults_are_met_in_reading_order() {
    for (word, wanted) in [
        ("${}", "syntax error: bad substitution"),
        ("${X?need it}'", "X: need it"),
        ("${HOME:-'x}", "syntax error: missing '}'"),
        ("'x", "unexpected end of statement while looking for matching single-quote"),
        ("${HOME^}", "unsupported modifier (^) in substitution"),
    ] {
        assert_eq!(expand(word).err().as_deref(), Some(wanted), "{word}");
    }
}

#[test]
fn splitting_happens_after_expansion() {
    let words = |word: &str| Lexer::new('\\').expand_words(word, &variables()).unwrap();
    assert_eq!(words("x$SP \"$SP\" y\\ z"), ["xa", "b", "a  b", "y z"]);
    assert_eq!(words("80 443/tcp"), ["80", "443/tcp"]);
}

#[test]
fn nesting_is_bounded() {
    let deep = |levels: usize| format!("{}x{}", "${A:-".repeat(levels), "}".repeat(levels));
    assert_eq!(expand(&deep(60)).as_deref(), Ok("x"));
    assert_eq!(Lexer::new('\\').expand(&deep(50_000), &NoVariables).unwrap_err().kind, WordErrorKind::TooDeep);
}

#[test]
fn names_are_reported() {
    let expansion = Lexer::new('\\').expand("$HOME ${X:-$Y}", &variables()).unwrap();
    assert_eq!(expansion.used, BTreeSet::from(["HOME".to_owned()]));
    assert_eq!(expansion.unmatched, BTreeSet::from(["X".to_owned(), "Y".to_owned()]));
}

#[test]
fn a_word_does_not_grow_without_end() {
    let lexer = Lexer::new('\\');
    let mut variables = BTreeMap::from([("A".to_owned(), "xxxx".to_owned())]);
    let mut grow = |word: &str| {
        let text = lexer.expand(word, &variables)?.text;
        variables.insert("A".to_owned(), text);
        Ok::<_, WordError>(())
    };
    let failed = (0..40).find_map(|round| grow("$A\"$A\"").err().map(|error| (round, error.kind)));
    assert_eq!(failed, Some((18, WordErrorKind::TooLong)));
    for word in ["${A//x/$A}", "${B:-$A$A$A$A$A}", "${A/x/$A$A$A}"] {
        assert_eq!(lexer.expand(word, &variables).unwrap_err().kind, WordErrorKind::TooLong, "{word}");
        assert_eq!(lexer.expand_words(word, &variables).unwrap_err().kind, WordErrorKind::TooLong, "{word}");
    }
    assert_eq!(lexer.expand("${A#$A}", &variables).unwrap_err().kind, WordErrorKind::TooHard);
    let written = "x".repeat(3 << 20);
    assert_eq!(lexer.expand(&format!("{written}$B"), &variables).unwrap().text, written);
}
