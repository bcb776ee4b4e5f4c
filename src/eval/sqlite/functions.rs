//! Registers sqload's SQL functions on a connection.

use crate::batch::Value;
use crate::eval::functions::{hash64, lower, slug, try_date, try_integer, try_real, upper};
use crate::types::register_math_functions;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, Error, Result, ToSql};
use std::borrow::Cow;

/// A result of type TEXT that need not be UTF-8.
struct RawText(Vec<u8>);

impl ToSql for RawText {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(Value::Text(&self.0).to_sqlite())
    }
}

/// Registers the functions of [`crate::eval::functions`] and the mathematical functions. `upper` and `lower` replace SQLite's.
///
/// # Errors
/// If SQLite runs out of memory.
pub(super) fn register(connection: &Connection) -> Result<()> {
    register_math_functions(connection)?;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(c"upper", 1, flags, |call| {
        Ok(text(call, 0)?.map(|text| RawText(upper(&text))))
    })?;
    connection.create_scalar_function(c"lower", 1, flags, |call| {
        Ok(text(call, 0)?.map(|text| RawText(lower(&text))))
    })?;
    connection.create_scalar_function(
        c"slug",
        1,
        flags,
        |call| Ok(text(call, 0)?.map(|text| slug(&text))),
    )?;
    connection.create_scalar_function(c"try_integer", 1, flags, |call| {
        Ok(match argument(call, 0) {
            Value::Integer(integer) => Some(integer),
            Value::Text(text) => try_integer(text),
            _ => None,
        })
    })?;
    connection.create_scalar_function(c"try_real", 1, flags, |call| {
        Ok(match argument(call, 0) {
            Value::Integer(integer) => Some(integer as f64),
            Value::Real(real) => Some(real),
            Value::Text(text) => try_real(text),
            _ => None,
        })
    })?;
    connection.create_scalar_function(c"try_date", 2, flags, |call| {
        let arguments = text(call, 0)?.zip(text(call, 1)?);
        Ok(arguments.and_then(|(text, format)| try_date(&text, &format)))
    })?;
    connection.create_scalar_function(c"hash64", -1, flags, |call| {
        Ok(hash64((0..call.len()).map(|index| argument(call, index))))
    })
}

fn argument<'c>(call: &'c Context<'_>, index: usize) -> Value<'c> {
    Value::from_sqlite(call.get_raw(index))
}

/// An argument as text; `None` if it is NULL.
///
/// # Errors
/// If the argument is a REAL, because only SQLite can convert it to the text that SQLite would.
fn text<'c>(call: &'c Context<'_>, index: usize) -> Result<Option<Cow<'c, [u8]>>> {
    match argument(call, index) {
        Value::Null => Ok(None),
        Value::Integer(integer) => Ok(Some(integer.to_string().into_bytes().into())),
        Value::Text(bytes) | Value::Blob(bytes) => Ok(Some(bytes.into())),
        Value::Real(_) => {
            let message = "this function does not accept a REAL; convert it with CAST(... AS TEXT)";
            Err(Error::UserFunctionError(message.into()))
        }
    }
}
