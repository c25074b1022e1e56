//! Small bake files and their results.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Files that compose files refer to.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Sources for Shelf {
    fn read(&self, path: &str) -> Result<Option<String>, BakeError> {
        Ok(self.0.get(path).cloned())
    }
}

fn file(name: &str, text: &str) -> BakeFile {
    BakeFile { name: name.to_owned(), text: text.to_owned() }
}

fn read_files(files: &[BakeFile], environment: &[(&str, &str)]) -> Result<Bakery, BakeError> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let world = World { environment, reads_environment: true, ..World::default() };
    read(files, &world, &Shelf::default())
}

fn selected(files: &[BakeFile], names: &[&str], set: &[&str]) -> Result<serde_json::Value, BakeError> {
    let bakery = read_files(files, &[])?;
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let environment = BTreeMap::new();
    let overrides = Overrides::parse(&owned(set), &bakery.config, &environment)?;
    let mut selection = bakery.config.select(&owned(names), &overrides, &mut Entitlements::default())?;
    let ground = Ground { folder: Path::new("/"), environment: &environment, is_platform: |_| Ok(()), remote: None };
    check(&mut selection, &ground)?;
    Ok(selection.to_json())
}

/// The value of an expression as an argument of a target.
fn evaluated(expression: &str) -> Result<String, String> {
    let text = format!("target \"t\" {{\n  dockerfile-inline = jsonencode({expression})\n}}\n");
    let bakery = read_files(&[file("a.hcl", &text)], &[]).map_err(|error| error.to_string())?;
    Ok(bakery.config.targets[0].dockerfile_inline.clone().unwrap_or_default())
}

#[test]
fn expressions() {
    for (expression, wanted) in [
        ("1 + 2 * 3", "7"),
        ("0.1 + 0.2", "0.3"),
        ("1e21", "1000000000000000000000"),
        ("-0", "-0"),
        ("5 % 0", "5"),
        ("10 % -3", "1"),
        ("1 == \"1\"", "false"),
        ("\"3\" > 2", "true"),
        ("true ? [\"x\", 1] : [\"y\"]", "[\"x\",\"1\"]"),
        ("false && nothing", "false"),
        ("[for k, v in { b = 1, a = 2 } : \"${k}${v}\" if v > 0]", "[\"a2\",\"b1\"]"),
        ("{ for n in [\"a1\", \"a2\"] : substr(n, 0, 1) => n... }", "{\"a\":[\"a1\",\"a2\"]}"),
        ("[{ l = [1, 2] }, { l = [3, 4] }][*].l[0]", "[1,3]"),
        ("[{ l = [1, 2] }, { l = [3, 4] }].*.l[0]", "[1,2]"),
        ("\"%{ if true }yes%{ else }no%{ endif }\"", "\"yes\""),
        ("\"$${a} %%{b}\"", "\"${a} %{b}\""),
        ("<<-E\n    a\n      b\n  E\n", "\"a\\n  b\\n\""),
        ("try(nothing, 1)", "1"),
        ("can(1 / \"x\")", "false"),
        ("convert(\"1\", number)", "1"),
        ("setproduct([1, 2], [\"a\"])", "[[1,\"a\"],[2,\"a\"]]"),
        ("log(14, 9)", "1.2010867513664398"),
        ("log(88, 3)", "4.075447599358511"),
        ("log(0.5, 2)", "-1"),
        ("semvercmp(\"1.2.3\", \"~1.2\")", "true"),
        ("semvercmp(\"2.0.0-rc.1\", \">=1.0\")", "false"),
        ("semvercmp(\"1.5.0\", \"1.2 - 1.4 || ^1.5\")", "true"),
        ("formattimestamp(\"YYYY\", 0)", "\"1970\""),
        ("formattimestamp(\"X\", \"1970-01-01T00:01:00Z\")", "\"60\""),
        ("unixtimestampparse(86400).month_name", "\"January\""),
        ("cidrsubnets(\"10.0.0.0/8\", 8, 4)", "[\"10.0.0.0/16\",\"10.16.0.0/12\"]"),
        ("regex(\"(?P<a>x)(?P<b>y)?\", \"x\")", "{\"a\":\"x\",\"b\":null}"),
        ("format(\"%05.1f|%-4s|%x\", 2.25, \"é\", 255)", "\"002.2|é   |ff\""),
    ] {
        assert_eq!(evaluated(expression).as_deref(), Ok(wanted), "{expression}");
    }
}

