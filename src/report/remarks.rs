//! Warnings and notes as lines of a summary.

use super::Note;
use crate::error::{Warning, count};

/// The number of lines for warnings and notes. The others are summed up in one more.
const MAX_REMARKS: usize = 10;

/// The lines of a summary for these warnings and notes.
pub(super) fn remarks(
    warnings: &[Warning],
    notes: &[Note],
    phrase_note: impl Fn(&Note) -> String,
    phrase_warning: impl Fn(&Warning) -> String,
) -> Vec<String> {
    // What happened after the commit has been logged when it happened.
    let warnings = warnings.iter().filter(|warning| !matches!(warning, Warning::AfterCommit(_)));
    let warnings = warnings.map(|warning| format!("warning: {}", phrase_warning(warning)));
    let notes: Vec<_> = notes.iter().filter(|note| !is_usual(note)).collect();
    let mut lines: Vec<_> = warnings.chain(notes.iter().map(|note| phrase_note(note))).collect();
    if lines.len() > MAX_REMARKS {
        let others = lines.len() - MAX_REMARKS;
        let last_notes = &notes[notes.len() - others.min(notes.len())..];
        let texts = last_notes.iter().filter(|note| matches!(note, Note::TextColumn { .. })).count();
        lines.truncate(MAX_REMARKS);
        lines.push(match others - texts {
            0 => format!("and {} of this kind", count(texts as u64, "more column")),
            _ => format!("and {}", count(others as u64, "more note")),
        });
    }
    lines
}

/// True for the note that fields are separated by commas, which a summary mentions beside the input.
pub(super) fn is_usual(note: &Note) -> bool {
    matches!(note, Note::DetectedDelimiter(delimiter) if delimiter.as_bytes() == b",")
}
