//! Builds the target table from the header, the column statistics and the options of a load, for a new table and for an
//! existing one.

use super::input_column::InputColumn;
use super::names::{NameIndex, unique_names};
use crate::error::{ColumnUse, Error, Kind, PlanError, Result};
use crate::plan::{Column, Expr, HeaderColumns, OnConflict, OnMismatch, SelectItem, Table, Type};
use crate::schema::ddl::{column_sql, quote_name, quote_names};
use crate::types::ColumnAffinity;
use std::collections::{BTreeSet, HashMap, HashSet};

/// A column of an existing table.
#[derive(Debug)]
pub(crate) struct ExistingColumn {
    pub(crate) name: String,
    pub(crate) declared_type: String,
    /// Its 1-based position in the primary key; 0 if it is not part of it.
    pub(crate) primary_key_position: u32,
    /// True if it is an alias of the rowid.
    pub(crate) is_rowid: bool,
    pub(crate) is_not_null: bool,
    /// True for a generated column.
    pub(crate) is_generated: bool,
    /// True for a column of a STRICT table.
    pub(crate) is_strict: bool,
}

/// The keys and other properties of an existing table.
#[derive(Debug, Default)]
pub(crate) struct ExistingKeys {
    pub(crate) indexes: Vec<ExistingIndex>,
    pub(crate) is_strict: bool,
    pub(crate) is_without_rowid: bool,
}

/// An index of all rows of an existing table, that of a UNIQUE constraint included.
#[derive(Debug)]
pub(crate) struct ExistingIndex {
    /// Its columns; empty names for expressions.
    pub(crate) columns: Vec<String>,
    pub(crate) is_unique: bool,
}