#[test]
fn wrong_expressions_are_explained() {
    for (expression, wanted) in [
        ("0/0", "can't divide zero by zero"),
        ("nothing", "no variable named \"nothing\""),
        ("uper(\"a\")", "Did you mean \"upper\""),
        ("range(0, 100000)", "more than 1024 values"),
        ("[1][2]", "greater than or equal to the length"),
        ("length({ a = 1 })", "collection must be a list"),
        ("1e999999", "too large"),
        (
            "replace(join(\"\", [for i in range(1000) : format(\"%01000d\", i)]), \"0\", format(\"%01000d\", 0))",
            "16 MiB",
        ),
        ("[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]", "too expensive"),
    ] {
        let error = evaluated(expression).unwrap_err();
        assert!(error.contains(wanted), "{expression}: {error}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["(".repeat(5000), "[".repeat(5000), "-".repeat(5000), "\"${".repeat(5000), "{a=".repeat(5000)] {
        let error = evaluated(&text).unwrap_err();
        assert!(error.contains("deeply"), "{}: {error}", &text[..4]);
    }
    let chain = format!("1{}", " + 1".repeat(900));
    assert_eq!(evaluated(&chain).as_deref(), Ok("901"));
    assert!(evaluated(&format!("1{}", " + 1".repeat(5000))).unwrap_err().contains("too many operators"));
    let json = format!("{{\"target\": {}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(read_files(&[file("a.json", &json)], &[]).unwrap_err().to_string().contains("deeply"));
}

#[test]
fn a_matrix_is_bounded() {
    let axis = (0..1000).map(|number| format!("\"{number}\"")).collect::<Vec<_>>().join(",");
    let text =
        format!("target \"t\" {{\n name = \"t-${{a}}-${{b}}\"\n matrix = {{ a = [{axis}], b = [{axis}] }}\n}}\n");
    let error = read_files(&[file("a.hcl", &text)], &[]).unwrap_err().to_string();
    assert!(error.contains("matrix makes 1000000 targets"), "{error}");
}

#[test]
fn errors_have_their_place() {
    let text = "target \"a\" {\n  tags = [upper(1, 2)]\n}\n";
    let Err(BakeError::File { place: Some(place), diagnostic }) = read_files(&[file("a.hcl", text)], &[]) else {
        panic!("no place");
    };
    assert_eq!((place.file.as_str(), place.line, place.column), ("a.hcl", 2, 20), "{diagnostic}");
}

#[test]
fn names_without_effect_are_told() {
    let text = "target \"a\" {\n  tag = [\"x\"]\n}\ntarget_ \"b\" {}\n";
    let bakery = read_files(&[file("a.hcl", text)], &[]).unwrap();
    let notices: Vec<String> =
        bakery.notices.iter().map(|notice| format!("{}: {}", notice.place.line, notice.message)).collect();
    assert!(notices[0].starts_with("2: ") && notices[0].contains("\"tags\""), "{notices:?}");
    assert!(notices[1].starts_with("4: ") && notices[1].contains("\"target\""), "{notices:?}");
}

#[test]
fn targets_are_inherited_linked_and_overridden() {
    let text = "group \"default\" { targets = [\"app\"] }\n\
                target \"_base\" {\n  args = { A = \"1\", B = \"1\" }\n  tags = [\"base\"]\n  network = \"host\"\n}\n\
                target \"app\" {\n  inherits = [\"_base\"]\n  args = { B = \"2\" }\n  contexts = { dep = \"target:dep\" }\n}\n\
                target \"dep\" { output = [\"type=local,dest=out\"] }\n";
    let set = ["app.args.C=3", "*.tags+=more", "_base.args.A=9"];
    let json = selected(&[file("a.hcl", text)], &["default"], &set).unwrap();
    let app = &json["target"]["app"];
    assert_eq!(app["args"], serde_json::json!({"A": "9", "B": "2", "C": "3"}));
    assert_eq!(app["tags"], serde_json::json!(["base", "more"]));
    assert_eq!(app["entitlements"], serde_json::json!(["network.host"]));
    assert_eq!(json["target"]["dep"]["output"], serde_json::json!([{"type": "cacheonly"}]));
}

#[test]
fn circles_are_found() {
    let link = |a: &str, b: &str| format!("target \"{a}\" {{\n  contexts = {{ x = \"target:{b}\" }}\n}}\n");
    let error = selected(&[file("a.hcl", &(link("a", "b") + &link("b", "a")))], &["a"], &[]).unwrap_err();
    assert!(matches!(error, BakeError::Loop { .. }), "{error}");
    let text = "variable \"A\" { default = B }\nvariable \"B\" { default = A }\n";
    let error = read_files(&[file("a.hcl", text)], &[]).unwrap_err().to_string();
    assert!(error.contains("cycle not allowed"), "{error}");
    let text = "target \"a\" {\n  tags = [target.a.name, jsonencode(target.a)]\n}\n";
    let error = read_files(&[file("a.hcl", text)], &[]).unwrap_err().to_string();
    assert!(error.contains("cycle not allowed"), "{error}");
}

#[test]
fn aliases_do_not_multiply_without_end() {
    let mut text = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for level in 1..10 {
        let before = format!("*x{}", level - 1);
        text.push_str(&format!("x{level}: &x{level} [{}]\n", vec![before; 10].join(", ")));
    }
    let error = read_files(&[file("compose.yaml", &text)], &[]).unwrap_err().to_string();
    assert!(error.contains("more than"), "{error}");
}

#[test]
fn contexts_can_be_relative_to_their_file() {
    let files = [file(
        "sub/a.hcl",
        "target \"a\" {\n  context = \"x\"\n  contexts = { c = \"./y\", d = \"target:b\" }\n}\ntarget \"b\" {}\n",
    )];
    let world = World { has_relative_paths: true, ..World::default() };
    let bakery = read(&files, &world, &Shelf::default()).unwrap();
    let target = &bakery.config.targets[0];
    assert_eq!(target.context.as_deref(), Some("sub/x"));
    assert_eq!((target.contexts["c"].as_str(), target.contexts["d"].as_str()), ("sub/y", "target:b"));
}

#[test]
fn paths_are_compared_by_their_parts() {
    let text = "target \"a\" {\n  context = \"/srv/app-other\"\n}\n";
    let bakery = read_files(&[file("a.hcl", text)], &[]).unwrap();
    let mut allowed = Entitlements::default();
    let names = ["a".to_owned()];
    let selection = bakery.config.select(&names, &Overrides::default(), &mut allowed).unwrap();
    allowed.read.push("/srv/app".to_owned());
    let needed = allowed.missing(&selection, Path::new("/srv/app")).unwrap();
    assert!(needed.read.contains(Path::new("/srv/app-other")), "{needed:?}");
    allowed.read.push("/srv/app-other/".to_owned());
    assert!(allowed.missing(&selection, Path::new("/srv/app")).unwrap().is_empty());
}
