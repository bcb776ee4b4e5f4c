//! Column affinity (Datatypes in SQLite, section 3).

use crate::plan::Type;

/// The storage class that a column prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnAffinity {
    Blob,
    Text,
    Numeric,
    Integer,
    Real,
}

impl ColumnAffinity {
    /// The affinity of a declared type. The first rule that matches applies (Datatypes in SQLite, section 3.1).
    pub(crate) fn from_declared_type(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if has(&["BLOB"]) || declared.is_empty() {
            Self::Blob
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// The declared type that `CREATE TABLE ... AS` gives a column of this affinity, spelled out.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Blob => "",
            Self::Text => "TEXT",
            Self::Numeric => "NUMERIC",
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
        }
    }
}

/// The type of the values that a column takes if the user declares it so.
pub(crate) fn type_of_declared(declared: &str, is_strict: bool) -> Type {
    if is_strict && declared.eq_ignore_ascii_case("ANY") {
        return Type::Text;
    }
    match ColumnAffinity::from_declared_type(declared) {
        ColumnAffinity::Blob => Type::Blob,
        ColumnAffinity::Text => Type::Text,
        ColumnAffinity::Numeric => Type::NumericAffinity,
        ColumnAffinity::Integer => Type::Integer,
        ColumnAffinity::Real => Type::Real,
    }
}

/// The INTEGER that a column of NUMERIC affinity stores for a REAL: the integer that equals it, except for the largest and the
/// smallest (`sqlite3VdbeIntegerAffinity`).
pub(crate) fn integral(real: f64) -> Option<i64> {
    let integer = real as i64;
    (integer as f64 == real && integer != i64::MAX && integer != i64::MIN).then_some(integer)
}

/// The words that begin a constraint of a column.
pub(crate) const COLUMN_CONSTRAINTS: [&str; 11] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
];

/// True for a type name as SQLite's grammar has it: words, then up to two numbers in parentheses.
pub(crate) fn is_type_name(declared: &str) -> bool {
    let (words, numbers) = match declared.trim_end().strip_suffix(')') {
        Some(open) => match open.split_once('(') {
            Some((words, numbers)) => (words, Some(numbers)),
            None => return false,
        },
        None => (declared, None),
    };
    let is_word = |word: &str| {
        !word.starts_with(|first: char| first.is_ascii_digit())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && COLUMN_CONSTRAINTS.iter().all(|keyword| !keyword.eq_ignore_ascii_case(word))
    };
    let is_number = |number: &str| {
        let digits = number.trim().trim_start_matches(['+', '-']);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut word_list = words.split_ascii_whitespace().peekable();
    word_list.peek().is_some()
        && word_list.all(is_word)
        && numbers.is_none_or(|numbers| numbers.split(',').count() <= 2 && numbers.split(',').all(is_number))
}

/// True for the types that a STRICT table can have.
pub(crate) fn is_strict_type(declared: &str) -> bool {
    ["INT", "INTEGER", "REAL", "TEXT", "BLOB", "ANY"].iter().any(|known| known.eq_ignore_ascii_case(declared))
}
