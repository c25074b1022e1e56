use std::process::ExitCode;

fn main() -> ExitCode {
    // A container's init is this program too; it must be that and nothing else from the start.
    rbuild::container::sandbox::init_if_requested();
    rbuild::cli::main()
}
