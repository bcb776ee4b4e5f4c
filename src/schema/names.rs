//! The names of columns.

use std::collections::HashSet;

/// The names of the columns as SQLite wants them, and what was done for that: each one different from the others in more
/// than the case of ASCII letters, and without a NUL, which would end it.
pub(crate) fn names(header: &[String]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let given: HashSet<_> = header.iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut taken = HashSet::new();
    let mut name = |(at, name): (usize, &String)| {
        let base = if name.is_empty() { format!("column{}", at + 1) } else { name.replace('\0', "_") };
        let mut unique = base.clone();
        let mut number = 2;
        while taken.contains(&unique.to_ascii_lowercase())
            || (unique != *name && given.contains(&unique.to_ascii_lowercase()))
        {
            unique = format!("{base}_{number}");
            number += 1;
        }
        taken.insert(unique.to_ascii_lowercase());
        if unique != *name {
            let was = match name {
                _ if name.is_empty() => "no name".to_owned(),
                _ if name.contains('\0') => format!("the name {name:?}, with a NUL,"),
                _ => format!("the name {name:?} again"),
            };
            notes.push(format!("column {} has {was} in the header: it is {unique:?}", at + 1));
        }
        unique
    };
    let names = header.iter().enumerate().map(&mut name).collect();
    (names, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let (names, notes) = names(&header);
            assert_eq!(names, expected);
            assert_eq!(notes.len(), names.iter().zip(&header).filter(|(a, b)| a != b).count());
        }
    }
}
