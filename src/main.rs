use std::process::ExitCode;

fn main() -> ExitCode {
    // Some of rbuild's processes are this program too, and must be that and nothing else from the start.
    rbuild::serve_if_requested().unwrap_or_else(rbuild::main)
}
