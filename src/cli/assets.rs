//! `completions` and `man`: files that packages install beside the program.

use super::{Cli, terminal, version::VERSION};
use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell that reads the script.
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct WriteMan {
    /// Write the pages to DIR, which is created if it does not exist.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

/// Prints the completion script of a shell.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_completions(Completions { shell }: &Completions) -> io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Cli::command(), "sqload", &mut script);
    terminal::print(String::from_utf8_lossy(&script).trim_end())
}

/// Writes a man page for the program, and one for each subcommand.
///
/// # Errors
/// If the pages cannot be written.
pub(super) fn write_man_pages(WriteMan { output }: &WriteMan) -> io::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    // Subcommands know their full names only after this.
    program.build();
    let commands = program.get_subcommands().cloned().collect::<Vec<_>>().into_iter().chain([program]);
    let write = || {
        std::fs::create_dir_all(output)?;
        commands.into_iter().try_for_each(|command| write_man_page(command, output))
    };
    write().map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write man pages to {}: {error}", output.display()))
    })
}

/// Writes the man page of a command. The text after its help has paragraphs such as "Examples: ...", which become sections.
fn write_man_page(command: Command, directory: &Path) -> io::Result<()> {
    let notes = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let page = Man::new(command.after_help(None)).source(VERSION);
    let mut bytes = Vec::new();
    page.render(&mut bytes)?;
    for (heading, text) in notes.split("\n\n").filter_map(|paragraph| paragraph.split_once(':')) {
        let mut section = Roff::new();
        section.control("SH", [heading.to_uppercase().as_str()]);
        for line in text.trim().lines() {
            section.text([roman(line.trim())]).control("br", []);
        }
        section.to_writer(&mut bytes)?;
    }
    std::fs::write(directory.join(page.get_filename()), bytes)
}
