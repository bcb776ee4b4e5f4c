//! Builds the target table from the header, the column statistics and the options of a load, for a new table and for an
//! existing one.

use super::column_stats::ColumnStats;
use super::names::unique_names;
use crate::error::{ColumnUse, Error, Kind, PlanError, Result};
use crate::plan::{Column, Expr, HeaderColumns, Nulls, OnConflict, OnMismatch, SelectItem, Table, Type};
use crate::schema::ddl::{column_sql, quote_name, quote_names};
use crate::types::ColumnAffinity;
use std::collections::{BTreeSet, HashSet};

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
}

impl ExistingColumn {
    /// Compares names as SQLite does: ASCII case does not matter.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The field `name`, with the NULLs that `nulls` asks for.
fn field(name: String, nulls: &Nulls) -> Expr {
    let own = nulls.columns.iter().filter(|(column, _)| column.eq_ignore_ascii_case(&name));
    let texts: Vec<_> = nulls.texts.iter().chain(own.map(|(_, text)| text)).cloned().collect();
    let field = if nulls.empty { Expr::FieldOrNull(name) } else { Expr::Field(name) };
    if texts.is_empty() { field } else { Expr::NullIf(field.into(), texts) }
}

/// Applies `nulls` to every field in `expr`.
pub(crate) fn with_nulls(expr: Expr, nulls: &Nulls) -> Expr {
    expr.map_fields(&|name| field(name, nulls))
}

/// Checks that `names` has every column that `nulls` names.
///
/// # Errors
/// [`Kind::NoSuchColumn`].
pub(crate) fn check_nulls(nulls: &Nulls, names: &[String]) -> Result<()> {
    nulls.columns.iter().try_for_each(|(name, _)| find(ColumnUse::Null, name, names).map(|_| ()))
}

/// The index of the column `name`. An exact match wins over one that ignores ASCII case.
fn find(column_use: ColumnUse, name: &String, columns: &[String]) -> Result<usize> {
    let exact = columns.iter().position(|column| column == name);
    let ignoring_case = || columns.iter().position(|column| column.eq_ignore_ascii_case(name));
    exact.or_else(ignoring_case).ok_or_else(|| {
        Error::from(Kind::NoSuchColumn { column_use, column: name.clone(), found: columns.to_vec() })
    })
}

/// The columns to load, from the columns of the input (`names`) and the statistics of their values.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names a column that is not in `names`.
pub(crate) fn columns(
    names: &[String],
    stats: &[ColumnStats],
    options: &HeaderColumns,
) -> Result<Vec<Column>> {
    let mut final_names = names.to_vec();
    for (old, new) in &options.renamed {
        final_names[find(ColumnUse::Rename, old, names)?] = new.clone();
    }
    let mut requested_types = vec![None; names.len()];
    for (name, to) in &options.types {
        requested_types[find(ColumnUse::Type, name, names)?] = Some(*to);
    }
    let column = |name: &str, at: usize| {
        let field = Expr::Field(names[at].clone());
        let typed = |to, on_mismatch| Expr::Typed { expr: Box::new(field.clone()), to, on_mismatch };
        let (to, value) = match (requested_types[at], stats[at].column_type()) {
            (Some(to), _) => (to, typed(to, OnMismatch::Reject)),
            (None, Type::Text) if stats[at].is_empty() && !options.all_text => {
                (Type::Text, typed(Type::Text, OnMismatch::TypeMismatch))
            }
            (None, Type::Text) => (Type::Text, field),
            (None, to) => (to, typed(to, OnMismatch::TypeMismatch)),
        };
        Column::new(name, to.as_str(), value)
    };
    let all = || final_names.iter().enumerate().map(|(at, name)| column(name, at));
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
        columns.push(column(&final_names[at], at));
    }
    if columns.is_empty() {
        columns.extend(all());
    }
    columns.extend(options.input_column.iter().map(|name| Column::new(name, "TEXT", Expr::InputName)));
    Ok(columns)
}

