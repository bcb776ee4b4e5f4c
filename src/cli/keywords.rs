//! Loads for host programs such as Python, whose options are keywords: `on_error="skip"` stands for `--on-error skip`.
//!
//! The host passes keywords as arguments, so that both have the same names, checks and defaults. Messages name keywords.

use super::run::{LoadRequest, Task, load_inputs};
use super::types::{TypeList, parse_types};
use super::{Cli, Command, remedy, terminal};
use clap::{Arg, CommandFactory, Parser};
use sqload::report::{ExplainedLoad, LoadArguments, Outcome, Report};
use sqload::{FileFormat, Kind, Loader};
use std::cell::Cell;
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, atomic::AtomicBool};

/// A load whose options are keywords.
#[derive(Debug)]
pub struct KeywordLoad {
    cli: Cli,
    caller: Caller,
}

/// The report of a load, in the words of the host program.
#[derive(Debug)]
pub struct LoadReport {
    /// The report in JSON.
    pub json: String,
    /// The summary for people.
    pub summary: String,
}

/// Why a load failed, in the words of the host program.
#[derive(Debug)]
pub struct LoadFailure {
    /// The error.
    pub error: sqload::Error,
    /// Its message, with advice and its causes.
    pub message: String,
    /// What looked wrong in the inputs before the error, with advice.
    pub warnings: Vec<String>,
}

impl LoadFailure {
    fn new(error: sqload::Error) -> Self {
        let warnings = error.warnings().iter().map(remedy::phrase_warning).collect();
        Self { message: terminal::describe_error(&error), warnings, error }
    }
}

/// Runs what needs no arguments, for a host program that has data of its own.
///
/// # Errors
/// Those of `run`.
pub fn run_for_host<T>(run: impl FnOnce() -> sqload::Result<T>) -> Result<T, LoadFailure> {
    run_for(Caller::Writer, run)
}