impl ExistingColumn {
    /// Compares names as SQLite does: ASCII case does not matter.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The number of the column `name`.
///
/// # Errors
/// [`Kind::NoSuchColumn`].
pub(crate) fn find(column_use: ColumnUse, name: &str, columns: &NameIndex<'_>) -> Result<usize> {
    columns.find(name).ok_or_else(|| {
        let found = columns.names().to_vec();
        Error::from(Kind::NoSuchColumn { column_use, column: name.to_owned(), found })
    })
}

/// The numbers of the columns of the input (`names`) to load.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names a column that is not in `names`.
pub(crate) fn loaded_columns(names: &NameIndex<'_>, options: &HeaderColumns) -> Result<BTreeSet<usize>> {
    let HeaderColumns { select_list, selected, .. } = options;
    let excluded = excluded_columns(names, options)?;
    let takes_all = match select_list.as_slice() {
        [] => selected.is_empty(),
        list => list.contains(&SelectItem::All),
    };
    if takes_all {
        return Ok((0..names.names().len()).filter(|at| !excluded.contains(at)).collect());
    }
    let listed = select_list.iter().filter_map(|item| match item {
        SelectItem::Column { column, .. } => Some((ColumnUse::Select, column)),
        _ => None,
    });
    let selected = selected.iter().filter(|_| select_list.is_empty()).map(|name| (ColumnUse::Load, name));
    listed.chain(selected).map(|(column_use, name)| find(column_use, name, names)).collect()
}

/// The numbers of the columns of the input (`names`) not to load.
///
/// # Errors
/// [`Kind::NoSuchColumn`].
fn excluded_columns(names: &NameIndex<'_>, options: &HeaderColumns) -> Result<HashSet<usize>> {
    options.excluded.iter().map(|name| find(ColumnUse::Exclude, name, names)).collect()
}

/// The columns to load, from the columns of the input (`names`); those that are not in `inputs` are TEXT.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names a column that is not in `names`; [`Kind::Usage`] if no column is left.
pub(crate) fn columns(
    names: &NameIndex<'_>,
    inputs: &HashMap<usize, InputColumn>,
    options: &HeaderColumns,
) -> Result<Vec<Column>> {
    let mut final_names = HashMap::new();
    for (old, new) in &options.renamed {
        final_names.insert(find(ColumnUse::Rename, old, names)?, new.as_str());
    }
    let excluded = excluded_columns(names, options)?;
    let final_name = |at: usize| final_names.get(&at).copied().unwrap_or(&names.names()[at]);
    let column = |name: &str, at: usize| match inputs.get(&at) {
        Some(InputColumn { declared_type, value }) => Column::new(name, declared_type, value.clone()),
        None => Column::new(name, Type::Text.as_str(), Expr::Field(names.names()[at].clone())),
    };
    let loaded = || (0..names.names().len()).filter(|at| !excluded.contains(at));
    let all = || loaded().map(|at| column(final_name(at), at));
    let mut columns = Vec::new();
    for item in &options.select_list {
        match item {
            SelectItem::All => columns.extend(all()),
            SelectItem::Column { name, column: source } => {
                columns.push(column(name, find(ColumnUse::Select, source, names)?));
            }
            SelectItem::Value { name, declaration, value } => {
                columns.push(Column::new(name, *declaration, value.clone()));
            }
        }
    }
    for name in options.selected.iter().filter(|_| options.select_list.is_empty()) {
        let at = find(ColumnUse::Load, name, names)?;
        if !excluded.contains(&at) {
            columns.push(column(final_name(at), at));
        }
    }
    if options.selected.is_empty() && options.select_list.is_empty() {
        columns.extend(all());
    }
    if columns.is_empty() {
        return Err(Kind::Usage("all columns are left out".to_owned()).into());
    }
    columns.extend(options.input_column.iter().map(|name| Column::new(name, "TEXT", Expr::InputName)));
    Ok(columns)
}

/// Completes a new `table` with `columns` and the keys, constraints and indexes of `options`. The names of the indexes
/// differ from `taken_names`, and are added to them.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names a column that is not in `columns`; [`PlanError::DuplicateColumn`];
/// [`PlanError::UpdateNeedsKey`].
pub(crate) fn new_table(
    mut columns: Vec<Column>,
    options: &HeaderColumns,
    table: &Table,
    taken_names: &mut Vec<String>,
) -> Result<Table> {
    if let Some(name) = &options.auto_id {
        columns.insert(0, Column::new(name, "INTEGER PRIMARY KEY", Expr::Null));
    }
    // In a STRICT table every column has a type, and ANY stores values unaltered.
    for column in columns.iter_mut().filter(|column| table.is_strict && column.declaration.is_empty()) {
        column.declaration = "ANY".to_owned();
    }
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    check_distinct_names(&names)?;
    if table.on_conflict == OnConflict::Update && options.primary_key.is_empty() {
        return Err(PlanError::UpdateNeedsKey { table: table.name.clone(), exists: false }.into());
    }
    let index = NameIndex::new(&names);
    for name in &options.not_null {
        columns[find(ColumnUse::NotNull, name, &index)?].declaration.push_str(" NOT NULL");
    }
    let resolve = |column_use, list: &[String]| -> Result<Vec<String>> {
        list.iter().map(|name| find(column_use, name, &index).map(|at| names[at].clone())).collect()
    };
    let mut table = Table { columns, ..table.clone() };
    let key = resolve(ColumnUse::PrimaryKey, &options.primary_key)?;
    if !key.is_empty() {
        let is_rowid = |Column { name, declaration, .. }: &Column| {
            let declared =
                declaration.split_once(" NOT NULL").map_or(declaration.as_str(), |(declared, _)| declared);
            key == [name.clone()] && declared.eq_ignore_ascii_case("INTEGER")
        };
        table.columns.iter_mut().for_each(|column| column.rejects_null = is_rowid(column));
        table.constraints.push(format!("PRIMARY KEY ({})", quote_names(&key)));
    }
    for columns in &options.unique {
        table.constraints.push(format!("UNIQUE ({})", quote_names(&resolve(ColumnUse::Unique, columns)?)));
    }
    // Widening is not possible for a key, which may be the rowid, nor for an INTEGER column of a STRICT table.
    for column in table.columns.iter_mut().filter(|column| !table.is_strict && !key.contains(&column.name)) {
        if let Expr::Typed { to: Type::Integer, on_mismatch, .. } = &mut column.value
            && *on_mismatch == OnMismatch::TypeMismatch
        {
            *on_mismatch = OnMismatch::Widen;
        }
    }
    for columns in &options.indexes {
        let columns = resolve(ColumnUse::Index, columns)?;
        taken_names.push(format!("idx_{}_{}", table.name, columns.join("_")));
        *taken_names = unique_names(taken_names).0;
        let (name, on) = (quote_name(&taken_names[taken_names.len() - 1]), quote_name(&table.name));
        table.indexes.push(format!("CREATE INDEX {name} ON {on} ({})", quote_names(&columns)));
    }
    Ok(table)
}

/// `table` with the columns at these indexes declared REAL instead of INTEGER.
pub(crate) fn widen_to_real(table: &Table, columns: &BTreeSet<usize>) -> Table {
    let mut table = table.clone();
    for at in columns {
        let declaration = &mut table.columns[*at].declaration;
        *declaration = declaration.replacen(Type::Integer.as_str(), Type::Real.as_str(), 1);
    }
    table
}

/// Checks that no two names are equal for SQLite, which ignores ASCII case.
fn check_distinct_names(names: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(name.to_ascii_lowercase())) {
        None => Ok(()),
        Some(name) => Err(PlanError::DuplicateColumn { column: name.clone() }.into()),
    }
}

