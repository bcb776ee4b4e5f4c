//! Runs the code blocks of a page.
//!
//! Each section of a page (a heading of level 1 or 2) starts in an empty directory, in which its blocks run in order:
//!
//! - a block with `file=NAME` creates a file,
//! - `sh` blocks and `<!-- setup` comments run; a command that fails ends the script, and the exit code must be 0, or the one
//!   in `exit=N`,
//! - a `text` or `json` block after an `sh` block is its output, apart from times, where `/home/ada` is the directory; a line
//!   `...` stands for any lines,
//! - `rust` blocks are doc tests (see `src/lib.rs`),
//! - `python` blocks of [`PYTHON_PAGES`] are run by the tests of the Python package, except for those with the mark `engine`, which
//!   need an engine that is not installed for tests.
//!
//! An `sh` block with a mark of [`MARKS`] is not run. Its options and paths are checked.

use super::page::{Block, Page, root};
use crate::common::TestDir;
use std::collections::{BTreeSet, HashSet};
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a block is not run.
const MARKS: [(&str, &str); 4] = [
    ("build", "builds the source tree"),
    ("install", "installs software"),
    ("large", "loads millions of rows"),
    ("network", "needs the network"),
];

const PYTHON_PAGES: [&str; 2] = ["docs/python.md", "docs/shards.md"];

/// Programs that may be missing.
const TOOLS: [&str; 7] = ["bzip2", "duckdb", "gzip", "iconv", "jq", "python3", "sqlite3"];

pub(crate) struct Runner {
    /// All options that the help texts name.
    pub(crate) options: HashSet<String>,
    pub(crate) failures: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) run: usize,
}

impl Runner {
    pub(crate) fn new() -> Self {
        let dir = TestDir::new();
        let help = |command| dir.run(&[command, "--help"]).expect_code(0).stdout;
        let help = ["load", "run-pipeline", "check", "create-file"].map(help).concat();
        let is_option_char = |char: char| char == '-' || char.is_ascii_lowercase();
        let words = help.split(|char| !is_option_char(char));
        let options = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
        Self { options, failures: Vec::new(), skipped: Vec::new(), run: 0 }
    }

    pub(crate) fn run_page(&mut self, page: &Page) {
        let sections: BTreeSet<_> = page.blocks.iter().map(|block| block.section).collect();
        for section in sections {
            let blocks = page.blocks.iter().filter(|block| block.section == section);
            self.run_section(page, blocks);
        }
    }

    fn run_section<'b>(&mut self, page: &Page, blocks: impl Iterator<Item = &'b Block>) {
        let dir = TestDir::new();
        // The output of the block before, if that was a script; `None` inside if it did not run.
        let mut output = None;
        let mut missing_tool = None;
        for block in blocks {
            let place = format!("{}:{}", page.path.display(), block.line);
            let expected = output.take();
            if let Some(name) = block.file() {
                dir.write(name, &block.text);
                continue;
            }
            match block.language.as_str() {
                "sh" | "setup" => {
                    missing_tool = missing_tool.or_else(|| missing_program(&block.text));
                    output = Some(self.run_script(&place, block, &dir, missing_tool));
                }
                "text" | "json" if expected.is_some() => {
                    let actual = expected.flatten();
                    if let Some(actual) = actual.filter(|actual| !matches(&block.text, actual)) {
                        let expected = &block.text;
                        self.failures
                            .push(format!("{place}: the output differs\n{expected}--- actual\n{actual}"));
                    }
                }
                "text" if block.attributes == ["figure"] => {}
                "python" if block.attributes == ["engine"] => {
                    self.skipped.push(format!("{place}: needs another engine"));
                }
                "python" if PYTHON_PAGES.iter().any(|path| page.path == Path::new(path)) => {}
                "rust" => {
                    let include = format!("include_str!(\"../{}\")", page.path.display());
                    if !include_str!("../../../src/lib.rs").contains(&include) {
                        self.failures.push(format!("{place}: src/lib.rs has no doc test with {include}"));
                    }
                }
                other => self.failures.push(format!("{place}: this {other:?} block is not tested")),
            }
        }
    }

    /// Returns the output; `None` if the script is skipped or fails.
    fn run_script(
        &mut self,
        place: &str,
        block: &Block,
        dir: &TestDir,
        missing: Option<&str>,
    ) -> Option<String> {
        let mark = block.attributes.iter().find(|attribute| !attribute.starts_with("exit="));
        let mark = mark.map(|mark| (mark, MARKS.iter().find(|(known, _)| known == mark)));
        let reason = match (mark, missing) {
            (Some((_, Some((_, reason)))), _) => (*reason).to_owned(),
            (Some((mark, None)), _) => {
                self.failures.push(format!("{place}: unknown mark {mark:?}"));
                return None;
            }
            (None, Some(tool)) => format!("{tool} is not installed"),
            (None, None) => {
                self.run += 1;
                return self.run_in_shell(place, block, dir);
            }
        };
        self.skipped.push(format!("{place}: {reason}: {}", block.text.lines().next().unwrap_or_default()));
        self.check_words(place, &block.text);
        None
    }

    fn run_in_shell(&mut self, place: &str, block: &Block, dir: &TestDir) -> Option<String> {
        let program = Path::new(env!("CARGO_BIN_EXE_sqload")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
        let mut file = tempfile::tempfile().unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &block.text]).current_dir(dir.path("")).env("PATH", path);
        shell.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file.try_clone().unwrap());
        let status = shell.status().unwrap();
        let mut output = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut output).unwrap();
        if status.code() != Some(block.exit_code()) {
            self.failures.push(format!("{place}: {status}\n{}--- output\n{output}", block.text));
            return None;
        }
        let directory = dir.path("").canonicalize().unwrap();
        Some(output.replace(directory.to_str().unwrap(), "/home/ada"))
    }

    /// Checks what can be checked without running a script: options of sqload, paths, and targets of cargo.
    fn check_words(&mut self, place: &str, script: &str) {
        let manifest = include_str!("../../../Cargo.toml");
        for line in script.lines() {
            let line = line.split(" #").next().unwrap_or_default();
            let options = line.split_once("sqload ").map_or("", |(_, arguments)| arguments).split([' ', '=']);
            for option in options.filter(|word| word.starts_with("--")) {
                if !self.options.contains(option) {
                    self.failures.push(format!("{place}: no such option: {option}"));
                }
            }
            let words: Vec<_> = line.split_whitespace().collect();
            for path in words.iter().filter(|word| word.starts_with("scripts/") || word.starts_with(".ci/")) {
                if !root().join(path).exists() {
                    self.failures.push(format!("{place}: no such file: {path}"));
                }
            }
            for pair in words.windows(2).filter(|pair| ["--bench", "--test", "--example"].contains(&pair[0]))
            {
                if !manifest.contains(&format!("name = \"{}\"", pair[1])) {
                    self.failures.push(format!("{place}: no such target: {} {}", pair[0], pair[1]));
                }
            }
        }
    }
}

