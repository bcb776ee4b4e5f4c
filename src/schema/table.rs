//! The table that a load's options describe: made anew, or there already.

use super::column_stats::ColumnStats;
use super::names::names as unique_names;
use crate::error::{Error, Kind, Result};
use crate::plan::{Column, Expr, HeaderColumns, Nulls, OnConflict, OnMismatch, SelectItem, Table, Type};
use crate::schema::ddl::{column_sql, quote_name, quote_names};
use crate::types::Affinity;
use std::collections::{BTreeSet, HashSet};

/// A column of a table that is there already.
#[derive(Debug)]
pub(crate) struct KnownColumn {
    pub(crate) name: String,
    /// Its declared type.
    pub(crate) declared: String,
    /// Its place in the primary key, counted from 1; 0 if it is no part of that.
    pub(crate) key: u32,
    /// Whether it is another name of the rowid.
    pub(crate) is_rowid: bool,
    /// Whether it is declared NOT NULL.
    pub(crate) is_not_null: bool,
    /// Whether the table makes its values itself.
    pub(crate) is_generated: bool,
}

impl KnownColumn {
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The field of this name, NULL where that is said.
fn field(name: String, nulls: &Nulls) -> Expr {
    let field = if nulls.empty { Expr::FieldOrNull(name) } else { Expr::Field(name) };
    if nulls.texts.is_empty() { field } else { Expr::NullIf(field.into(), nulls.texts.clone()) }
}

/// `expr` over fields that are NULL where that is said.
pub(crate) fn with_nulls(expr: Expr, nulls: &Nulls) -> Expr {
    expr.map_fields(&|name| field(name, nulls))
}

/// Where in `among` the column is that an option calls `name`.
fn find(option: &'static str, name: &String, among: &[String]) -> Result<usize> {
    let found = among.iter().position(|other| other == name);
    let same_but_case = || among.iter().position(|other| other.eq_ignore_ascii_case(name));
    found.or_else(same_but_case).ok_or_else(|| {
        Error::from(Kind::NoSuchColumn { option, column: name.clone(), found: among.to_vec() })
    })
}

/// The columns that are loaded of those with these names, in which this was seen, and the name of the input's.
///
/// # Errors
/// [`Kind::NoSuchColumn`] if an option names another column; [`Kind::Usage`] if two have the same name.
pub(crate) fn columns(
    names: &[String],
    seen: &[ColumnStats],
    options: &HeaderColumns,
) -> Result<Vec<Column>> {
    let mut final_names = names.to_vec();
    for (old, new) in &options.renamed {
        final_names[find("--rename", old, names)?] = new.clone();
    }
    let mut given = vec![None; names.len()];
    for (name, to) in &options.types {
        given[find("--type", name, names)?] = Some(*to);
    }
    let column = |name: &str, at: usize| {
        let field = Expr::Field(names[at].clone());
        let typed = |to, on_mismatch| Expr::Typed { expr: Box::new(field.clone()), to, on_mismatch };
        let (to, value) = match (given[at], seen[at].column_type()) {
            (Some(to), _) => (to, typed(to, OnMismatch::Reject)),
            (None, Type::Text) if seen[at].is_empty() && !options.all_text => {
                (Type::Text, typed(Type::Text, OnMismatch::TypeMismatch))
            }
            (None, Type::Text) => (Type::Text, field),
            (None, to) => (to, typed(to, OnMismatch::TypeMismatch)),
        };
        Column::new(name, to.as_str(), value)
    };
    let all = || final_names.iter().enumerate().map(|(at, name)| column(name, at));
    let mut columns = Vec::new();
    for selected in &options.select_list {
        match selected {
            SelectItem::All => columns.extend(all()),
            SelectItem::Column { name, column: of } => {
                columns.push(column(name, find("--select", of, names)?));
            }
            SelectItem::Value { name, declaration, value } => {
                columns.push(Column::new(name, *declaration, value.clone()));
            }
        }
    }
    for name in options.selected.iter().filter(|_| options.select_list.is_empty()) {
        let at = find("--columns", name, names)?;
        columns.push(column(&final_names[at], at));
    }
    if columns.is_empty() {
        columns.extend(all());
    }
    columns.extend(options.input_column.iter().map(|name| Column::new(name, "TEXT", Expr::InputName)));
    Ok(columns)
}

/// `table`, which is made anew, of these columns, with the keys, constraints and indexes that the options ask for; the
/// indexes are not called as something that is there.
///
/// # Errors
/// As [`columns`].
pub(crate) fn made(
    mut columns: Vec<Column>,
    options: &HeaderColumns,
    table: &Table,
    there: Vec<String>,
) -> Result<Table> {
    if let Some(name) = &options.auto_id {
        columns.insert(0, Column::new(name, "INTEGER PRIMARY KEY", Expr::Null));
    }
    // Where every column has a type, this is the one that takes values as they are.
    for column in columns.iter_mut().filter(|column| table.is_strict && column.declaration.is_empty()) {
        column.declaration = "ANY".to_owned();
    }
    let names: Vec<_> = columns.iter().map(|column| column.name.clone()).collect();
    refuse_same(&names)?;
    if table.on_conflict == OnConflict::Update && options.primary_key.is_empty() {
        let reason =
            "--upsert finds the row to change by the primary key: name its columns with --pk".to_owned();
        return Err(Kind::Usage(reason).into());
    }
    for name in &options.not_null {
        columns[find("--not-null", name, &names)?].declaration.push_str(" NOT NULL");
    }
    let list = |option: &'static str, list: &[String]| -> Result<Vec<String>> {
        list.iter().map(|name| find(option, name, &names).map(|at| names[at].clone())).collect()
    };
    let mut table = Table { columns, ..table.clone() };
    let key = list("--pk", &options.primary_key)?;
    if !key.is_empty() {
        let rowid =
            |column: &Column| key == [column.name.clone()] && column.declaration.starts_with("INTEGER");
        table.columns.iter_mut().for_each(|column| column.rejects_null = rowid(column));
        table.constraints.push(format!("PRIMARY KEY ({})", quote_names(&key)));
    }
    for columns in &options.unique {
        table.constraints.push(format!("UNIQUE ({})", quote_names(&list("--unique", columns)?)));
    }
    // A key may be the rowid, which is an INTEGER, and a STRICT column takes nothing else either.
    for column in table.columns.iter_mut().filter(|column| !table.is_strict && !key.contains(&column.name)) {
        if let Expr::Typed { to: Type::Integer, on_mismatch, .. } = &mut column.value
            && *on_mismatch == OnMismatch::TypeMismatch
        {
            *on_mismatch = OnMismatch::Widen;
        }
    }
    let mut index_names = there;
    for columns in &options.indexes {
        let columns = list("--index", columns)?;
        index_names.push(format!("idx_{}_{}", table.name, columns.join("_")));
        let (unique_names, _) = unique_names(&index_names);
        let (name, on) = (quote_name(&unique_names[index_names.len() - 1]), quote_name(&table.name));
        table.indexes.push(format!("CREATE INDEX {name} ON {on} ({})", quote_names(&columns)));
    }
    Ok(table)
}

