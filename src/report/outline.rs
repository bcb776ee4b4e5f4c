//! A plan in short: its settings that are not the defaults.

use super::preview::describe;
use crate::plan::{EvaluatorChoice, Plan, WriterChoice};
use std::fmt::{Debug, Display};

/// The settings of `plan` that differ from the defaults, each with its value.
pub(super) fn outline(plan: &Plan) -> Vec<[String; 2]> {
    let default = match plan.columns.is_some() {
        true => Plan::with_header_columns(""),
        false => Plan::new(crate::plan::Table::new("", Vec::new())),
    };
    let (settings, defaults) = (settings(plan), settings(&default));
    let changed = settings.into_iter().zip(defaults).filter(|(setting, default)| setting != default);
    changed.map(|((name, value), _)| [name.to_owned(), value]).collect()
}

/// All settings with their values.
fn settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut settings = input_settings(plan);
    settings.extend(column_settings(plan));
    settings.extend(record_settings(plan));
    settings.extend(database_settings(plan));
    settings
}

fn input_settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let Plan { dialect, encoding, input_options: options, column_names, notation, nulls, .. } = plan;
    let null_columns = nulls.columns.iter().map(|(column, text)| format!("{column}: {text:?}"));
    vec![
        ("dialect", describe(dialect)),
        ("encoding", optional(encoding.as_ref())),
        ("delimiter is detected", yes_or_no(options.detect_delimiter)),
        ("lines skipped before the header", options.skip_lines.to_string()),
        ("records in the header", options.header_rows.to_string()),
        ("records skipped after the header", options.skip_rows.to_string()),
        ("records skipped at the end", options.skip_footer.to_string()),
        ("empty records are skipped", yes_or_no(options.skip_empty)),
        ("records to read", optional(options.max_records)),
        ("other formats are read as CSV", yes_or_no(options.force)),
        ("names of columns", column_names.join(", ")),
        ("decimal separator", notation.decimal.to_string()),
        ("thousands separator", optional(notation.thousands)),
        ("empty fields are NULL", yes_or_no(nulls.empty)),
        ("fields that mean NULL", quoted_list(&nulls.texts)),
        ("fields that mean NULL in one column", null_columns.collect::<Vec<_>>().join(", ")),
    ]
}

fn column_settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let Plan { input_types, table, columns, conditions, select, .. } = plan;
    let columns = columns.clone().unwrap_or_default();
    let pairs = |pairs: &[(String, String)]| {
        let pairs = pairs.iter().map(|(left, right)| format!("{left} = {right}"));
        pairs.collect::<Vec<_>>().join(", ")
    };
    let groups = |groups: &[Vec<String>]| {
        groups.iter().map(|columns| format!("({})", columns.join(", "))).collect::<Vec<_>>().join(", ")
    };
    let items = columns.select_list.len() + select.as_ref().map_or(0, |select| select.items.len());
    vec![
        ("all columns are TEXT", yes_or_no(input_types.all_text)),
        ("types of columns", pairs(&input_types.types)),
        ("columns loaded", columns.selected.join(", ")),
        ("columns left out", columns.excluded.join(", ")),
        ("columns renamed", pairs(&columns.renamed)),
        ("items of the select list", items.to_string()),
        ("conditions on records", conditions.len().to_string()),
        ("columns of all inputs", yes_or_no(columns.union_by_name)),
        ("a table for each input", yes_or_no(columns.table_per_input)),
        ("column with the name of the input", optional(columns.input_column.as_ref())),
        ("column that numbers the rows", optional(columns.auto_id.as_ref())),
        ("primary key", columns.primary_key.join(", ")),
        ("NOT NULL", columns.not_null.join(", ")),
        ("UNIQUE", groups(&columns.unique)),
        ("indexes", groups(&columns.indexes)),
        ("STRICT", yes_or_no(table.is_strict)),
        ("WITHOUT ROWID", yes_or_no(table.is_without_rowid)),
        ("missing columns are added", yes_or_no(columns.add_columns)),
    ]
}

fn record_settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let Plan { table, policies, .. } = plan;
    vec![
        ("if the table exists", word(table.if_exists)),
        ("a row whose key exists", word(table.on_conflict)),
        ("a record that does not fit", word(policies.on_error)),
        ("rejects allowed", optional(policies.max_errors)),
        ("records with too few or too many fields", word(policies.ragged)),
        ("invalid UTF-8", word(policies.invalid_utf8)),
        ("file for rejects", optional(policies.rejects.as_ref().map(|path| path.display()))),
        ("largest record", format!("{} bytes", policies.max_record_bytes)),
    ]
}

fn database_settings(plan: &Plan) -> Vec<(&'static str, String)> {
    let tuning = &plan.tuning;
    vec![
        ("worker threads", optional(tuning.jobs)),
        ("chunk", format!("{} bytes", tuning.chunk_bytes)),
        (
            "writer",
            match tuning.writer {
                WriterChoice::Auto => String::new(),
                choice => word(choice),
            },
        ),
        ("memory for sorting", format!("{} bytes", tuning.memory_bytes)),
        ("synchronous", tuning.synchronous.as_str().to_owned()),
        ("page size", optional(tuning.page_bytes)),
        ("page cache", format!("{} KiB", tuning.cache_kib)),
        ("wait for locks", format!("{:?}", tuning.busy_timeout)),
        ("rows for each INSERT", tuning.batch_rows.to_string()),
        ("verified", yes_or_no(tuning.verify)),
        ("ANALYZE", yes_or_no(tuning.analyze)),
        ("VACUUM", yes_or_no(tuning.vacuum)),
        ("seed", optional(tuning.seed)),
        ("expressions are evaluated by SQLite", yes_or_no(tuning.evaluator == EvaluatorChoice::Sqlite)),
    ]
}

fn optional(value: Option<impl Display>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn quoted_list(texts: &[String]) -> String {
    texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(", ")
}

/// The name of a choice in lower case.
fn word(choice: impl Debug) -> String {
    format!("{choice:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::IfExists;

    #[test]
    fn only_settings_that_were_changed_are_listed() {
        let mut plan = Plan::with_header_columns("t");
        assert_eq!(outline(&plan), Vec::<[String; 2]>::new());
        plan.table.if_exists = IfExists::Replace;
        plan.input_options.max_records = Some(5);
        plan.nulls.texts = vec!["N/A".to_owned()];
        let expected = [
            ["records to read", "5"],
            ["fields that mean NULL", "\"N/A\""],
            ["if the table exists", "replace"],
        ];
        assert_eq!(outline(&plan), expected.map(|setting| setting.map(str::to_owned)));
    }
}