/// Completes a new `table` with `columns` and the keys, constraints and indexes of `options`. The names of the indexes
/// differ from `existing_names`, the names of the objects in the database.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names a column that is not in `columns`; [`PlanError::DuplicateColumn`];
/// [`PlanError::UpdateNeedsKey`].
pub(crate) fn new_table(
    mut columns: Vec<Column>,
    options: &HeaderColumns,
    table: &Table,
    existing_names: Vec<String>,
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
        return Err(PlanError::UpdateNeedsKey { table: table.name.clone() }.into());
    }
    for name in &options.not_null {
        columns[find(ColumnUse::NotNull, name, &names)?].declaration.push_str(" NOT NULL");
    }
    let resolve = |column_use, list: &[String]| -> Result<Vec<String>> {
        list.iter().map(|name| find(column_use, name, &names).map(|at| names[at].clone())).collect()
    };
    let mut table = Table { columns, ..table.clone() };
    let key = resolve(ColumnUse::PrimaryKey, &options.primary_key)?;
    if !key.is_empty() {
        let is_rowid =
            |column: &Column| key == [column.name.clone()] && column.declaration.starts_with("INTEGER");
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
    let mut index_names = existing_names;
    for columns in &options.indexes {
        let columns = resolve(ColumnUse::Index, columns)?;
        index_names.push(format!("idx_{}_{}", table.name, columns.join("_")));
        let (unique_names, _) = unique_names(&index_names);
        let (name, on) = (quote_name(&unique_names[index_names.len() - 1]), quote_name(&table.name));
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
) -> Result<Table> {
    check_matches_existing(options, table, existing)?;
    check_distinct_names(&columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>())?;
    let mut alterations = Vec::new();
    let column = |column: Column| match existing.iter().find(|existing| existing.has_name(&column.name)) {
        Some(existing) if existing.is_generated => {
            let (table, column) = (table.name.clone(), existing.name.clone());
            Err(Error::from(PlanError::GeneratedColumn { table, column }))
        }
        Some(existing) => {
            // SQLite replaces a NULL rowid by a new key. A later record with that key would then conflict with this one, and
            // be ignored or change it without notice.
            let rejects_null =
                existing.is_rowid && (existing.is_not_null || table.on_conflict != OnConflict::Reject);
            Ok(Column { rejects_null, ..with_declared_type(&column, existing) })
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

/// Checks that the options describe the existing table: they may repeat its primary key, and ask for nothing else that is
/// declared with a table.
fn check_matches_existing(options: &HeaderColumns, table: &Table, existing: &[ExistingColumn]) -> Result<()> {
    let mut key: Vec<_> = existing.iter().filter(|column| column.primary_key_position > 0).collect();
    key.sort_by_key(|column| column.primary_key_position);
    let is_key = |names: &[String]| {
        names.len() == key.len() && key.iter().zip(names).all(|(column, name)| column.has_name(name))
    };
    let auto_id = options.auto_id.as_slice();
    let has_auto_id =
        auto_id.is_empty() || (is_key(auto_id) && key[0].declared_type.eq_ignore_ascii_case("INTEGER"));
    let has_more =
        [&table.constraints, &table.indexes, &options.not_null].iter().any(|list| !list.is_empty())
            || [&options.unique, &options.indexes].iter().any(|lists| !lists.is_empty());
    let message = if has_more || table.is_strict || table.is_without_rowid {
        format!(
            "the table {:?} already exists: constraints and indexes can only be given for a new table",
            table.name
        )
    } else if !has_auto_id || !(options.primary_key.is_empty() || is_key(&options.primary_key)) {
        let key = match key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ") {
            key if key.is_empty() => "it has none".to_owned(),
            key => format!("it is ({key})"),
        };
        format!("the table {:?} already exists, and its primary key is different: {key}", table.name)
    } else {
        return Ok(());
    };
    Err(Kind::Usage(message).into())
}

/// `column` with the declaration of an `existing` column, which must not alter its values.
fn with_declared_type(column: &Column, existing: &ExistingColumn) -> Column {
    let to = match ColumnAffinity::from_declared_type(&existing.declared_type) {
        ColumnAffinity::Integer | ColumnAffinity::Numeric => Some(Type::NumericAffinity),
        ColumnAffinity::Real => Some(Type::RealAffinity),
        ColumnAffinity::Text | ColumnAffinity::Blob => None,
    };
    let typed = |expr: Box<Expr>, to| Expr::Typed { expr, to, on_mismatch: OnMismatch::Reject };
    let value = match (&column.value, to) {
        // The user asked for this type.
        (Expr::Typed { on_mismatch: OnMismatch::Reject, .. }, _) => column.value.clone(),
        (Expr::Typed { expr, .. }, None) => (**expr).clone(),
        (Expr::Typed { expr, .. }, Some(to)) => typed(expr.clone(), to),
        (expr, Some(to)) => typed(Box::new(expr.clone()), to),
        (expr, None) => expr.clone(),
    };
    Column::new(&existing.name, &existing.declared_type, value)
}