impl KeywordLoad {
    /// A load with these arguments: a command and its options.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the arguments are wrong.
    pub fn new(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, LoadFailure> {
        Self::for_caller(Caller::Host, arguments)
    }

    fn for_caller(
        caller: Caller,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, LoadFailure> {
        let arguments = std::iter::once("sqload".into()).chain(arguments);
        let usage = |error: clap::Error| sqload::Error::from(Kind::Usage(usage_message(&error.to_string())));
        run_for(caller, || Ok(Self { cli: Cli::try_parse_from(arguments).map_err(usage)?, caller }))
    }

    /// A load of data that the host program has, with these arguments. The path of its input does not matter.
    ///
    /// # Errors
    /// [`Kind::Usage`] if the arguments are wrong.
    pub fn of_data(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, LoadFailure> {
        Self::for_caller(Caller::Writer, arguments)
    }

    /// Runs the load, unless `stop` is set before it is complete. Prints nothing, unless a file of the load is `-`.
    ///
    /// # Errors
    /// Those of the library.
    pub fn run(&self, stop: Arc<AtomicBool>) -> Result<LoadReport, LoadFailure> {
        run_for(self.caller, || self.try_run(stop))
    }

    /// Has `load` load data of the host program into a database, unless `stop` is set before the load is complete. Prints
    /// nothing.
    ///
    /// # Errors
    /// Those of the library.
    pub fn run_on_data(
        &self,
        stop: Arc<AtomicBool>,
        load: impl FnOnce(&Loader, &Path) -> sqload::Result<Report>,
    ) -> Result<LoadReport, LoadFailure> {
        self.run_with_loader(stop, |loader, database| LoadReport::of_load(&load(loader, database)?))
    }

    /// Has `run` use the loader of these arguments and the path of the database. The loader stops when `stop` is set, and prints
    /// nothing.
    ///
    /// # Errors
    /// Those of the library.
    pub fn run_with_loader<T>(
        &self,
        stop: Arc<AtomicBool>,
        run: impl FnOnce(&Loader, &Path) -> sqload::Result<T>,
    ) -> Result<T, LoadFailure> {
        run_for(self.caller, || {
            let LoadRequest { loader, database, .. } = self.request(stop)?;
            run(&loader?, &database)
        })
    }

    fn try_run(&self, stop: Arc<AtomicBool>) -> sqload::Result<LoadReport> {
        let LoadRequest { loader, inputs, database, task, .. } = self.request(stop)?;
        let loader = loader?;
        match task {
            Task::Load | Task::LoadShards(..) | Task::Merge => {
                LoadReport::of_load(&load_inputs(&loader, &task, &inputs, &database)?.0)
            }
            Task::Preview => {
                let preview = loader.preview(&inputs, &database)?;
                let summary = preview.summary(remedy::phrase_note, remedy::phrase_warning);
                let failure = preview.load_failure().map(|error| terminal::describe_error(error));
                let failure = failure.map_or(String::new(), |failure| format!("\n{failure}"));
                LoadReport::new(preview.outcome().json(), summary + &failure)
            }
            Task::Explain => {
                let explanation = &loader.explain(&inputs, &database)?;
                let arguments = LoadArguments::new(&inputs, &database);
                let outcome = Outcome::success("explained", 0, ExplainedLoad { arguments, explanation });
                LoadReport::new(outcome.json(), explanation.to_string())
            }
        }
    }

    /// The request, to which the advice of this thread is suited.
    fn request(&self, stop: Arc<AtomicBool>) -> sqload::Result<LoadRequest<'_>> {
        let mut request = match &self.cli.command {
            Some(Command::Load(load)) => load.request(),
            Some(Command::RunPipeline(pipeline)) => pipeline.request(),
            _ => return Err(Kind::Internal("this command has no keywords".to_owned()).into()),
        };
        remedy::set_given(request.given);
        let write_failure = request.failure_report();
        // The error of the load matters more than that of its report.
        request.loader = request.loader.inspect_err(|error| drop(write_failure(error)));
        request.loader = request.loader.map(|loader| loader.stop(stop).phrases(terminal::PHRASES));
        Ok(request)
    }
}

impl LoadReport {
    fn of_load(report: &Report) -> sqload::Result<Self> {
        let summary = report.summary(remedy::phrase_note, remedy::phrase_warning);
        let advice = remedy::for_report(report).map(|advice| format!("\n{advice}"));
        Self::new(report.outcome().json(), summary + &advice.unwrap_or_default())
    }

    fn new(json: std::io::Result<Vec<u8>>, summary: String) -> sqload::Result<Self> {
        let json = json.map_err(|error| Kind::Internal(error.to_string()))?;
        Ok(Self { json: String::from_utf8_lossy(&json).into_owned(), summary })
    }
}

/// Who called this thread, as far as messages depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// A user of the command line.
    Program,
    /// A host program that loads files.
    Host,
    /// A host program that writes data of its own. Some keywords have other names.
    Writer,
}

thread_local! {
    static CALLER: Cell<Caller> = const { Cell::new(Caller::Program) };
}

/// True if this thread runs a load of a host program.
pub(super) fn is_host() -> bool {
    CALLER.get() != Caller::Program
}

/// Runs a load on this thread.
fn run_for<T>(caller: Caller, run: impl FnOnce() -> sqload::Result<T>) -> Result<T, LoadFailure> {
    let previous = CALLER.replace(caller);
    let result = run().map_err(LoadFailure::new);
    CALLER.set(previous);
    result
}

/// Advice on errors where that of the command line would not help a host program.
pub(super) fn for_error(kind: &Kind) -> Option<&'static str> {
    let advice = match kind {
        Kind::NotADatabase { .. } | Kind::NotCsv { format: FileFormat::Sqlite, .. } => {
            "the inputs come first, and the database second"
        }
        Kind::Url { .. } => "download it, and load the file",
        _ => return None,
    };
    is_host().then_some(advice)
}

/// The name of an option; for a host program, the keyword.
pub(super) fn name(option: &str) -> String {
    let keyword = option.trim_start_matches('-').replace('-', "_");
    match (CALLER.get(), keyword.as_str()) {
        (Caller::Program, _) => option.to_owned(),
        (Caller::Writer, "pk") => "primary_key".to_owned(),
        (Caller::Writer, "shards_by") => "by".to_owned(),
        (_, "input") => "inputs".to_owned(),
        _ => keyword,
    }
}

/// Advice for the caller: for a host program, with keywords in place of options.
pub(super) fn reword(advice: &str) -> String {
    if !is_host() {
        return advice.to_owned();
    }
    replace_options(advice, |option, after| {
        let name = option.get_long().unwrap_or_default();
        match value_of(option, after) {
            Some((_, rest)) if CALLER.get() == Caller::Writer && EXISTING.contains(&name) => {
                (format!("if_exists={name:?}"), rest)
            }
            Some((value, rest)) => (format!("{}={value}", self::name(name)), rest),
            None => (self::name(name), after),
        }
    })
}

/// Options that are values of one keyword for [`Caller::Writer`].
const EXISTING: [&str; 3] = ["append", "replace", "truncate"];

/// The message of a usage error, with keywords in place of options.
fn usage_message(error: &str) -> String {
    let problem = error.split("\n\n").next().unwrap_or_default();
    let problem = problem.strip_prefix("error: ").unwrap_or(problem);
    let lines: Vec<_> = problem.lines().map(str::trim).collect();
    // As in: invalid value 'x' for '--limit <N>'
    let after_value = |after: &str| match after.starts_with([' ', '=', '[']) {
        true => after.find('\'').filter(|end| after[..*end].ends_with(['>', ']', '.'])).unwrap_or(0),
        false => 0,
    };
    replace_options(&lines.join(" "), |option, after| {
        (name(option.get_long().unwrap_or_default()), &after[after_value(after)..])
    })
}

