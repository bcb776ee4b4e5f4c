//! `load` and what is said of its columns and table.

use super::{LoadRequest, options::LoadOptions};
use clap::Args;
use sqload::plan::{HeaderColumns, IfExists, InputOptions, OnConflict, Plan, Table, Type};
use sqload::sql;
use std::path::{Path, PathBuf};

pub(super) const EXAMPLES: &str = "\
Examples:
  sqload load sales.csv sales.db                     table sales in a new database
  sqload load sales.csv shop.db -t orders --replace  in place of the table orders, all else stays
  sqload load --tsv sales.tsv sales.db               fields separated by tabs
  sqload load sales.csv sales.db --all-text          every value as it is written
  sqload load sales.csv sales.db --on-error skip --rejects bad.csv

Exit codes: 0 all loaded; 1 failed, database as it was; 2 usage; 3 loaded, some records rejected; \
130 interrupted, database as it was.";

#[derive(Debug, Args)]
pub(crate) struct Load {
    /// CSV files, one or more, whose columns have the same names; a pattern like 'sales-*.csv'; or `-`, standard input.
    ///
    /// Gzip, zstd, bzip2, xz and zip are known by their content.
    #[arg(value_name = "INPUT", required = true)]
    inputs: Vec<PathBuf>,
    /// The SQLite database; it is made if it is not there.
    #[arg(value_name = "DATABASE")]
    database: PathBuf,
    /// The table [default: the first input's name without its endings].
    #[arg(short, long, value_name = "NAME", help_heading = "Table")]
    table: Option<String>,
    /// Put the new table in the place of one of the same name.
    #[arg(long, conflicts_with_all = ["append", "truncate"], help_heading = "Table")]
    replace: bool,
    /// Add the rows to those that the table has; columns are matched by name.
    #[arg(long, conflicts_with = "truncate", help_heading = "Table")]
    append: bool,
    /// Remove the rows that the table has, then fill it; columns are matched by name.
    #[arg(long, help_heading = "Table")]
    truncate: bool,
    /// Read only the first N records.
    #[arg(long, value_name = "N", help_heading = "Input")]
    limit: Option<u64>,
    /// There is no header: name the columns column1, column2 and so on.
    #[arg(long, conflicts_with = "header_rows", help_heading = "Input")]
    no_headers: bool,
    /// The header is the first N records: join the names that a column has in them with a blank.
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Input")]
    header_rows: usize,
    /// Make a table of the columns of all inputs; what an input does not have is NULL [default: that is an error].
    #[arg(long, help_heading = "Columns")]
    union_by_name: bool,
    /// Add a column with the name of the input that a row comes from.
    #[arg(long, value_name = "NAME", help_heading = "Columns")]
    file_column: Option<String>,
    /// Load these columns only, in this order. A name with a comma stands in double quotes here, and wherever columns are named.
    #[arg(long, value_name = "COLS", help_heading = "Columns")]
    columns: Vec<String>,
    /// Make the columns of these SQL expressions, as after SELECT: 'id, upper(name) AS name, price * 1.19 AS gross'. A column
    /// of the input has the type found for it, a CAST its own, and any other value stays as it is.
    #[arg(long = "select", value_name = "LIST", conflicts_with_all = ["columns", "rename"], help_heading = "Columns")]
    select: Option<String>,
    /// Load only the records for which this SQL expression is true: "price > 10 AND name LIKE 'A%'".
    #[arg(long = "where", value_name = "CONDITION", help_heading = "Columns")]
    condition: Option<String>,
    /// Give a column another name.
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_rename, help_heading = "Columns")]
    rename: Vec<(String, String)>,
    /// Give a column a type: INTEGER, REAL, TEXT, or BLOB for hexadecimal digits. A record with another value can not
    /// be loaded.
    #[arg(long = "type", value_name = "COL=TYPE", value_parser = parse_type, help_heading = "Columns")]
    types: Vec<(String, Type)>,
    /// Make all columns TEXT.
    #[arg(long, help_heading = "Columns")]
    all_text: bool,
    /// The primary key.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    pk: Vec<String>,
    /// Number the rows in a first column, the primary key. Without a name it is `id`; say it behind the files then.
    #[arg(
        long,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = "id",
        conflicts_with = "pk",
        help_heading = "Table"
    )]
    auto_id: Option<String>,
    /// Columns that can not be NULL.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    not_null: Vec<String>,
    /// Columns whose values together are in no two rows; may be given more than once.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    unique: Vec<String>,
    /// Make an index of these columns when the rows are there; may be given more than once.
    #[arg(long, value_name = "COLS", help_heading = "Table")]
    index: Vec<String>,
    /// Make a STRICT table.
    #[arg(long, help_heading = "Table")]
    strict: bool,
    /// Make a WITHOUT ROWID table, which needs --pk.
    #[arg(long, requires = "pk", help_heading = "Table")]
    without_rowid: bool,
    /// With --append or --truncate: add columns that the table does not have.
    #[arg(long, help_heading = "Table")]
    add_columns: bool,
    /// Leave out, and count, rows whose key is there already; without this they can not be loaded.
    #[arg(long, conflicts_with = "upsert", help_heading = "Table")]
    ignore: bool,
    /// Where the primary key of a row is there already, change that row.
    #[arg(long, help_heading = "Table")]
    upsert: bool,
    #[command(flatten)]
    options: LoadOptions,
}

