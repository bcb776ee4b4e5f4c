//! Checks of plans.

use crate::error::{Kind, PlanError, Result};
use crate::files::output::is_stdout;
use crate::plan::{Dialect, Escapes, HeaderColumns, InvalidUtf8, Notation, Plan};
use crate::types::{is_strict_type, is_type_name};

/// Checks that the settings of a plan do not contradict each other.
///
/// # Errors
/// [`Kind::Plan`], [`Kind::Usage`].
pub(super) fn validate(plan: &Plan) -> Result<()> {
    const MAX_RECORD_BYTES: usize = 1 << 30;
    // Each byte can become three, and positions in the result must fit in 32 bits.
    const MAX_REPLACED_BYTES: usize = (u32::MAX / 3) as usize;
    let Plan { dialect, table, policies, tuning, report, .. } = plan;
    let is_page_size = |bytes: u32| bytes.is_power_of_two() && (512..=65536).contains(&bytes);
    check_names(plan)?;
    check_key(plan)?;
    check_types(plan)?;
    check_table_per_input(plan)?;
    let problem = if let Some(problem) = dialect_problem(dialect) {
        problem
    } else if let Some(problem) = notation_problem(plan.notation) {
        problem
    } else if !plan.column_names.is_empty() && plan.input_options.header_rows > 0 {
        "the names of the columns come either from the plan or from the header"
    } else if table.columns.is_empty() && plan.columns.is_none() {
        "a table needs at least one column"
    } else if !table.columns.is_empty() && plan.columns.is_some() {
        "the columns of a table come either from the plan or from the header"
    } else if let Some(bytes) = tuning.page_bytes.filter(|bytes| !is_page_size(*bytes)) {
        let problem = format!("the page size must be a power of two from 512 to 65536, not {bytes}");
        return Err(Kind::Usage(problem).into());
    } else if tuning.chunk_bytes > MAX_RECORD_BYTES || policies.max_record_bytes > MAX_RECORD_BYTES {
        "chunks and records are limited to 1 GiB"
    } else if policies.invalid_utf8 == InvalidUtf8::Replace
        && tuning.chunk_bytes + policies.max_record_bytes > MAX_REPLACED_BYTES
    {
        "to replace invalid UTF-8, the sizes of a chunk and of the largest record must not exceed 1.3 GiB together"
    } else if [&policies.rejects, report].into_iter().flatten().filter(|path| is_stdout(path)).count() > 1 {
        "the rejected records and the report cannot both go to standard output"
    } else {
        return Ok(());
    };
    Err(Kind::Usage(problem.to_owned()).into())
}

/// Checks the names of the table and its columns, except for those that come from a header or an input.
fn check_names(Plan { table, columns, .. }: &Plan) -> Result<()> {
    let new_names = columns.iter().flat_map(|columns| {
        let renamed = columns.renamed.iter().map(|(_, new)| new);
        renamed.chain(&columns.auto_id).chain(&columns.input_column)
    });
    let has_empty = new_names.clone().any(String::is_empty);
    let has_own_name = !columns.as_ref().is_some_and(|columns| columns.table_per_input);
    let table_name = Some(&table.name).filter(|_| has_own_name);
    let columns = table.columns.iter().map(|column| &column.name);
    let mut names = table_name.into_iter().chain(columns).chain(new_names);
    let is_reserved =
        |name: &String| name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
    if table_name.is_some_and(String::is_empty) {
        Err(PlanError::NoTableName.into())
    } else if table_name.is_some_and(is_reserved) {
        Err(PlanError::ReservedTableName { table: table.name.clone() }.into())
    } else if has_empty {
        Err(Kind::Usage("a column needs a name".to_owned()).into())
    } else if let Some(name) = names.find(|name| name.contains('\0')) {
        Err(Kind::Usage(format!("a name cannot contain a NUL character: {name:?}")).into())
    } else {
        Ok(())
    }
}

