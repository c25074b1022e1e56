//! `--format`: Go's text/template over JSON values, and docker's tables.
//!
//! The existing crate (gtmpl) has had no release in years, has its own value type, and prints numbers and missing
//! fields differently from docker. This follows the grammar of <https://pkg.go.dev/text/template>, with Go's errors.

mod compare;
mod escape;
mod eval;
mod expression;
mod fields;
mod functions;
mod lexer;
mod literal;
mod parser;
mod print;
mod printf;
pub mod structs;
mod table;
mod tree;
mod units;

pub use crate::base::{ago, human_size};
pub use eval::Missing;
pub use table::{Column, Listing, shows};
pub use units::{go_time, truncate_id};

use serde_json::Value;

use crate::cli::CliError;

/// A text in Go's `%q` format.
pub fn quoted(text: &str) -> String {
    printf::quoted(text, false)
}

/// A template that is invalid or does not fit its value, in the words of Go and docker.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FormatError {
    #[error("template parsing error: template: :{line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("template parsing error: template: :{}:{}: executing {template} at <{}>: {reason}", .spot.line, .spot.column, .spot.text)]
    Evaluation { spot: tree::Spot, template: String, reason: String },
}

/// A parsed template, with those that it defines.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(tree::Templates);

impl Template {
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        parser::parse(text).map(Self)
    }

    /// The template's output for `value`; `missing` is the meaning of missing fields.
    pub fn render(&self, value: &Value, missing: Missing) -> Result<String, FormatError> {
        let mut out = String::new();
        eval::render(&self.0, value, missing, &mut out).map(|()| out)
    }

    /// The same; `out` gets what comes before an error, too.
    pub fn render_into(&self, out: &mut String, value: &Value, missing: Missing) -> Result<(), FormatError> {
        eval::render(&self.0, value, missing, out)
    }

    /// Whether the first thing in it is the output of a field whose name begins like this (with its dot).
    pub fn begins_with_field(&self, name: &str) -> bool {
        let is_output = |node: &&tree::Node| !matches!(node, tree::Node::Text(text) if text.is_empty());
        let first = self.0.get("").and_then(|nodes| nodes.iter().find(is_output));
        matches!(first, Some(tree::Node::Output(pipeline)) if pipeline.written().starts_with(name))
    }
}

