"""Random words: variables in all their forms, quotes, escapes; and the values that builds are given."""

VARIABLES = ["A", "B", "C", "EMPTY", "UNSET", "PATH_LIKE", "TARGETARCH", "HOME"]
VALUES = ["1", "a b", "", "x.y.z", "/p/q/r.tar.gz", "aXbXc", "é漢", "-", "a=b", "'q'", "*", "a/b", "one two  three", "\\", "#"]
PATTERNS = ["a*", "*.", "*/", "?", "x", "X", ".*", "[a]", "*", "", "/", "\\*", "é", "p", "*X", ".gz"]


def value(random):
    return random.choice(VALUES)


def variable(random, depth=0):
    """A word with one variable in it."""
    name = random.choice(VARIABLES)
    kind = random.randrange(14)
    if kind < 3:
        return f"${name}"
    if kind < 5:
        return f"${{{name}}}"
    inner = variable(random, depth + 1) if depth < 2 and random.random() < 0.4 else random.choice(["d", "", "d e", "x/y", "'s'"])
    pattern = random.choice(PATTERNS)
    return random.choice([
        f"${{{name}:-{inner}}}", f"${{{name}-{inner}}}", f"${{{name}:+{inner}}}", f"${{{name}+{inner}}}",
        f"${{{name}#{pattern}}}", f"${{{name}##{pattern}}}", f"${{{name}%{pattern}}}", f"${{{name}%%{pattern}}}",
        f"${{{name}/{pattern or 'a'}/{random.choice(['_', '', 'ZZ', '$B'])}}}",
        f"${{{name}//{pattern or 'a'}/{random.choice(['_', '', 'ZZ'])}}}",
        f"${{{name}:?must be set}}" if random.random() < 0.03 else f"${{{name}:-x}}",
    ])


def word(random):
    """A value as ENV, LABEL and ARG take it: no blanks outside of quotes."""
    kind = random.randrange(10)
    plain = random.choice(["v", "1.2", "a_b", "x:y", "a\\ b", "a\\$b", "'s q'", '"d q"', "v", "é", '"a\\"b"', "'$A'", "\\\\", "a#b"])
    if kind < 3:
        return plain
    shown = variable(random)
    if " " in shown or "'" in shown:
        return f'"{shown}"' if '"' not in shown else plain
    if kind < 6:
        return shown
    if kind < 8:
        return f'"{shown} and {variable(random)}"' if '"' not in shown else plain
    return random.choice([f"pre{shown}", f"{shown}post", f"\\{shown}", f"'{shown}'"])


def build_arguments(random):
    arguments = []
    for name in random.sample(["A", "B", "C", "EMPTY"], random.randrange(3)):
        arguments += ["--build-arg", f"{name}={value(random)}"]
    return arguments