impl Load {
    fn columns(&self) -> HeaderColumns {
        let lists = |lists: &[String]| -> Vec<Vec<String>> { lists.iter().map(|list| names(list)).collect() };
        HeaderColumns {
            all_text: self.all_text,
            types: self.types.clone(),
            union_by_name: self.union_by_name,
            input_column: self.file_column.clone(),
            selected: lists(&self.columns).concat(),
            select_list: Vec::new(),
            renamed: self.rename.clone(),
            not_null: lists(&self.not_null).concat(),
            primary_key: lists(&self.pk).concat(),
            unique: lists(&self.unique),
            indexes: lists(&self.index),
            auto_id: self.auto_id.clone(),
            add_columns: self.add_columns,
        }
    }

    pub(crate) fn request(&self) -> sqload::Result<LoadRequest<'_>> {
        let (inputs, database) = (self.inputs.clone(), self.database.clone());
        let (verbosity, task) = (&self.options.verbosity, self.options.task());
        Ok(LoadRequest { plan: self.plan()?, inputs, database, verbosity, task })
    }

    pub(super) fn plan(&self) -> sqload::Result<Plan> {
        let table = Table {
            if_exists: match self {
                Self { replace: true, .. } => IfExists::Replace,
                Self { append: true, .. } => IfExists::Append,
                Self { truncate: true, .. } => IfExists::Truncate,
                _ => IfExists::Fail,
            },
            is_strict: self.strict,
            is_without_rowid: self.without_rowid,
            on_conflict: match self {
                Self { ignore: true, .. } => OnConflict::Ignore,
                Self { upsert: true, .. } => OnConflict::Update,
                _ => OnConflict::Reject,
            },
            ..Table::new(self.table.clone().unwrap_or_else(|| table_name(&self.inputs)), Vec::new())
        };
        let header_rows = if self.no_headers { 0 } else { self.header_rows };
        let input_options =
            InputOptions { header_rows, max_records: self.limit, ..self.options.dialect.input_options() };
        let mut plan =
            Plan { input_options, columns: Some(self.columns()), ..self.options.plan(Plan::new(table)) };
        if let Some(list) = &self.select {
            plan = sql::select(plan, "--select", list)?;
        }
        if let Some(condition) = &self.condition {
            plan = sql::filter(plan, "--where", condition)?;
        }
        Ok(plan)
    }
}

/// The names in a list with commas; one with a comma in it stands in double quotes, and has two for one.
fn names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = Some(list);
    while let Some(list) = rest {
        let name;
        (name, rest) = first_name(list, ',');
        names.push(name);
    }
    names
}

/// The name before the first `end` outside of quotes, and what follows that.
fn first_name(text: &str, end: char) -> (String, Option<&str>) {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut rest = quoted;
        while let Some((part, behind)) = rest.split_once('"') {
            name += part;
            match behind.strip_prefix('"') {
                Some(behind) => {
                    name.push('"');
                    rest = behind;
                }
                // What needs no quotes has them in its name.
                None if !name.contains(end) => break,
                None if behind.is_empty() => return (name, None),
                None => match behind.strip_prefix(end) {
                    Some(behind) => return (name, Some(behind)),
                    None => break,
                },
            }
        }
    }
    match text.split_once(end) {
        Some((name, rest)) => (name.to_owned(), Some(rest)),
        None => (text.to_owned(), None),
    }
}

fn parse_rename(text: &str) -> Result<(String, String), String> {
    match first_name(text, '=') {
        (old, Some(new)) if !new.is_empty() => Ok((old, new.to_owned())),
        _ => Err("OLD=NEW was expected".to_owned()),
    }
}

fn parse_type(text: &str) -> Result<(String, Type), String> {
    let (column, name) = text.rsplit_once('=').ok_or("COL=TYPE was expected")?;
    let types = [Type::Integer, Type::Real, Type::Text, Type::Blob];
    let found = types.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
    let found = found.ok_or("the types are INTEGER, REAL, TEXT and BLOB")?;
    Ok((column.to_owned(), found))
}

/// What a table is called that is made of these inputs: as the first, without the ending, and without that of a compressed
/// file before it.
fn table_name(inputs: &[PathBuf]) -> String {
    let first = inputs.first().map_or(Path::new("-"), PathBuf::as_path);
    if first == Path::new("-") {
        return "stdin".to_owned();
    }
    let name = Path::new(first.file_name().unwrap_or_default());
    let is_compressed = name.extension().is_some_and(|ending| {
        ["gz", "zst", "bz2", "xz", "zip"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    });
    let name = if is_compressed { name.with_extension("") } else { name.to_owned() };
    name.file_stem().map_or("input".into(), |stem| stem.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_commas_are_quoted() {
        let cases: [(&str, &[&str]); 8] = [
            ("a,b", &["a", "b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("c,\"a \"\"b\"\",\"", &["c", "a \"b\","]),
            ("\"\",\"a\"", &["\"\"", "\"a\""]),
            ("a,", &["a", ""]),
            ("\"a,b", &["\"a", "b"]),
            ("\"a\"b,c", &["\"a\"b", "c"]),
            ("a \"b\"", &["a \"b\""]),
        ];
        for (list, expected) in cases {
            assert_eq!(names(list), expected, "{list}");
        }
        assert_eq!(parse_rename("\"a=b\"=c"), Ok(("a=b".to_owned(), "c".to_owned())));
        assert_eq!(parse_rename("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(parse_rename("\"a=b\"").is_err() && parse_rename("a=").is_err());
    }

    #[test]
    fn a_table_is_called_as_its_input() {
        let cases = [
            ("data/sales.csv", "sales"),
            ("sales.2024.csv", "sales.2024"),
            ("sales.csv.gz", "sales"),
            ("sales.CSV.ZST", "sales"),
            ("sales", "sales"),
            (".hidden", ".hidden"),
            ("-", "stdin"),
        ];
        for (input, expected) in cases {
            assert_eq!(table_name(&[input.into()]), expected);
        }
    }
}
