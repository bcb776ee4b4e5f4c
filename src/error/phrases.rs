//! Parts of messages.

use super::Position;
use crate::plan::Place;

/// `number` and the noun for that many things: `1 record`, `2 records`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A value for a message: its first characters if it is long, with U+FFFD in place of invalid UTF-8.
pub(crate) fn excerpt(value: &[u8]) -> String {
    const MAX_CHARS: usize = 40;
    // A character takes at most four bytes.
    let start = String::from_utf8_lossy(&value[..value.len().min(4 * (MAX_CHARS + 1))]);
    match start.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", &start[..end]),
        None => start.into_owned(),
    }
}

/// An error and its causes as one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Why an input has no header of this many records. `skipped_lines` are the lines that it has, if all are skipped, and the lines to
/// skip.
pub(super) fn missing_header(rows: usize, skipped_lines: Option<(u64, u64)>) -> String {
    if let Some((lines, skipped)) = skipped_lines {
        let lines = count(lines, "line");
        return format!(
            "the input is empty after {} before the header, since it has {lines}",
            count(skipped, "line")
        );
    }
    match rows {
        0 => {
            "the input is empty, and without a header its first record tells the number of columns".to_owned()
        }
        1 => "the input is empty: a header with the column names was expected".to_owned(),
        _ => format!("the input ends within its header of {rows} records"),
    }
}

/// The ways in which the columns of an input differ from the expected ones.
pub(super) fn differences(missing: &[String], extra: &[String]) -> String {
    let parts = [("it lacks", missing), ("it also has", extra)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(verb, names)| format!("{verb} {}", list(names))).collect::<Vec<_>>().join("; ")
}

/// The positions of records, as the start of a message.
pub(super) fn positions_prefix(positions: &[Position]) -> String {
    let positions: Vec<_> = positions.iter().map(Position::to_string).collect();
    if positions.is_empty() { String::new() } else { format!("{}: ", positions.join(" and ")) }
}

/// A place in SQL, as the start of a message.
pub(super) fn place_prefix(place: Option<&Place>) -> String {
    place.map_or(String::new(), |place| format!("{place}: "))
}

/// A question, in parentheses, for the one of `names` that is most similar to `name`; empty if none is similar.
pub(crate) fn nearest(name: &str, names: &[String]) -> String {
    nearest_above(0.7, name, names)
}

/// As [`nearest`]; if no name is similar and `name` comes from SQL, how to write it as a text.
pub(super) fn nearest_or_text(name: &str, names: &[String], is_sql: bool) -> String {
    match nearest(name, names) {
        none if none.is_empty() && is_sql => {
            format!(" (a text is written in single quotes: '{}')", name.replace('\'', "''"))
        }
        nearest => nearest,
    }
}

/// As [`nearest`], with the smallest similarity that counts, of at most 1.
pub(crate) fn nearest_above(min_similarity: f64, name: &str, names: &[String]) -> String {
    let name = name.to_lowercase();
    let rated = names.iter().map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other));
    let nearest = rated.max_by(|(a, _), (b, _)| a.total_cmp(b));
    nearest
        .filter(|(similarity, _)| *similarity >= min_similarity)
        .map_or(String::new(), |(_, nearest)| format!(" (did you mean {nearest:?}?)"))
}

/// The first of `names`, separated by commas, and the number of the others.
pub(super) fn list(names: &[String]) -> String {
    const MAX_LISTED: usize = 20;
    let mut list: Vec<_> =
        names.iter().take(MAX_LISTED).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > MAX_LISTED {
        list.push(format!("and {} more", names.len() - MAX_LISTED));
    }
    list.join(", ")
}
