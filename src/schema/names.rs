//! Makes column names unique.

use std::collections::{HashMap, HashSet};

/// Column names that SQLite accepts, and a note for each name that had to change.
///
/// The names differ in more than ASCII case, which SQLite ignores, and contain no NUL, which would end them.
pub(crate) fn unique_names(header: &[String]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let header_names: HashSet<_> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut taken = HashSet::new();
    // For each repeated name, the first number that may be free. Without it, many equal names would take quadratic time.
    let mut next_numbers: HashMap<String, usize> = HashMap::new();
    let mut unique_name = |(at, name): (usize, &String)| {
        let base = if name.is_empty() { format!("column{}", at + 1) } else { name.replace('\0', "_") };
        let is_free = |unique: &String| {
            let lower = unique.to_ascii_lowercase();
            !taken.contains(&lower) && (unique == name || !header_names.contains(&lower))
        };
        let mut unique = base.clone();
        if !is_free(&unique) {
            let number = next_numbers.entry(base.to_ascii_lowercase()).or_insert(2);
            while !is_free(&unique) {
                unique = format!("{base}_{number}");
                *number += 1;
            }
        }
        taken.insert(unique.to_ascii_lowercase());
        if unique != *name {
            let reason = match name {
                _ if name.is_empty() => "has no name".to_owned(),
                _ if name.contains('\0') => format!("has a name with a NUL character, {name:?},"),
                _ => format!("repeats the name {name:?}"),
            };
            notes.push(format!("column {} {reason} in the header and is named {unique:?}", at + 1));
        }
        unique
    };
    let names = header.iter().enumerate().map(&mut unique_name).collect();
    (names, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_equal_names_take_linear_time() {
        let header = vec!["a".to_owned(); 200_000];
        let (names, _) = unique_names(&header);
        assert_eq!((names[1].as_str(), names[199_999].as_str()), ("a_2", "a_200000"));
    }

    #[test]
    fn names_are_made_unique() {
        let cases: [(&[&str], &[&str]); 7] = [
            (&["a", "b"], &["a", "b"]),
            (&["a", "A", "a"], &["a", "A_2", "a_3"]),
            (&["", "x", ""], &["column1", "x", "column3"]),
            (&["a", "a", "a_2"], &["a", "a_3", "a_2"]),
            (&["", "column1"], &["column1_2", "column1"]),
            (&["é", "É", "É"], &["é", "É", "É_2"]),
            (&["a_b", "a\0b", "\0"], &["a_b", "a_b_2", "_"]),
        ];
        for (header, expected) in cases {
            let header: Vec<_> = header.iter().map(|name| (*name).to_owned()).collect();
            let (names, notes) = unique_names(&header);
            assert_eq!(names, expected);
            assert_eq!(notes.len(), names.iter().zip(&header).filter(|(a, b)| a != b).count());
        }
    }
}
