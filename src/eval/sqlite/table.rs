//! The records of a chunk as a table of SQLite.
//!
//! The one file here with `unsafe`, which the traits of a virtual table ask for. Their contract is the layout that SQLite
//! expects, no more: each of the two types begins with what SQLite has of it (`sqlite3_vtab`, `sqlite3_vtab_cursor`), and
//! `repr(C)` keeps it there. Values are shared by counting references, and SQLite copies each one that it is told.

use super::InputColumn;
use super::cells::Cells;
use crate::batch::{Value, Values};
use crate::schema::ddl::quote_name;
use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConnection, VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Result};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The rows that are to be seen.
#[derive(Debug, Default)]
pub(super) struct Window {
    columns: Vec<Cells>,
    range: Range<usize>,
}

impl Window {
    /// Shows so many rows of these columns, one of each.
    pub(super) fn fill<'a>(&mut self, columns: impl Iterator<Item = Values<'a>>, rows: usize) {
        for (used, values) in columns.enumerate() {
            if used == self.columns.len() {
                self.columns.push(Cells::default());
            }
            let cells = &mut self.columns[used];
            cells.clear();
            (0..rows).for_each(|row| cells.push(values.get(row)));
        }
        self.range = 0..rows;
    }
}

/// What a session and its table have in common.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    declaration: CString,
    window: Mutex<Arc<Window>>,
    /// The row that SQLite is at.
    row: AtomicUsize,
}

impl Shared {
    /// For a table of these columns.
    ///
    /// # Errors
    /// If a name holds a NUL.
    pub(super) fn new(columns: &[InputColumn]) -> Result<Self> {
        let column = |InputColumn { name, is_text }: &InputColumn| {
            format!("{} {}", quote_name(name), if *is_text { "TEXT" } else { "" })
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        // A table has a column.
        let columns = if columns.is_empty() { "\"\"".to_owned() } else { columns.join(", ") };
        let declaration = CString::new(format!("CREATE TABLE input ({columns})"))?;
        Ok(Self(Arc::new(Inner { declaration, window: Mutex::default(), row: AtomicUsize::new(0) })))
    }

    fn window(&self) -> MutexGuard<'_, Arc<Window>> {
        self.0.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is to be seen, when nobody looks.
    pub(super) fn show(&self, change: impl FnOnce(&mut Window)) {
        let mut window = self.window();
        // A cursor is closed with its statement, so that there is but one owner.
        if let Some(window) = Arc::get_mut(&mut window) {
            change(window);
        }
    }

    /// The next walk is over these rows alone.
    pub(super) fn set_range(&self, range: Range<usize>) {
        self.0.row.store(range.start, Ordering::Relaxed);
        self.show(|window| window.range = range);
    }

    /// The row that SQLite is at, or was at when it failed.
    pub(super) fn row(&self) -> usize {
        self.0.row.load(Ordering::Relaxed)
    }
}

/// Makes the table known as `input`.
pub(super) fn register(connection: &Connection, shared: &Shared) -> Result<()> {
    const MODULE: Module<'_, Table> = Module::eponymous_only_module();
    connection.create_module(c"input", &MODULE, Some(shared.clone()))
}

#[repr(C)]
struct Table {
    base: sqlite3_vtab,
    shared: Shared,
}

// SAFETY: `repr(C)`, and `sqlite3_vtab` comes first.
unsafe impl VTab<'_> for Table {
    type Aux = Shared;
    type Cursor = Cursor;

    fn connect(
        _: &mut VTabConnection,
        shared: Option<&Shared>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let shared = shared.ok_or_else(|| rusqlite::Error::ModuleError("no rows".to_owned()))?.clone();
        let declaration = shared.0.declaration.clone();
        Ok((declaration.into(), Self { base: sqlite3_vtab::default(), shared }))
    }

    fn best_index(&self, _: &mut IndexInfo) -> Result<bool> {
        Ok(true)
    }

    fn open(&mut self) -> Result<Cursor> {
        let (window, shared) = (self.shared.window().clone(), self.shared.clone());
        Ok(Cursor { base: sqlite3_vtab_cursor::default(), shared, window, row: 0 })
    }
}

#[repr(C)]
struct Cursor {
    base: sqlite3_vtab_cursor,
    shared: Shared,
    window: Arc<Window>,
    row: usize,
}

impl Cursor {
    fn go_to(&mut self, row: usize) {
        self.row = row;
        self.shared.0.row.store(row, Ordering::Relaxed);
    }
}

// SAFETY: `repr(C)`, and `sqlite3_vtab_cursor` comes first.
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, _: &Filters<'_>) -> Result<()> {
        self.go_to(self.window.range.start);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.go_to(self.row + 1);
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row >= self.window.range.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let cells = self.window.columns.get(column as usize);
        let value = cells.map_or(Value::Null, |cells| cells.get(self.row));
        context.set_result(value.to_sqlite())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row as i64)
    }
}
