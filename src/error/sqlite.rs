//! Errors of SQLite.

use std::error::Error;
use std::fmt;

/// An error of SQLite, with its result code and message.
#[derive(Debug)]
pub struct SqliteError {
    code: Option<i32>,
    /// SQLite's own message, if a row violates a constraint.
    constraint_violation: Option<String>,
    source: Box<dyn Error + Send + Sync>,
}

impl SqliteError {
    pub(super) fn new(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let constraint_violation = match &error {
            rusqlite::Error::SqliteFailure(code, Some(message))
                if code.code == rusqlite::ErrorCode::ConstraintViolation =>
            {
                Some(message.clone())
            }
            _ => None,
        };
        Self { code, constraint_violation, source: Box::new(error) }
    }

    /// The [extended result code](https://sqlite.org/rescode.html); `None` if the error did not come from SQLite itself, but
    /// from reading its results.
    #[must_use]
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    pub(super) fn constraint_violation(&self) -> Option<&str> {
        self.constraint_violation.as_deref()
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for SqliteError {
    /// The cause of the wrapped error, whose own message is the message of this one. A bare result code is not a cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source().filter(|cause| !cause.is::<rusqlite::ffi::Error>())
    }
}
