//! Tests that the builder of the library has a setter for every option, with the same defaults.

use super::{Cli, Command};
use clap::{CommandFactory, Parser};
use sqload::plan::{
    CommentPrefix, Delimiter, IfExists, InvalidUtf8, OnConflict, OnError, Plan, Ragged, Synchronous, Type,
    WriterChoice,
};
use sqload::{Format, Loader, demo::people, sql::Pipeline};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

/// Options that are arguments of a function rather than settings of a loader.
const ARGUMENTS: [&str; 15] = [
    "paths",
    "manifest",
    "database",
    "dry_run",
    "explain",
    "quiet",
    "verbose",
    "color",
    "progress",
    "pipeline",
    "input",
    "id",
    "shards_by",
    "into",
    "shards",
];

type Setter = fn(Loader) -> Loader;

/// The options of loads of files: the name of the field, arguments, and the setter to which they correspond.
const SHARED: &[(&str, &[&str], Setter)] = &[
    ("delimiter", &["-d", "||"], |loader| loader.delimiter(Delimiter::new(b"||").unwrap())),
    ("delimiter", &["-d", "blanks"], |loader| loader.delimiter(Delimiter::BLANKS)),
    ("tsv", &["--tsv"], |loader| loader.delimiter(b'\t')),
    ("format", &["--format", "csv"], |loader| loader.format(Format::Csv)),
    ("format", &["--format", "tsv"], |loader| loader.format(Format::Tsv)),
    ("format", &["--format", "excel"], |loader| loader.format(Format::Excel)),
    ("format", &["--format", "mysql", "--tsv"], |loader| loader.format(Format::MySql)),
    ("format", &["--format", "postgres", "-d", ","], |loader| {
        loader.format(Format::Postgres).delimiter(b',')
    }),
    ("format", &["--format", "hive", "--null", "-"], |loader| loader.format(Format::Hive).null("-")),
    ("format", &["--format", "vcf"], |loader| loader.format(Format::Vcf)),
    ("quote", &["--quote", "none"], |loader| loader.quote(None)),
    ("encoding", &["--encoding", "latin1"], |loader| loader.encoding("latin1")),
    ("escape", &["--escape", "\\"], |loader| loader.escape(Some(b'\\'))),
    ("comment", &["--comment", "##"], |loader| loader.comment(CommentPrefix::new(b"##"))),
    ("trim", &["--trim"], |loader| loader.trim(true)),
    ("empty_null", &["--empty-null"], |loader| loader.empty_null(true)),
    ("null", &["--null", "NA", "--null", "-"], |loader| loader.null("NA").null("-")),
    ("null", &["--null", "a=NA", "--null", "=b=c", "--null", "\"a=b\"=c"], |loader| {
        loader.null_in("a", "NA").null("b=c").null_in("a=b", "c")
    }),
    ("decimal", &["--decimal", ","], |loader| loader.decimal(',')),
    ("thousands", &["--thousands", "."], |loader| loader.thousands(Some('.'))),
    ("names", &["--names", "a,b", "--names", "c"], |loader| loader.column_names(["a", "b", "c"])),
    ("skip_rows", &["--skip-rows", "2"], |loader| loader.skip_rows(2)),
    ("skip_footer", &["--skip-footer", "2"], |loader| loader.skip_footer(2)),
    ("skip_empty", &["--skip-empty"], |loader| loader.skip_empty(true)),
    ("types", &["--type", "a=REAL,b=date"], |loader| {
        loader.column_type("a", Type::Real).column_type("b", "date")
    }),
    ("all_text", &["--all-text"], |loader| loader.all_text(true)),
    ("skip_lines", &["--skip-lines", "2"], |loader| loader.skip_lines(2)),
    ("force", &["--force"], |loader| loader.force(true)),
    ("max_record_size", &["--max-record-size", "9"], |loader| loader.max_record_bytes(number(9))),
    ("max_record_size", &["--max-record-size", "1M"], |loader| loader.max_record_bytes(number(1 << 20))),
    ("on_error", &["--on-error", "abort"], |loader| loader.on_error(OnError::Abort)),
    ("on_error", &["--on-error", "skip"], |loader| loader.on_error(OnError::Skip)),
    ("max_errors", &["--max-errors", "9"], |loader| loader.max_errors(9)),
    ("ragged", &["--ragged", "pad"], |loader| loader.ragged(Ragged::Pad)),
    ("ragged", &["--ragged", "fit"], |loader| loader.ragged(Ragged::Fit)),
    ("invalid_utf8", &["--invalid-utf8", "replace"], |loader| loader.invalid_utf8(InvalidUtf8::Replace)),
    ("rejects", &["--rejects", "bad.csv"], |loader| loader.rejects("bad.csv")),
];

