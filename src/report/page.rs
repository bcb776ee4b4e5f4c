//! The report as a page of HTML.

use super::file::{LoadArguments, Outcome};
use super::html::Page;
use super::note::text_reason;
use super::outline::outline;
use super::preview::PreviewReport;
use super::throughput::Throughput;
use super::{Explanation, Note, Progress, Report, ReportColumn, Stages, TableReport, count, grouped};
use crate::error::{Error, Warning, with_causes};
use crate::plan::Plan;
use serde::Serialize;

/// How the page words errors, warnings and notes. The default is as they are; a program can add what its user can do.
#[derive(Debug, Clone, Copy)]
pub struct Phrases {
    /// Words an error.
    pub error: fn(&Error) -> String,
    /// Words a warning.
    pub warning: fn(&Warning) -> String,
    /// Words a note.
    pub note: fn(&Note) -> String,
}

impl Default for Phrases {
    fn default() -> Self {
        Self { error: |error| with_causes(error), warning: Warning::to_string, note: Note::to_string }
    }
}

/// What the page shows beside the outcome of a load. Only `phrases` is known of a load that did not begin.
#[derive(Debug, Default)]
pub(crate) struct PageContext<'c> {
    pub(crate) phrases: Phrases,
    pub(crate) plan: Option<&'c Plan>,
    pub(crate) progress: Option<&'c Progress>,
    pub(crate) throughput: Throughput,
}

/// The content of a report, for programs and as parts of a page.
pub(crate) trait Content: Serialize {
    /// The inputs and the database.
    fn arguments(&self) -> LoadArguments;

    /// The summary, as on a terminal; `None` if the load failed.
    fn summary(&self, phrases: &Phrases) -> Option<String>;

    /// Adds what the summary does not say.
    fn write_details(&self, page: &mut Page, phrases: &Phrases);
}

/// An explained load.
#[derive(Debug, Serialize)]
pub(crate) struct ExplainedLoad<'e> {
    #[serde(flatten)]
    pub(crate) arguments: LoadArguments,
    #[serde(skip)]
    pub(crate) explanation: &'e Explanation,
}

impl<T: Content> Outcome<'_, T> {
    /// The page.
    pub(super) fn page(&self, context: &PageContext<'_>) -> String {
        let Self { status, exit_code, cause, content, .. } = self;
        let PageContext { phrases, plan, progress, throughput } = context;
        let LoadArguments { inputs, database } = content.arguments();
        let mut page = Page::new(&format!("sqload: {status} {database}"));
        page.markup("<h1>");
        let class = match (cause, exit_code) {
            (None, 0) => "status",
            (None, _) => "status rejects",
            (Some(_), _) => "status failed",
        };
        page.element(&format!("span class=\"{class}\""), status);
        page.element("span", format!("{} → {database}", name_inputs(&inputs)));
        page.markup("</h1>\n");
        if let Some(error) = cause {
            page.element("pre class=\"error\"", (phrases.error)(error));
            page.list("Warnings", error.warnings().iter().map(phrases.warning));
        }
        if let Some(summary) = content.summary(phrases) {
            page.heading("Summary");
            page.element("pre", summary);
        }
        if let Some(chart) = throughput.chart() {
            page.heading("Rows per second");
            page.markup(&chart);
        }
        content.write_details(&mut page, phrases);
        progress.iter().for_each(|progress| write_rejects(&mut page, progress));
        page.heading("Plan");
        write_plan(&mut page, &inputs, database, *exit_code, *plan);
        page.finish()
    }
}

fn name_inputs(inputs: &[String]) -> String {
    match inputs {
        [input] => input.clone(),
        inputs => count(inputs.len() as u64, "input"),
    }
}

fn write_rejects(page: &mut Page, progress: &Progress) {
    let rejects = progress.first_rejects();
    if rejects.is_empty() {
        return;
    }
    page.heading("First rejected records");
    let rows = rejects.iter().map(|reject| {
        let position = &reject.position;
        let (record, line) = (grouped(position.record), position.line.map_or(String::new(), grouped));
        [position.input.to_string(), record, line, reject.reason.to_string(), reject.start.clone()]
    });
    page.table(["input", "record#", "line#", "reason", "start of the record"], rows);
}

fn write_plan(page: &mut Page, inputs: &[String], database: String, exit_code: u8, plan: Option<&Plan>) {
    /// The number of inputs to list.
    const MAX_INPUTS: usize = 100;
    let mut list = inputs[..inputs.len().min(MAX_INPUTS)].join("\n");
    if inputs.len() > MAX_INPUTS {
        list += &format!("\nand {} more", inputs.len() - MAX_INPUTS);
    }
    let mut rows = vec![["inputs".to_owned(), list], ["database".to_owned(), database]];
    if let Some(plan) = plan {
        if plan.columns.as_ref().is_none_or(|columns| !columns.table_per_input) {
            rows.push(["table".to_owned(), plan.table.name.clone()]);
        }
        rows.extend(outline(plan));
    }
    rows.push(["exit code".to_owned(), exit_code.to_string()]);
    page.table(["setting", "value"], rows);
    let statements = plan.iter().flat_map(|plan| plan.table.sql.iter().chain(&plan.table.indexes));
    let statements: Vec<_> = statements.map(|sql| format!("{sql};")).collect();
    if !statements.is_empty() {
        page.element("pre", statements.join("\n"));
    }
}

impl Content for LoadArguments {
    fn arguments(&self) -> LoadArguments {
        self.clone()
    }

    fn summary(&self, _: &Phrases) -> Option<String> {
        None
    }

    fn write_details(&self, _: &mut Page, _: &Phrases) {}
}