/// The template of a command that prints documents, not rows. docker has a separate exit code for an invalid one.
pub fn of_document(format: &str) -> Result<Template, CliError> {
    const NO_TEMPLATE: u8 = 64;
    Template::parse(format).map_err(|error| CliError::from(error).exit_code(NO_TEMPLATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(text: &str) -> Result<String, FormatError> {
        let value = json!({
            "Id": "sha256:abc",
            "Size": 1234567,
            "Names": ["b", "a"],
            "Empty": [],
            "None": null,
            "Config": {"Env": ["A=1", "B=2"], "Labels": {"z": "26", "a.b": "1"}, "Tty": false},
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": {}},
        });
        Template::parse(text)?.render(&value, Missing::Error)
    }

    #[test]
    fn what_people_write_works() {
        for (template, output) in [
            ("{{.Id}} {{.Size}}", "sha256:abc 1234567"),
            ("{{json .Config.Labels}}", r#"{"z":"26","a.b":"1"}"#),
            ("{{.Config.Env}}|{{.Config.Labels}}|{{.Config.Tty}}", "[A=1 B=2]|map[a.b:1 z:26]|false"),
            ("{{range .Config.Env}}{{println .}}{{end}}", "A=1\nB=2\n"),
            ("{{range $i, $e := .Names}}{{if $i}}, {{end}}{{$e}}{{end}}", "b, a"),
            ("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "a.b=1;z=26;"),
            ("{{range .Empty}}x{{else}}none{{end}}", "none"),
            (r#"{{index .Config.Labels "a.b"}}{{index .Names 1}}"#, "1a"),
            (r#"{{(index (index .Ports "80/tcp") 0).HostPort}}"#, "8080"),
            (r#"{{with (index .Ports "80/tcp")}}{{(index . 0).HostIp}}{{end}}"#, "0.0.0.0"),
            (r#"{{join .Names "-"}} {{.Id | upper}} {{title "hello there"}}"#, "b-a SHA256:ABC Hello There"),
            (r#"{{index (split .Id ":") 1 | printf "%-5s|"}}"#, "abc  |"),
            (r#"{{truncate .Id 6}} {{len .Names}} {{pad "x" 1 2}}."#, "sha256 2  x  ."),
            ("{{if and .Size (not .Config.Tty)}}yes{{else}}no{{end}}", "yes"),
            (r#"{{if eq .Id "x"}}1{{else if gt .Size 5}}2{{else}}3{{end}}"#, "2"),
            ("a {{- /* gone */ -}} b{{with $x := .Id}}{{$x}}{{$.Size}}{{end}}", "absha256:abc1234567"),
            ("{{.None}}{{range .Names}}{{if eq . \"a\"}}{{continue}}{{end}}{{.}}{{end}}", "<nil>b"),
            (r#"{{range $i, $e := .Names}}{{if eq $i 1}}{{break}}{{end}}{{$e}}{{end}}"#, "b"),
            (r#"{{$n := 1}}{{$n = 2}}{{$n}}{{printf "%05.1f %q %x %d%%" 2.25 "q" 255 7}}"#, "2002.2 \"q\" ff 7%"),
        ] {
            assert_eq!(render(template).as_deref(), Ok(output), "{template}");
        }
    }

    #[test]
    fn templates_that_call_themselves_end() {
        let all = || {
            for template in [
                r#"{{define "x"}}{{template "x" .}}{{end}}{{template "x" .}}"#,
                r#"{{define "x"}}{{range .Names}}{{if .}}{{template "x" $}}{{end}}{{end}}{{end}}{{template "x" .}}"#,
                r#"{{define "x"}}{{template "y" .}}{{end}}{{define "y"}}{{template "x" .}}{{end}}{{template "y" .}}"#,
            ] {
                let message = render(template).unwrap_err().to_string();
                assert!(message.ends_with("exceeded maximum template depth (1000)"), "{message}");
            }
        };
        // As much stack as a program's main thread; those of tests have less.
        std::thread::Builder::new().stack_size(8 << 20).spawn(all).unwrap().join().unwrap();
    }

    #[test]
    fn what_json_leaves_out_is_the_zero_of_its_type() {
        let value = json!({
            "HostConfig": {"Binds": null, "CapAdd": ["ALL"], "NetworkMode": "container:ab", "IpcMode": "private",
                "LogConfig": {"Type": "json-file", "Config": null}, "RestartPolicy": {"Name": "no"}},
            "Config": {"Labels": null, "Env": null, "Cmd": ["a"]},
            "State": {"Status": "running"},
            "NetworkSettings": {"Ports": {"53/udp": null, "80/tcp": [{"HostPort": "8080"}]}},
        });
        let render = |text: &str| Template::parse(text).unwrap().render(&value, Missing::Zero);
        for (template, output) in [
            ("{{len .HostConfig.Binds}} {{len .HostConfig.CapAdd}}", "0 1"),
            ("{{.HostConfig.Binds}} {{json .HostConfig.Binds}} {{.HostConfig.Binds | json}}", "[] null null"),
            ("{{.Config.Labels}} {{.HostConfig.Tmpfs}} {{json .HostConfig.Tmpfs}}", "map[] map[] null"),
            ("{{range .Config.Env}}x{{else}}none{{end}} {{if .Config.Healthcheck}}x{{else}}-{{end}}", "none -"),
            (
                "{{.Config.Healthcheck}} {{.HostConfig.Init}} {{.Config.StopSignal}}| {{.HostConfig.CpuCount}}",
                "<nil> <nil> | 0",
            ),
            (r#"{{index .Config.Labels "x"}}|{{index .HostConfig.LogConfig.Config "y"}}"#, "|"),
            ("{{.HostConfig.NetworkMode.IsContainer}} {{.HostConfig.NetworkMode.ConnectedContainer}}", "true ab"),
            ("{{.HostConfig.NetworkMode.IsNone}} {{.HostConfig.IpcMode.IsPrivate}}", "false true"),
            ("{{.HostConfig.RestartPolicy.IsNone}} {{.HostConfig.RestartPolicy}}", "true {no}"),
            (
                "{{range $p, $c := .NetworkSettings.Ports}}{{$p.Port}} {{$p.Proto}} {{len $c}};{{end}}",
                "53 udp 0;80 tcp 1;",
            ),
        ] {
            assert_eq!(render(template).as_deref(), Ok(output), "{template}");
        }
        for template in
            ["{{.Nonsense}}", "{{.Config.Nonsense}}", "{{.State.Health.Status}}", "{{.State.Status.IsNone}}"]
        {
            assert!(render(template).is_err(), "{template}");
        }
        let strict = Template::parse("{{.Healthcheck}}").unwrap();
        assert!(strict.render(&json!({}), Missing::Error).is_err());
    }

    /// `fixtures/templates`: Go's own output of templates.
    #[test]
    fn templates_come_out_as_with_go() {
        let data: Value = serde_json::from_str(include_str!("../../../fixtures/templates/data.json")).unwrap();
        let table = include_str!("../../../fixtures/templates/expected.json");
        let table: Vec<Value> = serde_json::from_str(table).unwrap();
        let differs = |row: &Value| {
            let text = row["template"].as_str()?;
            let own = Template::parse(text).and_then(|template| template.render(&data, Missing::Error));
            let own = own.map_err(|error| error.to_string().replace("template parsing error: ", ""));
            let output = row["output"].as_str();
            let expected = output.ok_or_else(|| row["error"].as_str().unwrap_or_default());
            let own = own.as_deref().map_err(String::as_str);
            (own != expected).then(|| format!("{text}\n  Go:  {expected:?}\n  own: {own:?}"))
        };
        let wrong: Vec<String> = table.iter().filter_map(differs).collect();
        assert!(table.len() > 450 && wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn labels_are_asked_for_one_by_one() {
        let row = json!({"ID": "1", "Labels": "a=1", "Label": {"a": "1"}});
        let render = |text: &str| Template::parse(text).unwrap().render(&row, Missing::Row).unwrap();
        assert_eq!(render("{{.Label \"a\"}}|{{.Label \"b\"}}|{{.Labels}}"), "1||a=1");
        assert_eq!(render("{{json .}}"), r#"{"ID":"1","Labels":"a=1"}"#);
        let listing = Listing::parse(Some(r#"table {{.Label "com.example.my-name"}}"#), "").unwrap();
        assert_eq!(listing.render(&[], &[row]).unwrap(), "my name\n\n");
    }

    #[test]
    fn rows_are_marshalled_as_dockers() {
        let row = json!({"Names": "x", "ID": "1", "Labels": "a=<b>", "Label": {"a": "<b>"}, "Size": null});
        let render = |text: &str| Template::parse(text).unwrap().render(&row, Missing::Row).unwrap();
        let all = r#"{"ID":"1","Labels":"a=\u003cb\u003e","Names":"x","Size":null}"#;
        assert_eq!([render("{{json .}}"), render("{{. | json}}"), render("{{json $}}")], [all, all, all]);
        assert_eq!(render("{{json .Labels}}"), r#""a=<b>""#);
    }

    #[test]
    fn deep_nesting_is_refused_not_overflowed() {
        let template = format!("{{{{{}.{}}}}}", "(".repeat(100_000), ")".repeat(100_000));
        assert!(Template::parse(&template).is_err());
    }
}
