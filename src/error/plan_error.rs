//! What can be wrong with a plan.

use super::phrases::list;
use crate::plan::Type;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A contradiction in a plan, or between a plan and its inputs or its database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The name of the table is empty.
    #[error("the table has no name")]
    NoTableName,
    /// The name of the table is reserved.
    #[error("the table cannot be named {table:?}: names that start with sqlite_ are reserved by SQLite")]
    ReservedTableName {
        /// The name.
        table: String,
    },
    /// A table WITHOUT ROWID has no primary key.
    #[error("a WITHOUT ROWID table needs a primary key")]
    WithoutRowidNeedsKey,
    /// The plan asks for both an automatic id and a primary key.
    #[error("a table cannot have both an automatic id and a primary key of other columns")]
    TwoPrimaryKeys,
    /// Two columns of the table would have the same name.
    #[error("two columns would be named {column:?}")]
    DuplicateColumn {
        /// The name.
        column: String,
    },
    /// Rows are to be updated in a table that has no primary key.
    #[error("rows are updated by primary key, but the table {table:?} has none")]
    UpdateNeedsKey {
        /// The table.
        table: String,
        /// True for a table of the database, false for one that the load creates.
        exists: bool,
    },
    /// Rows are to be updated, but not every column of the primary key is loaded.
    #[error(
        "rows are updated by primary key, but not all columns of the key of the table {table:?} are loaded: {}",
        list(key)
    )]
    UpdateNeedsWholeKey {
        /// The table.
        table: String,
        /// The columns of its primary key.
        key: Vec<String>,
    },
    /// A column of the input is a generated column of the existing table.
    #[error("the table {table:?} computes its column {column:?} itself")]
    GeneratedColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A declared type is not a type name.
    #[error("the type of the column {column:?} is not a type name: {declared:?}")]
    InvalidType {
        /// The column.
        column: String,
        /// The declared type.
        declared: String,
    },
    /// A STRICT table cannot have this type.
    #[error(
        "the column {column:?} of a STRICT table cannot have the type {declared:?}, only INT, INTEGER, REAL, TEXT, BLOB or ANY"
    )]
    NotStrictType {
        /// The column.
        column: String,
        /// The declared type.
        declared: String,
    },
    /// The target is a view.
    #[error("{}: {name:?} is a view, and rows can only be loaded into a table", path.display())]
    TargetIsView {
        /// The database.
        path: PathBuf,
        /// The view.
        name: String,
    },
    /// The Encoding Standard has no such label.
    #[error("unknown encoding {name:?}")]
    UnknownEncoding {
        /// The label.
        name: String,
    },
    /// A setting for CSV is given for an input of another kind.
    #[error("{input} is not CSV, so {setting} has no meaning for it")]
    OnlyForCsv {
        /// The input.
        input: Arc<str>,
        /// The setting, in words.
        setting: &'static str,
    },
    /// Inputs with and without types are to fill the same table.
    #[error(
        "{input} and {first} cannot be loaded into one table: the columns of only one of them have types"
    )]
    MixedInputs {
        /// The input.
        input: Arc<str>,
        /// The first input.
        first: Arc<str>,
    },
    /// A column of an input has a type without a counterpart in SQLite.
    #[error("{input}: the column {column:?} has the type {found}, which cannot be stored")]
    UnsupportedType {
        /// The input.
        input: Arc<str>,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A column has different types in two inputs.
    #[error(
        "the column {column:?} is {} in {first} and {} in {input}", types[0].as_str(), types[1].as_str()
    )]
    TypesDiffer {
        /// The input.
        input: Arc<str>,
        /// An earlier input.
        first: Arc<str>,
        /// The column.
        column: String,
        /// The types: in the earlier input, and in this one.
        types: [Type; 2],
    },
    /// The database would have more pages than SQLite allows.
    #[error("the database would have more pages than SQLite allows")]
    TooManyPages,
}

/// What a column is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColumnUse {
    /// To load it.
    Load,
    /// To leave it out.
    Exclude,
    /// A select list refers to it.
    Select,
    /// To give it another name.
    Rename,
    /// To give it a type.
    Type,
    /// Some of its fields mean NULL.
    Null,
    /// To declare it NOT NULL.
    NotNull,
    /// It is part of the primary key.
    PrimaryKey,
    /// It is part of a UNIQUE constraint.
    Unique,
    /// It is part of an index.
    Index,
    /// It is part of the key of shards.
    Shards,
}

impl fmt::Display for ColumnUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Load => "to load",
            Self::Exclude => "to leave out",
            Self::Select => "to select",
            Self::Rename => "to rename",
            Self::Type => "to give a type",
            Self::Null => "to read NULLs from",
            Self::NotNull => "to declare NOT NULL",
            Self::PrimaryKey => "for the primary key",
            Self::Unique => "for a UNIQUE constraint",
            Self::Index => "for an index",
            Self::Shards => "to build shards by",
        })
    }
}
