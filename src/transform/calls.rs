//! Operators and functions of SQL.

use super::Slot;
use crate::batch::{Arena, Values};
use crate::plan::Function;

/// The values of a call; nothing if they are left to SQLite.
pub(super) fn call<'a>(
    _function: Function,
    _of: &[Slot],
    _made: &[Values<'a>],
    _rows: usize,
    _arena: &'a Arena,
) -> Option<Values<'a>> {
    None
}
