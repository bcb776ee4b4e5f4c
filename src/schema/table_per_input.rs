//! Loads with a table for each input: the names of the tables, and which options about columns apply to which table.

use super::names::{NameIndex, unique_names};
use crate::error::{ColumnUse, Kind, Result};
use crate::plan::{HeaderColumns, Plan};
use std::collections::BTreeSet;
use std::path::Path;

/// The name of the table for an input that has its default name: the file name without the extension, and without that of a
/// compression format or archive. For a member of an archive it is that of the member, or of the archive if a pattern selects
/// the members. For standard input it is `stdin`.
#[must_use]
pub fn table_name(input: &Path) -> String {
    const PACKED: [&str; 10] = ["gz", "zst", "bz2", "xz", "zip", "tar", "tgz", "tbz2", "txz", "tzst"];
    let text = input.to_string_lossy();
    let path = match text.split_once("//") {
        Some((archive, member)) if member.contains(['*', '?', '[']) => Path::new(archive),
        _ => input,
    };
    if path == Path::new("-") {
        return "stdin".to_owned();
    }
    let mut name = Path::new(path.file_name().unwrap_or_default()).to_owned();
    let is_packed = |name: &Path| {
        let extension = name.extension();
        extension.is_some_and(|extension| PACKED.iter().any(|known| extension.eq_ignore_ascii_case(known)))
    };
    while is_packed(&name) && name.file_stem().is_some_and(|stem| Path::new(stem).extension().is_some()) {
        name.set_extension("");
    }
    name.file_stem().map_or("input".into(), |stem| stem.to_string_lossy()).into_owned()
}

/// A table for each of these inputs, named after it.
///
/// The names differ in more than ASCII case, and SQLite accepts them.
pub(crate) fn table_names<'i>(inputs: impl IntoIterator<Item = &'i str>) -> Vec<String> {
    let name = |input| {
        let name = table_name(Path::new(input));
        let is_reserved = name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
        if is_reserved { format!("input_{name}") } else { name }
    };
    unique_names(&inputs.into_iter().map(name).collect::<Vec<_>>()).0
}

/// The plan for the table of an input with the columns `header`: without the options that name other columns.
pub(crate) fn applicable_plan(plan: &Plan, header: &[String]) -> Plan {
    let mut plan = plan.clone();
    let names = NameIndex::new(header);
    let is_there = |name: &String| names.find(name).is_some();
    plan.input_types.types.retain(|(name, _)| is_there(name));
    plan.nulls.columns.retain(|(name, _)| is_there(name));
    let Some(options) = &mut plan.columns else { return plan };
    options.excluded.retain(is_there);
    options.renamed.retain(|(old, _)| is_there(old));
    // Keys, constraints and indexes name columns of the table.
    let mut columns = header.to_vec();
    for (old, new) in &options.renamed {
        names.find(old).into_iter().for_each(|at| columns[at].clone_from(new));
    }
    let excluded: Vec<_> = options.excluded.iter().filter_map(|name| names.find(name)).collect();
    let columns = columns.into_iter().enumerate().filter(|(at, _)| !excluded.contains(at));
    let mut columns: Vec<_> = columns.map(|(_, name)| name).collect();
    columns.extend(options.input_column.iter().chain(&options.auto_id).cloned());
    let columns = NameIndex::new(&columns);
    let are_there = |names: &Vec<String>| names.iter().all(|name| columns.find(name).is_some());
    options.not_null.retain(|name| columns.find(name).is_some());
    options.unique.retain(are_there);
    options.indexes.retain(are_there);
    if !are_there(&options.primary_key) {
        options.primary_key.clear();
        plan.table.is_without_rowid = false;
    }
    plan
}

/// Checks that each option of `plan` that names columns is part of one of `plans`, whose tables have the columns `headers`.
///
/// # Errors
/// [`Kind::NoSuchColumn`].
pub(crate) fn check_applied(plan: &Plan, plans: &[&Plan], headers: &[&[String]]) -> Result<()> {
    let is_applied = |option: &(ColumnUse, Vec<&String>)| {
        plans.iter().any(|applicable| column_options(applicable).contains(option))
    };
    let Some((column_use, names)) = column_options(plan).into_iter().find(|option| !is_applied(option))
    else {
        return Ok(());
    };
    let found: BTreeSet<_> = headers.iter().copied().flatten().cloned().collect();
    let missing = names.iter().find(|name| !found.iter().any(|known| known.eq_ignore_ascii_case(name)));
    let all = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
    let column = missing.map_or_else(all, |name| (*name).clone());
    Err(Kind::NoSuchColumn { column_use, column, found: found.into_iter().collect() }.into())
}

/// The options of a plan that name columns of the input or of the table.
fn column_options(plan: &Plan) -> Vec<(ColumnUse, Vec<&String>)> {
    let mut all: Vec<_> =
        plan.input_types.types.iter().map(|(name, _)| (ColumnUse::Type, vec![name])).collect();
    all.extend(plan.nulls.columns.iter().map(|(name, _)| (ColumnUse::Null, vec![name])));
    if let Some(HeaderColumns { excluded, renamed, not_null, primary_key, unique, indexes, .. }) =
        &plan.columns
    {
        all.extend(excluded.iter().map(|name| (ColumnUse::Exclude, vec![name])));
        all.extend(renamed.iter().map(|(old, _)| (ColumnUse::Rename, vec![old])));
        all.extend(not_null.iter().map(|name| (ColumnUse::NotNull, vec![name])));
        all.push((ColumnUse::PrimaryKey, primary_key.iter().collect()));
        all.extend(unique.iter().map(|list| (ColumnUse::Unique, list.iter().collect())));
        all.extend(indexes.iter().map(|list| (ColumnUse::Index, list.iter().collect())));
    }
    all.retain(|(_, names)| !names.is_empty());
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_after_its_input() {
        let cases = [
            ("data/sales.csv", "sales"),
            ("sales.2024.csv", "sales.2024"),
            ("sales.csv.gz", "sales"),
            ("sales.CSV.ZST", "sales"),
            ("sales", "sales"),
            (".hidden", ".hidden"),
            ("-", "stdin"),
            ("sales.zip", "sales"),
            ("sales.tar.gz", "sales"),
            ("sales.tgz", "sales"),
            ("gtfs.zip//stops.txt", "stops"),
            ("gtfs.zip//feed/stops.txt", "stops"),
            ("data/gtfs.zip//*.txt", "gtfs"),
        ];
        for (input, expected) in cases {
            assert_eq!(table_name(Path::new(input)), expected, "{input}");
        }
    }

    #[test]
    fn tables_have_different_names_that_sqlite_accepts() {
        let names = table_names(["a/x.csv", "b/X.csv", "x.tsv", "sqlite_x.csv", "x_2.csv"]);
        assert_eq!(names, ["x", "X_3", "x_4", "input_sqlite_x", "x_2"]);
    }
}
