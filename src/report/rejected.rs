//! The first rejected records of a load.

use crate::error::{Position, Reason};

/// A rejected record.
#[derive(Debug, Clone)]
pub(crate) struct RejectedRecord {
    pub(crate) position: Position,
    pub(crate) reason: Reason,
    /// The start of the record, with U+FFFD in place of invalid UTF-8.
    pub(crate) start: String,
}

impl RejectedRecord {
    /// The number of bytes of a record to keep.
    const MAX_BYTES: usize = 200;

    pub(crate) fn new(position: Position, reason: Reason, record: &[u8]) -> Self {
        let mut start = String::from_utf8_lossy(&record[..record.len().min(Self::MAX_BYTES)]).into_owned();
        if record.len() > Self::MAX_BYTES {
            start.push('…');
        }
        Self { position, reason, start }
    }
}
