//! Every error of the Dockerfile language as it is shown, in one golden file.
//!
//! `RBUILD_BLESS=1 cargo test --test dockerfile_errors` rewrites it.

mod support;

const FAULTY: &[&str] = &[
    "",
    "# a comment\n",
    "# escape=x\nFROM a\n",
    "# escape=\\\n# escape=`\nFROM a\n",
    "FROM a\nRUN <<EOF\nbody\n",
    "FROM a\nCMD [\"a\", 1]\n",
    "FROM a\nENV A\n",
    "FROM a\nENV A=b \\\n    C\n",
    "FROM a\nRUNN echo\n",
    "FROM a\nFOO\n",
    "RUN a\nFROM a\n",
    "FROM\n",
    "FROM a AS 1b\n",
    "FROM --platfrom=x a\n",
    "FROM a\nCOPY --chwon=a b c\n",
    "FROM a\nCOPY --from=b \\\n  --link=1 c d\n",
    "FROM a\nCOPY --link --link a b\n",
    "FROM a\nCOPY --chown a b\n",
    "FROM a\nCOPY a\n",
    "FROM a\nCOPY a <<EOF\nb\nEOF\n",
    "FROM a\nENV =b\n",
    "FROM a\nUSER\n",
    "FROM a\nEXPOSE\n",
    "FROM a\nSHELL sh -c\n",
    "FROM a\nVOLUME [\" \"]\n",
    "FROM a\nONBUILD ONBUILD RUN a\n",
    "FROM a\nONBUILD FROM b\n",
    "FROM a\nHEALTHCHECK NONE x\n",
    "FROM a\nHEALTHCHECK CMD\n",
    "FROM a\nHEALTHCHECK CDM x\n",
    "FROM a\nHEALTHCHECK --interval=30 CMD x\n",
    "FROM a\nHEALTHCHECK --timeout=1us CMD x\n",
    "FROM a\nHEALTHCHECK --retries=-1 CMD x\n",
    "FROM a\nHEALTHCHECK --retries=x CMD x\n",
    "FROM a\nRUN --network=hots a\n",
    "FROM a\nRUN --security=x a\n",
    "FROM a\nRUN --device=a,b a\n",
    "FROM a\nRUN --mount=from=$X,target=/a \\\n  b\n",
    "FROM a\nRUN --mount=\\\"a b\n",
    "FROM a\n\tRUN é --x\n\tÉTAT x\n",
];

#[test]
fn errors_look_like_this() {
    let rendered: Vec<String> = FAULTY.iter().map(|source| render(source)).collect();
    let actual = format!("{}\n", rendered.join("\n\n"));
    support::assert_golden("dockerfile_errors.txt", &actual, "\n\n");
}

fn render(source: &str) -> String {
    let error = rbuild::language::dockerfile::parse(source.as_bytes()).result.expect_err(source);
    error.render("Dockerfile", source.as_bytes())
}

#[test]
fn a_line_that_is_too_long() {
    let source = format!("FROM a\nRUN {}\n", "x".repeat(65_540));
    let rendered = render(&source);
    assert!(rendered.starts_with("Dockerfile:2: the line has more than 65535 bytes\n"), "{}", &rendered[..100]);
    assert!(rendered.len() < 1000);
}