impl Content for ExplainedLoad<'_> {
    fn arguments(&self) -> LoadArguments {
        self.arguments.clone()
    }

    fn summary(&self, _: &Phrases) -> Option<String> {
        Some(self.explanation.to_string())
    }

    fn write_details(&self, _: &mut Page, _: &Phrases) {}
}

impl Content for PreviewReport<'_> {
    fn arguments(&self) -> LoadArguments {
        let inputs = self.inputs.iter().map(|input| (*input).to_owned()).collect();
        LoadArguments { inputs, database: self.database.clone() }
    }

    fn summary(&self, phrases: &Phrases) -> Option<String> {
        Some(self.preview.summary(phrases.note, phrases.warning))
    }

    fn write_details(&self, page: &mut Page, phrases: &Phrases) {
        for table in std::iter::once(self).chain(&self.other_tables) {
            write_remarks(page, phrases, table.warnings, table.notes);
        }
    }
}

impl Content for &Report {
    fn arguments(&self) -> LoadArguments {
        LoadArguments::new(&self.inputs, &self.database)
    }

    fn summary(&self, phrases: &Phrases) -> Option<String> {
        Some(Report::summary(self, phrases.note, phrases.warning))
    }

    fn write_details(&self, page: &mut Page, phrases: &Phrases) {
        page.heading("Records");
        write_counts(page, self);
        if self.tables.is_empty() {
            page.heading("Columns");
            write_columns(page, &self.columns, &self.notes);
        }
        for table in &self.tables {
            page.heading(format!("Columns of {}, from {}", table.table, table.input));
            write_columns(page, &table.columns, &table.notes);
        }
        let table_notes = self.tables.iter().flat_map(|table| &table.notes);
        write_remarks(page, phrases, &self.warnings, self.notes.iter().chain(table_notes));
        page.heading("Writer");
        write_writers(page, self);
        page.heading("Time");
        write_stages(page, self);
    }
}

const COUNTS: [&str; 9] =
    ["table", "read#", "loaded#", "inserted#", "updated#", "rejected#", "filtered#", "skipped#", "ignored#"];

fn count_row(table: &str, counts: [u64; 8]) -> [String; 9] {
    let [read, loaded, inserted, updated, rejected, filtered, skipped, ignored] = counts.map(grouped);
    [table.to_owned(), read, loaded, inserted, updated, rejected, filtered, skipped, ignored]
}

fn write_counts(page: &mut Page, report: &Report) {
    let of_table = |table: &TableReport| {
        let TableReport { records, loaded, inserted, updated, rejected, .. } = *table;
        let counts =
            [records, loaded, inserted, updated, rejected, table.filtered, table.skipped, table.ignored];
        count_row(&table.table, counts)
    };
    let Report { records, loaded, inserted, updated, rejected, filtered, skipped, ignored, .. } = *report;
    let all = match report.tables.is_empty() {
        true => &report.table,
        false => "all tables",
    };
    let all = count_row(all, [records, loaded, inserted, updated, rejected, filtered, skipped, ignored]);
    page.table(COUNTS, report.tables.iter().map(of_table).chain([all]));
}

fn write_columns(page: &mut Page, columns: &[ReportColumn], notes: &[Note]) {
    let rows = columns.iter().map(|ReportColumn { name, declaration, format }| {
        let reason = notes.iter().find_map(|note| match note {
            Note::TextColumn { column, reason, examples }
            | Note::TextUsedAsNumber { column, reason, examples }
                if column == name =>
            {
                Some(text_reason(reason, examples))
            }
            _ => None,
        });
        let format = format.map_or(String::new(), |format| format.to_string());
        [name.clone(), declaration.clone(), format, reason.unwrap_or_default()]
    });
    page.table(["column", "declared", "format of the numbers", "why it is TEXT"], rows);
}

fn write_remarks<'n>(
    page: &mut Page,
    phrases: &Phrases,
    warnings: &[Warning],
    notes: impl IntoIterator<Item = &'n Note>,
) {
    page.list("Warnings", warnings.iter().map(phrases.warning));
    page.list("Notes", notes.into_iter().map(phrases.note));
}

fn write_writers(page: &mut Page, report: &Report) {
    let row = |table: &str, writer: &str, reason: Option<&String>| {
        let reason = match (writer, reason) {
            (_, Some(reason)) => reason.as_str(),
            ("direct", None) => "the rows can be written as finished pages",
            _ => "the plan asks for it",
        };
        [table, writer, reason].map(str::to_owned)
    };
    let of_table = |table: &TableReport| row(&table.table, table.writer, table.writer_reason.as_ref());
    let headings = ["table", "writer", "why"];
    match report.tables.as_slice() {
        [] => page.table(headings, [row(&report.table, report.writer, report.writer_reason.as_ref())]),
        tables => page.table(headings, tables.iter().map(of_table)),
    }
}

fn write_stages(page: &mut Page, report: &Report) {
    let Stages { split_seconds, parse_seconds, write_seconds, finish_seconds } = report.stages;
    let row = |stage: &str, threads: usize, seconds: f64, work: &str| {
        [stage.to_owned(), threads.to_string(), format!("{seconds:.3}"), work.to_owned()]
    };
    let rows = [
        row("split", 1, split_seconds, "cuts the inputs into chunks"),
        row("parse", report.jobs, parse_seconds, "parses, evaluates and encodes, summed over the threads"),
        row("write", 1, write_seconds, "writes rows"),
        row("finish", 1, finish_seconds, "creates indexes, syncs, and puts the database into place"),
        row("whole load", report.jobs, report.seconds, "stages overlap"),
    ];
    page.table(["stage", "threads#", "busy for seconds#", "what it does"], rows);
}
