//! Parts of messages.

use super::Position;
use crate::plan::Place;

/// What is said of a quote for whose end so many bytes were looked through.
pub(super) fn missing_close(searched_bytes: u64, max_bytes: Option<usize>) -> String {
    let none = "use --quote none if quotes mean nothing in this file";
    match max_bytes {
        None => format!("never closed (looked through {searched_bytes} bytes); close it, or {none}"),
        Some(max_bytes) => format!(
            "not closed within {max_bytes} bytes, the largest record allowed; close it, allow more with --max-record-size, or {none}"
        ),
    }
}

/// What is said of an input that ends before its header does.
pub(super) fn missing_header(rows: usize) -> String {
    match rows {
        0 => "the input is empty: its first record was to say how many columns there are".to_owned(),
        1 => "the input is empty: a header record with the column names was expected".to_owned(),
        _ => format!("the input ends within its header of {rows} records: ask for fewer with --header-rows"),
    }
}

/// The positions of the records that a message is about, in front of it.
pub(super) fn places(positions: &[Position]) -> String {
    let places: Vec<_> = positions.iter().map(Position::to_string).collect();
    if places.is_empty() { String::new() } else { format!("{}: ", places.join(" and ")) }
}

/// `names` behind what is said of them, if there are any.
pub(super) fn part(of_them: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{of_them}{};", listed(names)) }
}

/// A place in SQL before what is said of it.
pub(super) fn place_before(place: Option<&Place>) -> String {
    place.map_or(String::new(), |place| format!("{place}: "))
}

/// A question after the one of `names` that is most like `name`, if one is.
pub(crate) fn nearest(name: &str, names: &[String]) -> String {
    const MIN_LIKENESS: f64 = 0.7;
    let likeness = |other: &String| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let nearest = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest
        .filter(|nearest| likeness(nearest) >= MIN_LIKENESS)
        .map_or(String::new(), |nearest| format!("; is {nearest:?} meant?"))
}

/// The first of `names`, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    const MAX_LISTED: usize = 20;
    let mut list: Vec<_> =
        names.iter().take(MAX_LISTED).map(|name| name.escape_debug().to_string()).collect();
    if names.len() > MAX_LISTED {
        list.push(format!("and {} more", names.len() - MAX_LISTED));
    }
    list.join(", ")
}