/// The options of all loads.
const ALL: &[(&str, &[&str], Setter)] = &[
    ("jobs", &["-j", "3"], |loader| loader.jobs(number(3))),
    ("writer", &["--writer", "direct"], |loader| loader.writer(WriterChoice::Direct)),
    ("writer", &["--writer", "statements"], |loader| loader.writer(WriterChoice::Statements)),
    ("memory", &["--memory", "2"], |loader| loader.memory_bytes(2 << 20)),
    ("memory", &["--memory", "1.5GiB"], |loader| loader.memory_bytes(3 << 29)),
    ("synchronous", &["--synchronous", "normal"], |loader| loader.synchronous(Synchronous::Normal)),
    ("synchronous", &["--synchronous", "full"], |loader| loader.synchronous(Synchronous::Full)),
    ("synchronous", &["--synchronous", "extra"], |loader| loader.synchronous(Synchronous::Extra)),
    ("page_size", &["--page-size", "512"], |loader| loader.page_bytes(512)),
    ("page_size", &["--page-size", "64K"], |loader| loader.page_bytes(65536)),
    ("cache_size", &["--cache-size", "9"], |loader| loader.cache_kib(9)),
    ("cache_size", &["--cache-size", "9M"], |loader| loader.cache_kib(9 << 10)),
    ("busy_timeout", &["--busy-timeout", "500ms"], |loader| loader.busy_timeout(Duration::from_millis(500))),
    ("batch_rows", &["--batch-rows", "9"], |loader| loader.batch_rows(number(9))),
    ("verify", &["--verify"], |loader| loader.verify(true)),
    ("analyze", &["--analyze"], |loader| loader.analyze(true)),
    ("vacuum", &["--vacuum"], |loader| loader.vacuum(true)),
    ("report", &["--report", "-"], |loader| loader.report("-")),
];

/// The options of `load` alone.
const LOAD: &[(&str, &[&str], Setter)] = &[
    ("table", &["-t", "in"], |loader| loader),
    ("replace", &["--replace"], |loader| loader.if_exists(IfExists::Replace)),
    ("append", &["--append"], |loader| loader.if_exists(IfExists::Append)),
    ("truncate", &["--truncate"], |loader| loader.if_exists(IfExists::Truncate)),
    ("limit", &["--limit", "9"], |loader| loader.limit(9)),
    ("no_headers", &["--no-headers"], |loader| loader.header_rows(0)),
    ("header_rows", &["--header-rows", "2"], |loader| loader.header_rows(2)),
    ("union_by_name", &["--union-by-name"], |loader| loader.union_by_name(true)),
    ("table_per_input", &["--table-per-input"], |loader| loader.table_per_input(true)),
    ("file_column", &["--file-column", "f"], |loader| loader.file_column("f")),
    ("columns", &["--columns", "a,b", "--columns", "c"], |loader| loader.columns(["a", "b", "c"])),
    ("select", &["--select", "a, upper(b) AS c"], |loader| loader.select("a, upper(b) AS c").unwrap()),
    ("condition", &["--where", "a > 1"], |loader| loader.filter("a > 1").unwrap()),
    ("rename", &["--rename", "a=b", "--rename", "c=d"], |loader| loader.rename("a", "b").rename("c", "d")),
    ("exclude", &["--exclude", "a,b", "--exclude", "c"], |loader| loader.exclude(["a", "b"]).exclude(["c"])),
    ("pk", &["--pk", "a,b"], |loader| loader.primary_key(["a", "b"])),
    ("auto_id", &["--auto-id", "n"], |loader| loader.auto_id("n")),
    ("not_null", &["--not-null", "a,b"], |loader| loader.not_null(["a"]).not_null(["b"])),
    ("unique", &["--unique", "a,b", "--unique", "c"], |loader| loader.unique(["a", "b"]).unique(["c"])),
    ("index", &["--index", "a,b", "--index", "c"], |loader| loader.index(["a", "b"]).index(["c"])),
    ("strict", &["--strict"], |loader| loader.strict(true)),
    ("without_rowid", &["--without-rowid", "--pk", "a"], |loader| {
        loader.without_rowid(true).primary_key(["a"])
    }),
    ("add_columns", &["--add-columns", "--append"], |loader| {
        loader.add_columns(true).if_exists(IfExists::Append)
    }),
    ("ignore", &["--ignore"], |loader| loader.on_conflict(OnConflict::Ignore)),
    ("upsert", &["--upsert"], |loader| loader.on_conflict(OnConflict::Update)),
];