/// Matches `columns` with the columns of the existing `table`, whose declarations apply. With
/// [`HeaderColumns::add_columns`], columns that it lacks are added.
///
/// # Errors
/// [`Kind::NotInTable`] if the table lacks a column; [`Kind::Usage`] if the options contradict the table;
/// [`PlanError::DuplicateColumn`]; [`PlanError::GeneratedColumn`].
pub(crate) fn match_existing(
    columns: Vec<Column>,
    options: &HeaderColumns,
    table: &Table,
    existing: &[ExistingColumn],
    keys: &ExistingKeys,
) -> Result<Table> {
    check_matches_existing(options, table, existing, keys)?;
    check_distinct_names(&columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>())?;
    let mut alterations = Vec::new();
    let column = |column: Column| match existing.iter().find(|existing| existing.has_name(&column.name)) {
        Some(existing) if existing.is_generated => {
            let (table, column) = (table.name.clone(), existing.name.clone());
            Err(Error::from(PlanError::GeneratedColumn { table, column }))
        }
        Some(existing) => {
            // SQLite would replace a NULL rowid by a new key.
            Ok(Column { rejects_null: existing.is_rowid, ..with_declared_type(&column, existing) })
        }
        None if options.add_columns => {
            let name = quote_name(&table.name);
            alterations.push(format!("ALTER TABLE {name} ADD COLUMN {}", column_sql(&column)));
            Ok(column)
        }
        None => Err(Error::from(Kind::NotInTable {
            table: table.name.clone(),
            column: column.name,
            found: existing
                .iter()
                .filter(|column| !column.is_generated)
                .map(|column| column.name.clone())
                .collect(),
        })),
    };
    let columns = columns.into_iter().map(column).collect::<Result<_>>()?;
    Ok(Table { columns, alterations, ..table.clone() })
}

/// Checks that the options describe the existing table: what they ask for, it has.
fn check_matches_existing(
    options: &HeaderColumns,
    table: &Table,
    existing: &[ExistingColumn],
    keys: &ExistingKeys,
) -> Result<()> {
    let mut key: Vec<_> = existing.iter().filter(|column| column.primary_key_position > 0).collect();
    key.sort_by_key(|column| column.primary_key_position);
    let is_key = |names: &[String]| {
        names.len() == key.len() && key.iter().zip(names).all(|(column, name)| column.has_name(name))
    };
    let auto_id = options.auto_id.as_slice();
    let has_auto_id =
        auto_id.is_empty() || (is_key(auto_id) && key[0].declared_type.eq_ignore_ascii_case("INTEGER"));
    let key_names: Vec<_> = key.iter().map(|column| column.name.as_str()).collect();
    let missing = missing(options, table, existing, keys, &key_names);
    let message = if !missing.is_empty() {
        let missing = missing.join(", ");
        format!(
            "the table {:?} already exists, and it lacks {missing}; add that with SQL, or do not ask for it",
            table.name
        )
    } else if !has_auto_id || !(options.primary_key.is_empty() || is_key(&options.primary_key)) {
        let key = match key_names.join(", ") {
            key if key.is_empty() => "it has none; do not name one".to_owned(),
            key => format!("it is ({key}); name this one, or none"),
        };
        format!("the table {:?} already exists, and its primary key is different: {key}", table.name)
    } else {
        return Ok(());
    };
    Err(Kind::Usage(message).into())
}

