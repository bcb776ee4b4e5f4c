//! Names of columns: finds them, and makes them unique.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// `name` in ASCII lower case. SQLite does not distinguish names that are equal in it.
fn lower_case(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// Finds columns by their names.
#[derive(Debug)]
pub(crate) struct NameIndex<'n> {
    names: &'n [String],
    /// The first column with each name, in ASCII lower case.
    first: HashMap<Cow<'n, str>, usize>,
    /// For a column that shares its name in lower case with later ones, the next of them.
    next: HashMap<usize, usize>,
}

impl<'n> NameIndex<'n> {
    pub(crate) fn new(names: &'n [String]) -> Self {
        let (mut first, mut next) = (HashMap::with_capacity(names.len()), HashMap::new());
        for (at, name) in names.iter().enumerate().rev() {
            if let Some(later) = first.insert(lower_case(name), at) {
                next.insert(at, later);
            }
        }
        Self { names, first, next }
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> &'n [String] {
        self.names
    }

    /// The columns with this name in any ASCII case.
    pub(crate) fn find_all(&self, name: &str) -> impl Iterator<Item = usize> {
        let first = self.first.get(&lower_case(name)).copied();
        std::iter::successors(first, |at| self.next.get(at).copied())
    }

    /// The first column with this name. An exact match wins over one that ignores ASCII case.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.find_all(name).find(|at| self.names[*at] == name).or_else(|| self.find_all(name).next())
    }
}

/// Column names that SQLite accepts, and a note for each name that had to change.
///
/// The names differ in more than ASCII case, which SQLite ignores, and contain no NUL, which would end them.
pub(crate) fn unique_names(header: &[String]) -> (Vec<String>, Vec<String>) {
    let header_names: HashSet<_> = header.iter().map(|name| lower_case(name)).collect();
    let is_usable = |name: &String| !name.is_empty() && !name.contains('\0');
    if header_names.len() == header.len() && header.iter().all(is_usable) {
        return (header.to_vec(), Vec::new());
    }
    let mut notes = Vec::new();
    let mut taken = HashSet::new();
    // For each repeated name, the first number that may be free. Without it, many equal names would take quadratic time.
    let mut next_numbers: HashMap<String, usize> = HashMap::new();
    let mut unique_name = |(at, name): (usize, &String)| {
        let base = if name.is_empty() { format!("column{}", at + 1) } else { name.replace('\0', "_") };
        let is_free = |unique: &String| {
            let lower = unique.to_ascii_lowercase();
            !taken.contains(&lower) && (unique == name || !header_names.contains(&*lower))
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
    fn columns_are_found_by_name() {
        let names = ["b", "A", "a", "É", "a"].map(str::to_owned);
        let index = NameIndex::new(&names);
        let found = ["a", "A", "B", "é", "É", "c"].map(|name| index.find(name));
        assert_eq!(found, [Some(2), Some(1), Some(0), None, Some(3), None]);
        assert_eq!(index.find_all("a").collect::<Vec<_>>(), [1, 2, 4]);
    }

    #[test]
    fn many_columns_are_found_in_linear_time() {
        let names: Vec<_> = (0..200_000).map(|at| format!("c{at}")).collect();
        let index = NameIndex::new(&names);
        assert!(names.iter().enumerate().all(|(at, name)| index.find(&name.to_uppercase()) == Some(at)));
    }

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