/// The options of `run-pipeline` alone.
const PIPELINE: &[(&str, &[&str], Setter)] = &[
    ("replace", &["--replace"], |loader| loader.if_exists(IfExists::Replace)),
    ("append", &["--append"], |loader| loader.if_exists(IfExists::Append)),
];

fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

/// The plan of a command line.
fn plan(command: &[&str], options: &[&str]) -> Plan {
    let cli = Cli::parse_from([&["sqload"], command, options].concat());
    let loader = match cli.command.unwrap() {
        Command::Load(load) => load.loader(),
        Command::RunPipeline(pipeline) | Command::Check(pipeline) => pipeline.loader(),
        Command::Merge(merge) => merge.loader(),
        Command::CreateFile(_) | Command::Completions(_) | Command::Man(_) => panic!("not a load"),
    };
    without_names(loader.unwrap().plan().clone())
}

/// The plan without the names of the SQL texts, which appear only in messages.
fn without_names(mut plan: Plan) -> Plan {
    plan.column_refs.iter_mut().for_each(|column_ref| column_ref.place.file = "".into());
    plan
}

/// Asserts that each option of a command equals a setter, and that no option is forgotten.
fn assert_setters(command: &[&str], loader: &Loader, cases: &[&[(&str, &[&str], Setter)]]) {
    let default = without_names(loader.plan().clone());
    assert_eq!(plan(command, &[]), default, "the defaults of {command:?}");
    let cases = cases.concat();
    for (name, options, setter) in &cases {
        let expected = without_names(setter(loader.clone()).plan().clone());
        assert_eq!(plan(command, options), expected, "{name}");
    }
    let definition = Cli::command();
    let definition = definition.find_subcommand(command[0]).unwrap();
    let options: BTreeSet<_> =
        definition.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    let tested = cases.iter().map(|(name, ..)| *name).chain(ARGUMENTS).collect();
    let missing: Vec<_> = options.difference(&tested).collect();
    assert!(missing.is_empty(), "{missing:?} have no setter");
}

#[test]
fn load_has_the_options_and_defaults_of_a_new_loader() {
    assert_setters(&["load", "in.csv", "out.db"], &Loader::new("in"), &[ALL, SHARED, LOAD]);
}

#[test]
fn merge_has_options_of_a_new_loader() {
    let existing = LOAD.iter().filter(|(name, ..)| ["replace", "append", "truncate"].contains(name));
    let existing: Vec<_> =
        existing.copied().chain([("table", &[][..], (|loader| loader) as Setter)]).collect();
    assert_setters(&["merge", "manifest.json", "out.db", "-t", "in"], &Loader::new("in"), &[ALL, &existing]);
}

#[test]
fn run_pipeline_has_the_options_and_defaults_of_a_pipeline() {
    let pipeline = Pipeline::parse("data/people.sql", people::SQL).unwrap();
    assert_setters(&["run-pipeline"], &Loader::from(pipeline.clone()), &[ALL, SHARED, PIPELINE]);
    assert_setters(&["check"], &Loader::from(pipeline), &[ALL, SHARED, PIPELINE]);
}