/// Replaces options. `keyword` returns what takes the place of an option, and the rest of the text after it.
fn replace_options(text: &str, keyword: impl for<'t> Fn(&Arg, &'t str) -> (String, &'t str)) -> String {
    let definition = Cli::command();
    let commands = ["load", "run-pipeline"].map(|name| definition.find_subcommand(name));
    let arguments: Vec<_> = commands.into_iter().flatten().flat_map(clap::Command::get_arguments).collect();
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("--") {
        let is_in_name = |char: char| char.is_ascii_lowercase() || char == '-';
        let (name, after) = after.split_at(after.find(|char| !is_in_name(char)).unwrap_or(after.len()));
        let argument = arguments.iter().find(|argument| argument.get_long() == Some(name));
        let (replacement, after) = match argument {
            Some(argument) => keyword(argument, after),
            None => (format!("--{name}"), after),
        };
        result = result + before + &replacement;
        rest = after;
    }
    result + rest
}

/// The value of an option in an advice as Python writes it, and the rest of the text. Prose is no value.
fn value_of<'t>(option: &Arg, text: &'t str) -> Option<(String, &'t str)> {
    if !option.get_action().takes_values() {
        return Some(("True".to_owned(), text));
    }
    let value = text.strip_prefix([' ', '='])?;
    let (word, rest) = match value.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'')?,
        None => value.split_at(value.find([' ', ',', ';', ':']).unwrap_or(value.len())),
    };
    let is_placeholder =
        || option.get_value_names().is_some_and(|names| names.iter().any(|name| name == word));
    let is_possible = || option.get_possible_values().iter().any(|possible| possible.matches(word, false));
    let written = if option.get_long() == Some("type") {
        let TypeList(types) = parse_types(word).ok()?;
        let types = types.iter().map(|(column, declared)| format!("{column:?}: {declared:?}"));
        format!("{{{}}}", types.collect::<Vec<_>>().join(", "))
    } else if word.parse::<u64>().is_ok() || is_placeholder() {
        word.to_owned()
    } else if value.starts_with('\'') || word.starts_with("utf-") || is_possible() {
        format!("{word:?}")
    } else {
        return None;
    };
    Some((written, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reworded(caller: Caller, advice: &str) -> String {
        run_for(caller, || Ok(reword(advice))).unwrap()
    }

    #[test]
    fn advice_for_host_programs_names_keywords() {
        for (advice, expected) in [
            (
                "fix the input, or use --on-error skip to load",
                "fix the input, or use on_error=\"skip\" to load",
            ),
            ("use --trim to remove blanks", "use trim=True to remove blanks"),
            ("leave it out of --select or rename it", "leave it out of select or rename it"),
            ("use --skip-lines 1 --no-headers", "use skip_lines=1 no_headers=True"),
            ("with --type 'a b=TEXT', or", "with type={\"a b\": \"TEXT\"}, or"),
            ("with --type a=REAL", "with type={\"a\": \"REAL\"}"),
            ("use --escape '\\'", "use escape=\"\\\\\""),
            ("use --encoding utf-16le", "use encoding=\"utf-16le\""),
            ("use --rejects FILE to", "use rejects=FILE to"),
            ("name it with --database; or --input", "name it with database; or inputs"),
            ("--unknown is kept", "--unknown is kept"),
        ] {
            assert_eq!(reworded(Caller::Host, advice), expected);
            assert_eq!(reword(advice), advice);
        }
        let expected = "use if_exists=\"append\", or correct primary_key";
        assert_eq!(reworded(Caller::Writer, "use --append, or correct --pk"), expected);
        assert_eq!(name("--max-errors"), "--max-errors");
    }

    #[test]
    fn usage_errors_for_host_programs_name_keywords() {
        let message = |arguments: &[&str]| {
            let failure = KeywordLoad::new(arguments.iter().map(OsString::from)).unwrap_err();
            assert!(matches!(failure.error.kind(), Kind::Usage(_)));
            failure.message
        };
        for (option, expected) in [
            (&["--replace", "--append"][..], "the argument 'replace' cannot be used with 'append'"),
            (&["--ragged=cut"], "invalid value 'cut' for 'ragged' [possible values: reject, pad, fit]"),
            (&["--limit=x"], "invalid value 'x' for 'limit': invalid digit found in string"),
            (&["--trim=yes"], "unexpected value 'yes' for 'trim' found; no more were expected"),
            (&["--limit"], "a value is required for 'limit' but none was supplied"),
        ] {
            assert_eq!(message(&[&["load"], option, &["--", "a.csv", "a.db"]].concat()), expected);
        }
    }
}