/// What the options ask for and the existing table does not have, in words.
fn missing(
    options: &HeaderColumns,
    table: &Table,
    existing: &[ExistingColumn],
    keys: &ExistingKeys,
    key: &[&str],
) -> Vec<String> {
    let is_same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let mut missing = Vec::new();
    for name in &options.not_null {
        let is_not_null =
            |column: &ExistingColumn| column.has_name(name) && (column.is_not_null || column.is_rowid);
        if !existing.iter().any(is_not_null) {
            missing.push(format!("NOT NULL for column {name:?}"));
        }
    }
    for columns in &options.unique {
        // The order of the columns makes no difference.
        let has_all = |found: &[&str]| {
            found.len() == columns.len()
                && columns.iter().all(|name| found.iter().any(|other| is_same(name, other)))
        };
        let is_met = |index: &ExistingIndex| {
            index.is_unique && has_all(&index.columns.iter().map(String::as_str).collect::<Vec<_>>())
        };
        if !has_all(key) && !keys.indexes.iter().any(is_met) {
            missing.push(format!("a UNIQUE constraint on ({})", columns.join(", ")));
        }
    }
    for columns in &options.indexes {
        let is_met = |index: &ExistingIndex| {
            index.columns.len() >= columns.len()
                && columns.iter().zip(&index.columns).all(|(name, other)| is_same(name, other))
        };
        if !keys.indexes.iter().any(is_met) {
            missing.push(format!("an index on ({})", columns.join(", ")));
        }
    }
    let others = [
        (table.is_strict && !keys.is_strict, "STRICT"),
        (table.is_without_rowid && !keys.is_without_rowid, "WITHOUT ROWID"),
        (!table.constraints.is_empty(), "the constraints of the plan"),
        (!table.indexes.is_empty(), "the indexes of the plan"),
    ];
    missing.extend(others.iter().filter(|(is_missing, _)| *is_missing).map(|(_, what)| (*what).to_owned()));
    missing
}

/// `column` with the declaration of an `existing` column, which must not alter its values.
fn with_declared_type(column: &Column, existing: &ExistingColumn) -> Column {
    let to = match ColumnAffinity::from_declared_type(&existing.declared_type) {
        // The rowid and a STRICT table take no TEXT.
        ColumnAffinity::Integer if existing.is_rowid || existing.is_strict => Some(Type::Integer),
        ColumnAffinity::Integer => Some(Type::ExactNumeric),
        ColumnAffinity::Numeric => Some(Type::NumericAffinity),
        ColumnAffinity::Real => Some(Type::Real),
        ColumnAffinity::Text | ColumnAffinity::Blob => None,
    };
    if let Expr::Typed { expr, to: own, .. } = &column.value
        && let Expr::Value(name, _) = &**expr
    {
        let to = match ColumnAffinity::from_declared_type(&existing.declared_type) {
            ColumnAffinity::Text => Type::Text,
            ColumnAffinity::Numeric if matches!(own, Type::Integer | Type::Real) => *own,
            ColumnAffinity::Blob => *own,
            _ => to.unwrap_or(*own),
        };
        return Column::new(&existing.name, &existing.declared_type, InputColumn::value(name, to));
    }
    let typed = |expr: Box<Expr>, to| Expr::Typed { expr, to, on_mismatch: OnMismatch::Reject };
    let value = match (&column.value, to) {
        // The user asked for this type. The column would convert TEXT.
        (Expr::Typed { on_mismatch: OnMismatch::Reject, to: requested, .. }, to)
            if *requested != Type::Text || to.is_none() =>
        {
            column.value.clone()
        }
        // The column converts it.
        (Expr::Sql(_), _) => column.value.clone(),
        (Expr::Typed { expr, .. }, None) => (**expr).clone(),
        (Expr::Typed { expr, .. }, Some(to)) => typed(expr.clone(), to),
        (expr, Some(to)) => typed(Box::new(expr.clone()), to),
        (expr, None) => expr.clone(),
    };
    Column::new(&existing.name, &existing.declared_type, value)
}
