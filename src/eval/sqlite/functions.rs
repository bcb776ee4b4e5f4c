//! Our functions, made known to a connection.

use crate::batch::Value;
use crate::eval::functions::{hash64, lower, slug, try_date, try_integer, try_real, upper};
use crate::types::register_math_functions;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value as Owned};
use rusqlite::{Connection, Error, Result, ToSql};

/// A text that is made of bytes; SQLite does not ask whether they are UTF-8.
struct Text(Vec<u8>);

impl ToSql for Text {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(&self.0)))
    }
}

/// Makes our functions known; `upper` and `lower` take the place of SQLite's.
pub(super) fn register(connection: &Connection) -> Result<()> {
    register_math_functions(connection)?;
    let flags =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(c"upper", 1, flags, |call| {
        Ok(text(call, 0)?.map(|text| Text(upper(&text))))
    })?;
    connection.create_scalar_function(c"lower", 1, flags, |call| {
        Ok(text(call, 0)?.map(|text| Text(lower(&text))))
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
        let (of, format) = (text(call, 0)?, text(call, 1)?);
        Ok(of.zip(format).and_then(|(of, format)| try_date(&of, &format)).map_or(Owned::Null, Owned::Text))
    })?;
    connection.create_scalar_function(c"hash64", -1, flags, |call| {
        Ok(hash64((0..call.len()).map(|at| argument(call, at))))
    })
}

fn argument<'c>(call: &'c Context<'_>, at: usize) -> Value<'c> {
    Value::from_sqlite(call.get_raw(at))
}

/// An argument as text; nothing if it is NULL.
///
/// # Errors
/// If it is a REAL, whose text only SQLite knows.
fn text<'c>(call: &'c Context<'_>, at: usize) -> Result<Option<std::borrow::Cow<'c, [u8]>>> {
    match argument(call, at) {
        Value::Null => Ok(None),
        Value::Integer(integer) => Ok(Some(integer.to_string().into_bytes().into())),
        Value::Text(bytes) | Value::Blob(bytes) => Ok(Some(bytes.into())),
        Value::Real(_) => {
            let message = "this function takes a text, and not a REAL: CAST(... AS TEXT) makes one of it";
            Err(Error::UserFunctionError(message.into()))
        }
    }
}
