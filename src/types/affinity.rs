//! Column affinity (Datatypes in SQLite, section 3).

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