/// `table` with these columns REAL, which were taken to be INTEGER.
pub(crate) fn widen_to_real(table: &Table, columns: &BTreeSet<usize>) -> Table {
    let mut table = table.clone();
    for at in columns {
        let declaration = &mut table.columns[*at].declaration;
        *declaration = declaration.replacen(Type::Integer.as_str(), Type::Real.as_str(), 1);
    }
    table
}

/// For SQLite names that differ in ASCII case only are the same.
fn refuse_same(names: &[String]) -> Result<()> {
    let mut known = HashSet::new();
    match names.iter().find(|name| !known.insert(name.to_ascii_lowercase())) {
        None => Ok(()),
        Some(name) => Err(Kind::Usage(format!(
            "two columns would be called {name:?}: give one another name with --rename, AS in --select, --auto-id=NAME or --file-column, or leave it out with --columns"
        ))
        .into()),
    }
}

/// `table`, which is there already with these `known` columns, of those columns, each as it is declared there; one that
/// is not there is added if the options say so.
///
/// # Errors
/// [`Kind::NotInTable`]; [`Kind::Usage`] if the options ask for something else that the table may not have.
pub(crate) fn filled(
    columns: Vec<Column>,
    options: &HeaderColumns,
    table: &Table,
    known: &[KnownColumn],
) -> Result<Table> {
    refuse_other_table(options, table, known)?;
    refuse_same(&columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>())?;
    let mut alterations = Vec::new();
    let column = |column: Column| match known.iter().find(|known| known.is_called(&column.name)) {
        Some(known) if known.is_generated => Err(Error::from(Kind::Usage(format!(
            "the table {:?} makes the values of its column {:?} itself: leave that out with --columns",
            table.name, known.name
        )))),
        Some(known) => {
            // For one that is NULL SQLite makes a key up: in silence, a record that has that key would give way to this one.
            let rejects_null =
                known.is_rowid && (known.is_not_null || table.on_conflict != OnConflict::Reject);
            Ok(Column { rejects_null, ..into_known(&column, known) })
        }
        None if options.add_columns => {
            let name = quote_name(&table.name);
            alterations.push(format!("ALTER TABLE {name} ADD COLUMN {}", column_sql(&column)));
            Ok(column)
        }
        None => Err(Error::from(Kind::NotInTable {
            table: table.name.clone(),
            column: column.name,
            found: known.iter().filter(|known| !known.is_generated).map(|known| known.name.clone()).collect(),
        })),
    };
    let columns = columns.into_iter().map(column).collect::<Result<_>>()?;
    Ok(Table { columns, alterations, ..table.clone() })
}

