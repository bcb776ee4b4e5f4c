//! The conflict clauses of a table, found in its SQL.

/// True if a constraint in `sql`, a CREATE TABLE statement, has the clause ON CONFLICT REPLACE. Strings, quoted names and
/// comments that contain these words do not count.
pub(super) fn has_on_conflict_replace(sql: &str) -> bool {
    let words: Vec<_> = bare_words(sql);
    let is_clause = |words: &[&str]| {
        words
            .iter()
            .zip(["ON", "CONFLICT", "REPLACE"])
            .all(|(word, expected)| word.eq_ignore_ascii_case(expected))
    };
    words.windows(3).any(is_clause)
}

/// The tokens of `sql` without comments: words, other characters one by one, and `""` for each quoted token.
fn bare_words(sql: &str) -> Vec<&str> {
    const QUOTED: &str = "\"\"";
    let is_word = |char: char| char.is_alphanumeric() || char == '_' || char == '$';
    let mut words = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end_after =
            |start: usize, end: &str| rest[start..].find(end).map_or(rest.len(), |at| start + at + end.len());
        let (length, word) = match first {
            // A doubled quote ends one quoted token and starts another, which makes no difference here.
            '\'' => (end_after(1, "'"), Some(QUOTED)),
            '"' => (end_after(1, "\""), Some(QUOTED)),
            '`' => (end_after(1, "`"), Some(QUOTED)),
            '[' => (end_after(1, "]"), Some(QUOTED)),
            '-' if rest.starts_with("--") => (end_after(2, "\n"), None),
            '/' if rest.starts_with("/*") => (end_after(2, "*/"), None),
            _ if first.is_whitespace() => (first.len_utf8(), None),
            _ if is_word(first) => {
                let length = rest.find(|char| !is_word(char)).unwrap_or(rest.len());
                (length, Some(&rest[..length]))
            }
            _ => (first.len_utf8(), Some(&rest[..first.len_utf8()])),
        };
        words.extend(word);
        rest = &rest[length..];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::has_on_conflict_replace;

    #[test]
    fn only_a_conflict_clause_counts() {
        for sql in [
            "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE)",
            "CREATE TABLE t (a, b, PRIMARY KEY (a) on /* x */ conflict -- y\n replace)",
            "CREATE TABLE \"it's\" (a NOT NULL ON CONFLICT IGNORE, b UNIQUE ON CONFLICT REPLACE)",
        ] {
            assert!(has_on_conflict_replace(sql), "{sql}");
        }
        for sql in [
            "CREATE TABLE t (replaced_by, a DEFAULT 'ON CONFLICT REPLACE')",
            "CREATE TABLE t (a, \"on conflict replace\", [ON CONFLICT REPLACE], `on conflict replace`)",
            "CREATE TABLE t (a /* ON CONFLICT REPLACE */) -- ON CONFLICT REPLACE",
            "CREATE TABLE t (a CHECK (replace(a, 'x', '') <> ''), b UNIQUE ON CONFLICT IGNORE)",
            "CREATE TABLE t (a CHECK (a <> 'it''s ON CONFLICT REPLACE'))",
            "CREATE TABLE t (a DEFAULT 'unclosed",
        ] {
            assert!(!has_on_conflict_replace(sql), "{sql}");
        }
    }
}
