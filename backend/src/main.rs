//! The binary `innovation`.

fn main() -> std::process::ExitCode {
    backend::cli::main()
}