/// The first program of [`TOOLS`] that `script` names and that is not installed.
fn missing_program(script: &str) -> Option<&'static str> {
    let words: HashSet<_> = script.split(|char: char| !char.is_alphanumeric()).collect();
    let is_installed = |tool: &str| {
        let path = std::env::var("PATH").unwrap_or_default();
        path.split(':').any(|folder| Path::new(folder).join(tool).exists())
    };
    TOOLS.into_iter().find(|tool| words.contains(tool) && !is_installed(tool))
}

/// Whether `actual` is the output that `expected` describes.
fn matches(expected: &str, actual: &str) -> bool {
    let lines = |text: &str| text.lines().map(without_times).collect::<Vec<_>>();
    lines_match(&lines(expected), &lines(actual))
}

fn lines_match(expected: &[String], actual: &[String]) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((any, rest)) if any == "..." => {
            (0..=actual.len()).any(|skipped| lines_match(rest, &actual[skipped..]))
        }
        Some((first, rest)) => {
            actual.split_first().is_some_and(|(line, others)| line == first && lines_match(rest, others))
        }
    }
}

/// The line, without the time and the rates in a summary: `3 loaded; 0.004 s, 713 rows/s, 0.1 MB/s (direct writer)`.
fn without_times(line: &str) -> String {
    match (line.rfind("; "), line.find("B/s")) {
        (Some(start), Some(end)) if start < end => format!("{}; TIMES{}", &line[..start], &line[end + 3..]),
        _ => line.trim_end().to_owned(),
    }
}

#[test]
fn outputs_are_compared_without_times() {
    let expected = "one\n...\nfour; 0.1 s, 7 rows/s, 0.1 MB/s (direct writer)\n";
    assert!(matches(expected, "one\ntwo\nthree\nfour; 1.5 s, 70 rows/s, 5.1 kB/s (direct writer)\n"));
    assert!(!matches(expected, "one\nfour; 1.5 s, 70 rows/s, 5.1 MB/s (statement writer)\n"));
    assert!(!matches(expected, "one\nfour; 1.5 s, 7 rows/s, 0.1 MB/s (direct writer)\nfive\n"));
}

#[test]
fn stale_blocks_fail() {
    let cases = [
        ("```sh\nsqload load --no-such-option\n```", "exit status: 2"),
        ("```sh\nfalse\ntrue\n```", "exit status: 1"),
        ("```sh,exit=3\ntrue\n```", "exit status: 0"),
        ("<!-- setup\nfalse\n-->", "exit status: 1"),
        ("```sh,large\nsqload load a.csv a.db --no-such-option\n```", "no such option: --no-such-option"),
        ("```sh,build\nscripts/no-such-script 60\n```", "no such file: scripts/no-such-script"),
        ("```sh,build\ncargo bench --bench nothing\n```", "no such target: --bench nothing"),
        ("```sh,later\ntrue\n```", "unknown mark \"later\""),
        ("```sh\necho a\n```\n\n```text\nb\n```", "the output differs"),
        ("```sql\nSELECT 1\n```", "is not tested"),
        ("    indented", "is not tested"),
        ("```rust\nfn main() {}\n```", "no doc test"),
    ];
    for (text, failure) in cases {
        let mut runner = Runner::new();
        runner.run_page(&Page::parse("page.md", format!("{text}\n")));
        assert!(
            matches!(&runner.failures[..], [only] if only.contains(failure)),
            "{text}: {:?}",
            runner.failures
        );
    }
}
