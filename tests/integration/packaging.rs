//! What packages need from the program: `--version --verbose`, `completions` and `man`.

use crate::common::{TestDir, assert_contains};
use std::process::{Command, Stdio};

#[test]
fn verbose_version_prints_features_and_the_build_of_sqlite() {
    let dir = TestDir::new();
    for arguments in [["--version", "--verbose"], ["-V", "-v"], ["--verbose", "--version"]] {
        let version = dir.run(&arguments).expect_code(0);
        let first_line = concat!("sqload ", env!("CARGO_PKG_VERSION"), "\n");
        assert!(version.stdout.starts_with(first_line), "{}", version.stdout);
        let sqlite = format!("\nSQLite: {}\n", rusqlite::version());
        let expected = ["\nfeatures: cli bzip2 gzip tar xz zip zstd\n", &sqlite, "\n  THREADSAFE=2\n"];
        assert_contains(&version.stdout, expected);
        assert_eq!(version.stderr, "");
    }
    assert_eq!(dir.run(&["-Vv"]).stdout, dir.run(&["-V", "-v"]).stdout);
    // Commands have a --verbose of their own.
    assert_contains(&dir.run(&["--verbose"]).expect_code(2).stderr, ["--version"]);
}

/// Runs a program that reads `file`, if it is installed. Asserts that it succeeds without complaints, and returns its output.
#[track_caller]
fn run_if_installed(program: &str, options: &[&str], file: &std::path::Path) -> Option<String> {
    let output = match Command::new(program).args(options).arg(file).stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: {program}: {error}");
            return None;
        }
    };
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{program} {}: {complaints}", file.display());
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn completions_name_all_commands_and_options() {
    let dir = TestDir::new();
    for (shell, prefix) in [("bash", "--"), ("zsh", "--"), ("fish", "-l ")] {
        let script = dir.run(&["completions", shell]).expect_code(0);
        let option = |name: &str| format!("{prefix}{name}");
        assert_contains(
            &script.stdout,
            ["load", "run-pipeline", "create-file", "check", "merge", "completions", "man"],
        );
        let options = ["number-rows", "database", "on-error", "table-per-input", "synchronous", "output"];
        options.iter().for_each(|name| assert_contains(&script.stdout, [option(name).as_str()]));
        dir.write(shell, &script.stdout);
        run_if_installed(shell, &["-n"], &dir.path(shell));
    }
    assert_contains(&dir.run(&["completions", "csh"]).expect_code(2).stderr, ["bash", "fish", "zsh"]);
}

#[test]
fn bash_completes_commands_and_options() {
    let dir = TestDir::new();
    dir.write("sqload.bash", &dir.run(&["completions", "bash"]).expect_code(0).stdout);
    let complete = |words: &str| {
        let script = format!(
            "source ./sqload.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
            _sqload sqload \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(dir.path(".")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("sqload run"), "run-pipeline\n");
    assert_eq!(complete("sqload load --table-"), "--table-per-input\n");
    assert_eq!(complete("sqload load --on-error s"), "skip\n");
}

/// One page for each command.
const PAGES: [&str; 8] = [
    "sqload-check.1",
    "sqload-completions.1",
    "sqload-create-file.1",
    "sqload-load.1",
    "sqload-man.1",
    "sqload-merge.1",
    "sqload-run-pipeline.1",
    "sqload.1",
];

#[test]
fn every_command_has_a_man_page_that_renders() {
    let dir = TestDir::new();
    let outcome = dir.run(&["man", "--output", "share/man1"]).expect_code(0);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    let mut pages: Vec<_> = std::fs::read_dir(dir.path("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(pages, PAGES);
    for page in PAGES {
        let path = dir.path("share/man1").join(page);
        let source = std::fs::read_to_string(&path).unwrap();
        assert_contains(&source, [".TH ", concat!("sqload ", env!("CARGO_PKG_VERSION")), ".SH NAME"]);
        let options = ["-man", "-Tutf8", "-ww", "-P-cbou"];
        let Some(text) = run_if_installed("groff", &options, &path) else { continue };
        assert_contains(&text, [page.trim_end_matches(".1"), "SYNOPSIS"]);
    }
    let load = std::fs::read_to_string(dir.path("share/man1/sqload-load.1")).unwrap();
    assert_contains(&load, [".SH EXAMPLES\n", ".SH \"EXIT CODES\"\n", "\\-\\-table\\-per\\-input"]);
}

#[test]
fn man_pages_that_cannot_be_written_are_an_error() {
    let dir = TestDir::new();
    dir.write("file", "");
    let outcome = dir.run(&["man", "--output", "file"]).expect_code(1);
    assert_contains(&outcome.stderr, ["cannot write man pages to file: "]);
}
