use std::process::ExitCode;

fn main() -> ExitCode {
    // A container's init is this program too; it must be that and nothing else from the start.
    rbuild::container::sandbox::init_if_requested();
    // So is what the API's service leaves to processes of their own.
    if let Some(code) = rbuild::api::work_if_requested() {
        return code;
    }
    rbuild::cli::main()
}
