//! OPTIONS of a statement.

use crate::spec::{TableOptions, plan_error};
use datafusion::error::Result;
use std::collections::HashMap;
use std::num::NonZeroU32;

/// The names of all options.
const NAMES: &str =
    "table, primary_key, unique, index, strict, without_rowid, buckets, expected_rows, replace and durable";

/// The options of a statement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The name of the table; `None` for that of the directory.
    pub(crate) table: Option<String>,
    pub(crate) options: TableOptions,
    pub(crate) buckets: Option<NonZeroU32>,
    pub(crate) expected_rows: Option<u64>,
    pub(crate) replace: bool,
    pub(crate) durable: bool,
}

impl Options {
    /// Parses the options of a statement. DataFusion has put `format.` in front of names without a dot, and made them lowercase.
    pub(crate) fn parse(given: &HashMap<String, String>) -> Result<Self> {
        let mut parsed = Self::default();
        // The first error does not depend on the order of the map.
        let mut given: Vec<_> = given.iter().collect();
        given.sort();
        for (name, value) in given {
            let name = name.strip_prefix("format.").unwrap_or(name);
            parsed.set(name, value)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name.replace(' ', "_").as_str() {
            "table" => self.table = Some(value.to_owned()),
            "primary_key" => self.options.primary_key = columns(name, value)?,
            "unique" => self.options.unique = column_lists(name, value)?,
            "index" => self.options.indexes = column_lists(name, value)?,
            "strict" => self.options.strict = boolean(name, value)?,
            "without_rowid" => self.options.without_rowid = boolean(name, value)?,
            "buckets" => self.buckets = Some(number(name, value)?),
            "expected_rows" => self.expected_rows = Some(number(name, value)?),
            "replace" => self.replace = boolean(name, value)?,
            "durable" => self.durable = boolean(name, value)?,
            _ => return Err(plan_error(format!("unknown option {name:?}; the options are {NAMES}"))),
        }
        Ok(())
    }
}

fn boolean(name: &str, value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(plan_error(format!("option {name} is true or false, not {value:?}"))),
    }
}

fn number<N: std::str::FromStr>(name: &str, value: &str) -> Result<N> {
    value.parse().map_err(|_| plan_error(format!("option {name} is a positive number, not {value:?}")))
}

fn columns(name: &str, value: &str) -> Result<Vec<String>> {
    match <[Vec<String>; 1]>::try_from(column_lists(name, value)?) {
        Ok([columns]) => Ok(columns),
        Err(_) => Err(plan_error(format!("option {name} is one list of columns, not {value:?}"))),
    }
}

/// Lists of columns: `a, b; c`. A name with a comma, a semicolon or a blank at its ends is in double quotes.
fn column_lists(name: &str, value: &str) -> Result<Vec<Vec<String>>> {
    let (mut lists, mut rest) = (vec![Vec::new()], value.trim_start());
    loop {
        let (column, after) = column(rest)
            .ok_or_else(|| plan_error(format!("option {name} is a list of columns, not {value:?}")))?;
        let list = lists.len() - 1;
        lists[list].push(column);
        let mut chars = after.chars();
        match chars.next() {
            None => return Ok(lists),
            Some(';') => lists.push(Vec::new()),
            // Columns end at a comma, at a semicolon or at the end.
            Some(_) => {}
        }
        rest = chars.as_str().trim_start();
    }
}

/// The first column of a list, and what follows it.
fn column(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';']).unwrap_or(text.len());
        let name = text[..end].trim_end();
        return (!name.is_empty()).then(|| (name.to_owned(), &text[end..]));
    };
    let (mut name, mut rest) = (String::new(), quoted);
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => break,
        }
    }
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with([',', ';'])).then_some((name, rest))
}
