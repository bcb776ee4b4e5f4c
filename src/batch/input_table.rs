//! The virtual table `input`, whose rows are those of a chunk: in-memory databases of workers evaluate expressions over it.
//!
//! The traits of a virtual table are `unsafe` because SQLite requires a memory layout: the table must start with a `sqlite3_vtab`
//! and the cursor with a `sqlite3_vtab_cursor`, which `repr(C)` guarantees. The rows are shared by reference counting, and
//! SQLite copies every value that it reads.

use super::column_buffer::ColumnBuffer;
use super::{Value, Values};
use rusqlite::vtab::{
    Context, Filters, IndexInfo, Module, VTab, VTabConnection, VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Result};
use std::borrow::Cow;
use std::ffi::{CStr, CString, c_int};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The values of a chunk, and the rows of it that the table contains.
#[derive(Debug, Clone, Default)]
struct InputRows {
    columns: Arc<Vec<ColumnBuffer>>,
    range: Range<usize>,
}

/// The state that a session shares with its table.
#[derive(Debug, Clone)]
pub(crate) struct SharedInput(Arc<SharedState>);

#[derive(Debug)]
struct SharedState {
    declaration: CString,
    rows: Mutex<InputRows>,
    /// The row that SQLite is reading, or read when it failed.
    current_row: AtomicUsize,
}

impl SharedInput {
    /// Creates the state of a table with these column declarations and no rows.
    ///
    /// # Errors
    /// If one contains a NUL.
    pub(crate) fn new(columns: &[String]) -> Result<Self> {
        // A table needs at least one column.
        let columns = if columns.is_empty() { "\"\"".to_owned() } else { columns.join(", ") };
        let declaration = CString::new(format!("CREATE TABLE input ({columns})"))?;
        let (rows, current_row) = Default::default();
        Ok(Self(Arc::new(SharedState { declaration, rows, current_row })))
    }

    fn rows(&self) -> MutexGuard<'_, InputRows> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the rows by `row_count` rows of these columns. Statements that are still running keep the old rows.
    pub(crate) fn fill<'a>(&self, columns: impl ExactSizeIterator<Item = Values<'a>>, row_count: usize) {
        let mut rows = self.rows();
        if Arc::get_mut(&mut rows.columns).is_none() {
            rows.columns = Arc::default();
        }
        // The buffers of the last chunk are reused, unless a statement still reads them.
        if let Some(buffers) = Arc::get_mut(&mut rows.columns) {
            buffers.resize_with(columns.len(), ColumnBuffer::default);
            for (buffer, values) in buffers.iter_mut().zip(columns) {
                buffer.clear();
                (0..row_count).for_each(|row| buffer.push(values.get(row)));
            }
        }
        rows.range = 0..row_count;
    }

    /// Restricts the table to these rows of the chunk, for statements that start from now on.
    pub(crate) fn set_range(&self, range: Range<usize>) {
        self.0.current_row.store(range.start, Ordering::Relaxed);
        self.rows().range = range;
    }

    /// Registers the table as `name` on a connection.
    ///
    /// # Errors
    /// If SQLite runs out of memory.
    pub(crate) fn register(&self, connection: &Connection, name: &str) -> Result<()> {
        const MODULE: Module<'_, InputTable> = Module::eponymous_only_module();
        connection.create_module(name, &MODULE, Some(self.clone()))
    }

    /// The row that SQLite is reading, or read when it failed.
    pub(crate) fn current_row(&self) -> usize {
        self.0.current_row.load(Ordering::Relaxed)
    }
}

#[repr(C)]
struct InputTable {
    base: sqlite3_vtab,
    shared: SharedInput,
}

// SAFETY: The type is `repr(C)` and starts with a `sqlite3_vtab`.
unsafe impl VTab<'_> for InputTable {
    type Aux = SharedInput;
    type Cursor = InputCursor;

    fn connect(
        _: &mut VTabConnection,
        shared: Option<&SharedInput>,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let shared = shared
            .ok_or_else(|| rusqlite::Error::ModuleError("the table input has no state".to_owned()))?
            .clone();
        let declaration = shared.0.declaration.clone();
        Ok((declaration.into(), Self { base: sqlite3_vtab::default(), shared }))
    }

    fn best_index(&self, _: &mut IndexInfo) -> Result<bool> {
        Ok(true)
    }

    fn open(&mut self) -> Result<InputCursor> {
        let (rows, shared) = (self.shared.rows().clone(), self.shared.clone());
        Ok(InputCursor { base: sqlite3_vtab_cursor::default(), shared, rows, row: 0 })
    }
}

#[repr(C)]
struct InputCursor {
    base: sqlite3_vtab_cursor,
    shared: SharedInput,
    rows: InputRows,
    row: usize,
}

impl InputCursor {
    fn go_to(&mut self, row: usize) {
        self.row = row;
        self.shared.0.current_row.store(row, Ordering::Relaxed);
    }
}

// SAFETY: The type is `repr(C)` and starts with a `sqlite3_vtab_cursor`.
unsafe impl VTabCursor for InputCursor {
    fn filter(&mut self, _: c_int, _: Option<&str>, _: &Filters<'_>) -> Result<()> {
        self.go_to(self.rows.range.start);
        Ok(())
    }

    fn next(&mut self) -> Result<()> {
        self.go_to(self.row + 1);
        Ok(())
    }

    fn eof(&self) -> bool {
        self.row >= self.rows.range.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let buffer = self.rows.columns.get(column as usize);
        let value = buffer.map_or(Value::Null, |buffer| buffer.get(self.row));
        context.set_result(value.to_sqlite())
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row as i64)
    }
}
