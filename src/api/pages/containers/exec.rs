//! `exec`: additional programs in running containers.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::life::of_state;
use super::logs::stream_kind;
use super::named;
use super::streams::{Conversation, detach_keys, size_of};
use crate::api::ApiError;
use crate::api::error::in_words_of_runtime;
use crate::api::helper::{Task, Worker};
use crate::api::multiplexed::{Channel, Framing};
use crate::api::request::Request;
use crate::api::response::{RAW, Response};
use crate::api::service::Service;
use crate::container::{Attachment, ContainerError, ExecRecord, resize_exec};
use crate::engine::container::{RequestError, check_exec, check_exec_start};

/// How long a resize waits for the program to begin, as in docker.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Create {
    attach_stdin: bool,
    attach_stdout: bool,
    attach_stderr: bool,
    tty: bool,
    cmd: Value,
    env: Vec<String>,
    user: String,
    working_dir: String,
    privileged: bool,
    detach_keys: String,
    console_size: Option<(u16, u16)>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Start {
    detach: bool,
    /// The client wants raw bytes, whether or not the program has a terminal.
    tty: bool,
    console_size: Option<(u16, u16)>,
}

pub fn create(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body: Create = request.json_or_default()?;
    let command: Vec<String> = match body.cmd {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let record = ExecRecord {
        command,
        environment: body.env,
        user: given(body.user),
        directory: given(body.working_dir),
        terminal: body.tty,
        privileged: body.privileged,
        stdin: body.attach_stdin,
        stdout: body.attach_stdout,
        stderr: body.attach_stderr,
        detach_keys: body.detach_keys,
        size: body.console_size,
        ..ExecRecord::default()
    };
    check_exec(&record)?;
    let entry = named(service, request)?;
    let record = record.create(&entry).map_err(|error| of_state(error, &entry))?;
    Ok(Response::json(&json!({"Id": record.id}))?.status(201))
}

pub fn start(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let body: Start = request.json_or_default()?;
    let containers = service.containers();
    let (entry, record) = ExecRecord::find(&containers, request.part("id"))?;
    check_exec_start(&entry, &record).map_err(|error| match error {
        RequestError::Container(error) => of_state(error, &entry),
        error => error.into(),
    })?;
    if let Some(size) = body.console_size {
        record.set_size(&entry, size)?;
    }
    let task = Task::Exec { exec: record.id.clone() };
    if body.detach {
        Attachment::started(Worker::start(service.root(), task)?.go_on())?;
        return Ok(Response::empty(200));
    }
    let root = service.root().to_owned();
    let conversation = Conversation {
        framing: Framing::of(body.tty),
        stdin: record.stdin,
        ends_input: true,
        keys: detach_keys(Some(&record.detach_keys), record.terminal)?,
    };
    let upgrade = request.upgrade();
    let kind = if upgrade.is_some() { stream_kind(request, body.tty) } else { RAW };
    Ok(Response::hijack(upgrade, kind, move |hijacked| {
        let Ok((reader, mut writer)) = hijacked.split() else { return };
        // Only now: output right after the start would arrive in one packet with the head.
        let started = Worker::start(&root, task).map_err(|error| error.message);
        match started.and_then(|worker| Attachment::started(worker.go_on()).map_err(|error| exec_error(&error))) {
            // The client sees the connection end.
            Ok(attachment) => drop(conversation.run(attachment, reader, writer)),
            Err(error) => {
                let text = format!("{error}\r\n");
                let _ = conversation.framing.write(&mut writer, Channel::Stdout, text.as_bytes());
                let _ = writer.flush();
                let _ = writer.shutdown(Shutdown::Both);
            }
        }
    }))
}

/// Clients look for docker's words in it.
fn exec_error(error: &ContainerError) -> String {
    let text = in_words_of_runtime(&error.to_string(), error.exit_code());
    format!("OCI runtime exec failed: exec failed: unable to start container process: {text}")
}

pub fn inspect(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let (entry, record) = ExecRecord::find(&service.containers(), request.part("id"))?;
    let is_running = record.is_running();
    let code = match record.exit_code {
        Some(code) => json!(code),
        // Its process was killed together with its monitor.
        None if record.has_begun() && !is_running => json!(137),
        None => Value::Null,
    };
    let mut process = json!({
        "tty": record.terminal,
        "entrypoint": record.command.first(),
        "arguments": record.command.get(1..).unwrap_or_default(),
        "privileged": record.privileged,
    });
    if let Some(user) = &record.user {
        process["user"] = json!(user);
    }
    Ok(Response::json(&json!({
        "ID": record.id,
        "Running": is_running,
        "ExitCode": code,
        "ProcessConfig": process,
        "OpenStdin": record.stdin,
        "OpenStderr": record.stderr,
        "OpenStdout": record.stdout,
        "CanRemove": false,
        "ContainerID": entry.record.id,
        "DetachKeys": record.detach_keys,
        "Pid": record.pid,
    }))?)
}

pub fn resize(service: &Service, request: &mut Request) -> Result<Response, ApiError> {
    let size = size_of(request)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let (entry, record) = ExecRecord::find(&service.containers(), request.part("id"))?;
        if record.has_begun() {
            let resized = if record.terminal { resize_exec(&entry, &record, size) } else { Ok(()) };
            // One that has ended can't be reached, and needs no size.
            let is_over =
                || ExecRecord::find(&service.containers(), &record.id).is_ok_and(|(_, now)| !now.is_running());
            return match resized {
                Err(error) if !is_over() => Err(error.into()),
                _ => Ok(Response::empty(200)),
            };
        }
        // Clients resize right after the response to start, when the program may not exist yet.
        if Instant::now() >= deadline {
            return Err(ApiError::internal("timeout waiting for exec session ready"));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}