/// Of what the options say of a table, keys may be those that it has.
fn refuse_other_table(options: &HeaderColumns, table: &Table, known: &[KnownColumn]) -> Result<()> {
    let mut key: Vec<_> = known.iter().filter(|column| column.key > 0).collect();
    key.sort_by_key(|column| column.key);
    let is_key = |names: &[String]| {
        names.len() == key.len() && key.iter().zip(names).all(|(column, name)| column.is_called(name))
    };
    let auto_id = options.auto_id.as_slice();
    let has_auto_id =
        auto_id.is_empty() || (is_key(auto_id) && key[0].declared.eq_ignore_ascii_case("INTEGER"));
    let has_more =
        [&table.constraints, &table.indexes, &options.not_null].iter().any(|list| !list.is_empty())
            || [&options.unique, &options.indexes].iter().any(|lists| !lists.is_empty());
    let message = if has_more || table.is_strict || table.is_without_rowid {
        "constraints, indexes and the like are of a table that is made; this one is there already".to_owned()
    } else if !has_auto_id || !(options.primary_key.is_empty() || is_key(&options.primary_key)) {
        let key: Vec<_> = key.iter().map(|column| column.name.as_str()).collect();
        let key = if key.is_empty() { "none".to_owned() } else { format!("({})", key.join(", ")) };
        format!("the table {:?} is there already, and its primary key is another: {key}", table.name)
    } else {
        return Ok(());
    };
    Err(Kind::Usage(message).into())
}

/// `column` as it is declared in a table that is there, which may not change its values.
fn into_known(column: &Column, known: &KnownColumn) -> Column {
    let to = match Affinity::of(&known.declared) {
        Affinity::Integer | Affinity::Numeric => Some(Type::NumericAffinity),
        Affinity::Real => Some(Type::RealAffinity),
        Affinity::Text | Affinity::Blob => None,
    };
    let value = match (&column.value, to) {
        // What an option says holds.
        (Expr::Typed { on_mismatch: OnMismatch::Reject, .. }, _) => column.value.clone(),
        (Expr::Typed { expr, .. }, None) => (**expr).clone(),
        (Expr::Typed { expr, .. }, Some(to)) => {
            Expr::Typed { expr: expr.clone(), to, on_mismatch: OnMismatch::Reject }
        }
        (field, Some(to)) => {
            Expr::Typed { expr: Box::new(field.clone()), to, on_mismatch: OnMismatch::Reject }
        }
        (field, None) => field.clone(),
    };
    Column::new(&known.name, &known.declared, value)
}