/// Checks that the primary keys that the plan asks for do not contradict each other.
fn check_key(Plan { table, columns, .. }: &Plan) -> Result<()> {
    let Some(HeaderColumns { auto_id, primary_key, .. }) = columns else { return Ok(()) };
    if table.is_without_rowid && primary_key.is_empty() {
        Err(PlanError::WithoutRowidNeedsKey.into())
    } else if auto_id.is_some() && !primary_key.is_empty() {
        Err(PlanError::TwoPrimaryKeys.into())
    } else {
        Ok(())
    }
}

/// Checks the declared types that the plan asks for.
fn check_types(Plan { table, input_types, .. }: &Plan) -> Result<()> {
    for (column, declared) in &input_types.types {
        let (column, declared) = (column.clone(), declared.clone());
        if !is_type_name(&declared) {
            return Err(PlanError::InvalidType { column, declared }.into());
        }
        if table.is_strict && !is_strict_type(&declared) {
            return Err(PlanError::NotStrictType { column, declared }.into());
        }
    }
    Ok(())
}

/// Checks that a plan with a table for each input has no settings that describe one table.
fn check_table_per_input(Plan { columns, conditions, .. }: &Plan) -> Result<()> {
    let Some(options) = columns.as_ref().filter(|options| options.table_per_input) else { return Ok(()) };
    let HeaderColumns { union_by_name, selected, select_list, .. } = options;
    if *union_by_name || !(selected.is_empty() && select_list.is_empty() && conditions.is_empty()) {
        let problem = "a load with a table for each input takes all columns and all records of each";
        return Err(Kind::Usage(problem.to_owned()).into());
    }
    Ok(())
}

/// What is wrong with a notation of numbers, if anything is.
fn notation_problem(Notation { decimal, thousands }: Notation) -> Option<&'static str> {
    let has_meaning = |mark: char| mark.is_ascii_alphanumeric() || matches!(mark, '-' | '+');
    if thousands == Some(decimal) {
        Some("the decimal mark and the thousands separator must differ")
    } else if has_meaning(decimal) || thousands.is_some_and(has_meaning) {
        Some("letters, digits and signs cannot be decimal marks or thousands separators")
    } else {
        None
    }
}

/// What is wrong with a dialect, if anything is.
fn dialect_problem(dialect: &Dialect) -> Option<&'static str> {
    let Dialect { delimiter, quote, escape, escapes, comment, trim } = dialect;
    let is_blanks = delimiter.is_blanks();
    let delimiter = if is_blanks { b" \t" } else { delimiter.as_bytes() };
    let bytes = [quote, escape].into_iter().flatten().copied();
    let comment = comment.as_ref().map_or(&[][..], |prefix| prefix.as_bytes());
    let others: Vec<_> = bytes.clone().chain(comment.first().copied()).collect();
    let is_used_twice =
        |byte: &u8| delimiter.contains(byte) || others.iter().filter(|other| *other == byte).count() > 1;
    let all = || delimiter.iter().chain(&others).chain(comment);
    if all().any(|byte| matches!(byte, b'\n' | b'\r')) {
        Some("the delimiter, quote, escape and comment must not contain a line end")
    } else if others.iter().any(is_used_twice) {
        Some("the delimiter, quote, escape and comment must differ")
    } else if std::str::from_utf8(delimiter).is_err() || !others.is_ascii() {
        Some("the delimiter must be UTF-8, and the quote, escape and comment must be ASCII")
    } else if *escapes == Escapes::Postgres && delimiter.iter().chain(quote).any(u8::is_ascii_alphanumeric) {
        Some("letters and digits cannot be delimiters or quotes, because they have a meaning in escapes")
    } else if (*trim || is_blanks) && matches!(quote, Some(b' ' | b'\t')) {
        Some("a space or tab cannot be the quote if fields are trimmed")
    } else {
        None
    }
}
