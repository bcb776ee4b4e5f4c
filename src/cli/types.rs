//! Lists of declared types: `a=REAL,b=VARCHAR(10)`.

use super::names::first_name;

/// Columns with their declared types.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TypeList(pub(super) Vec<(String, String)>);

/// Parses assignments of types, separated by commas outside of quotes and parentheses.
pub(super) fn parse_types(text: &str) -> Result<TypeList, String> {
    let mut types = Vec::new();
    let mut rest = Some(text);
    while let Some(list) = rest {
        let list = list.trim_start();
        // A name in quotes may contain `=`; in another name, the last `=` precedes the type.
        let (name, after) = match first_name(list, '=', &['=', ',']) {
            (name, Some(after)) if list.starts_with('"') => (Some(name), after),
            _ => (None, list),
        };
        let mut depth = 0;
        let end = after.find(|char| {
            depth += i32::from(char == '(') - i32::from(char == ')');
            char == ',' && depth == 0
        });
        let assignment;
        (assignment, rest) = match end {
            Some(end) => (&after[..end], Some(&after[end + 1..])),
            None => (after, None),
        };
        let unquoted =
            || assignment.rsplit_once('=').map(|(name, declared)| (name.trim().to_owned(), declared));
        let Some((name, declared)) = name.map(|name| (name, assignment)).or_else(unquoted) else {
            return Err(format!("expected COL=TYPE, found {assignment:?}"));
        };
        types.push((name, declared.trim().to_owned()));
    }
    Ok(TypeList(types))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_assigned_in_lists() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("a=int", &[("a", "int")]),
            ("a=int,b=DATE", &[("a", "int"), ("b", "DATE")]),
            ("a=DECIMAL(10,2), b = VARCHAR(10)", &[("a", "DECIMAL(10,2)"), ("b", "VARCHAR(10)")]),
            ("\"a,b\"=REAL,c=double precision", &[("a,b", "REAL"), ("c", "double precision")]),
            ("\"a=b\"=REAL,\"say \"\"x=\"\"\"=INT", &[("a=b", "REAL"), ("say \"x=\"", "INT")]),
            ("a=b=REAL", &[("a=b", "REAL")]),
            ("x(a,b)=INT", &[("x(a,b)", "INT")]),
        ];
        for (list, expected) in cases {
            let expected: Vec<_> =
                expected.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect();
            assert_eq!(parse_types(list), Ok(TypeList(expected)), "{list}");
        }
        for list in ["", "a", "a,b=INT", "a=INT,", "\"a=INT"] {
            let parsed = parse_types(list);
            assert!(parsed.is_err() || list.starts_with('"'), "{list}: {parsed:?}");
        }
    }
}
