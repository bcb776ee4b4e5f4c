//! The program. The library does the work.

use std::process::ExitCode;

fn main() -> ExitCode {
    sqload_ballista::main()
}
