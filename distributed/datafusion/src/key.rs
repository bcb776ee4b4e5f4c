//! The columns of a key, and the keys of rows.

use crate::spec::{ShardSpec, plan_error};
use datafusion::arrow::array::{Array, ArrayRef, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::cast::as_string_array;
use datafusion::error::Result;
use sqload::shards::ShardKey;

/// The columns of a key in the schema of the rows.
#[derive(Debug, Clone)]
pub(crate) struct KeyColumns {
    names: Vec<String>,
    indexes: Vec<usize>,
}

impl KeyColumns {
    /// The columns of the key of `spec` in `schema`.
    ///
    /// # Errors
    /// If a column is missing, or has a type whose values have no canonical text.
    pub(crate) fn new(spec: &ShardSpec, schema: &Schema) -> Result<Self> {
        let names = spec.job.columns.clone();
        let index = |name: &String| {
            let index = schema.index_of(name)?;
            match schema.field(index).data_type() {
                kind if has_canonical_text(kind) => Ok(index),
                kind => Err(plan_error(format!(
                    "PARTITIONED BY {name}: the type is {kind}, expected text, integers, Booleans or dates; convert the column in the query with CAST"
                ))),
            }
        };
        let indexes = names.iter().map(index).collect::<Result<_>>()?;
        Ok(Self { names, indexes })
    }

    pub(crate) fn indexes(&self) -> &[usize] {
        &self.indexes
    }

    /// The keys of all rows of these key columns, as the texts of the values that SQLite stores.
    pub(crate) fn texts(columns: &[ArrayRef]) -> Result<KeyTexts> {
        let text = |column: &ArrayRef| {
            // A Boolean is stored as a number.
            let column = match column.data_type() {
                DataType::Boolean => cast(column, &DataType::Int8)?,
                _ => column.clone(),
            };
            Ok(as_string_array(&cast(&column, &DataType::Utf8)?)?.clone())
        };
        columns.iter().map(text).collect::<Result<_>>().map(KeyTexts)
    }

    /// The key of a row.
    pub(crate) fn key(&self, texts: &KeyTexts, row: usize) -> ShardKey {
        ShardKey::columns(self.names.iter().cloned().zip(texts.row(row)))
    }
}

/// The texts of key columns.
pub(crate) struct KeyTexts(Vec<StringArray>);

impl KeyTexts {
    /// The texts of a row.
    pub(crate) fn row(&self, row: usize) -> impl Iterator<Item = Option<&str>> {
        self.0.iter().map(move |column| column.is_valid(row).then(|| column.value(row)))
    }
}

fn has_canonical_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Boolean
        | DataType::Date32
        | DataType::Null => true,
        DataType::Dictionary(_, values) => has_canonical_text(values),
        kind => kind.is_integer(),
    }
}
