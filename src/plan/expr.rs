//! Expressions over one record.

use super::Type;

/// An expression over one record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// The field in the column that the header gives this name, as TEXT.
    Field(String),
    /// The field in the column that the header gives this name, as TEXT; NULL if nothing at all is written there.
    FieldOrNull(String),
    /// What the input is called, as TEXT.
    InputName,
    /// NULL if it is one of these texts; otherwise what it is.
    NullIf(Box<Expr>, Vec<String>),
    /// The value of this type that the text is; NULL for an empty text.
    Typed {
        /// The text.
        expr: Box<Expr>,
        /// The type.
        to: Type,
        /// What it means that a text is none.
        on_mismatch: OnMismatch,
    },
    /// The same TEXT for every record.
    Text(String),
    /// The same INTEGER for every record.
    Integer(i64),
    /// Unicode upper case of a TEXT; other values are taken as their text, NULL stays NULL.
    Upper(Box<Expr>),
    /// The 64-bit integer that the text is (an optional sign, then digits, nothing else); NULL otherwise.
    TryInteger(Box<Expr>),
    /// The first that is not NULL.
    Coalesce(Vec<Expr>),
    /// All of them as text, one after the other; NULL if any is NULL (SQL's `||`).
    Concat(Vec<Expr>),
    /// A random UUID, 16-byte BLOB (RFC 9562 section 5.4).
    Uuid4,
    /// A UUID that sorts in the order of the records, 16-byte BLOB (RFC 9562 section 5.7).
    Uuid7,
    /// NULL.
    Null,
    /// The same REAL for every record.
    Real(f64),
    /// The same BLOB for every record.
    Blob(Vec<u8>),
    /// The number of the record in its input, counted from 1.
    RecordNumber,
    /// The line on which the record begins, counted from 1.
    LineNumber,
    /// When the load began, in UTC, as TEXT like `2024-01-31 18:30:00.000`.
    Now,
    /// Any INTEGER, each as likely.
    Random,
    /// What SQLite makes of an operator or a function of SQL, with so many arguments as it takes. Inside of
    /// [`Expr::Sql`] only: some values are left to SQLite.
    Call(Function, Vec<Expr>),
    /// An expression of SQL; no part of another but of a NULL or a type.
    Sql(SqlExpr),
}

impl Expr {
    /// What evaluates it: `compiled` code, or `SQLite`.
    #[must_use]
    pub fn evaluator(&self) -> &'static str {
        match self {
            Self::Sql(SqlExpr { compiled: None, .. }) => "SQLite",
            _ => "compiled",
        }
    }

    /// Whether it is made of others.
    pub(crate) fn is_compound(&self) -> bool {
        matches!(
            self,
            Self::NullIf(..)
                | Self::Typed { .. }
                | Self::Upper(_)
                | Self::TryInteger(_)
                | Self::Coalesce(_)
                | Self::Concat(_)
                | Self::Call(..)
                | Self::Sql(_)
        )
    }

    /// The same with what `make` makes of their names in place of all fields.
    #[must_use]
    pub fn map_fields(self, make: &impl Fn(String) -> Self) -> Self {
        let boxed = |expr: Box<Self>| Box::new(expr.map_fields(make));
        let list = |exprs: Vec<Self>| exprs.into_iter().map(|expr| expr.map_fields(make)).collect();
        match self {
            Self::Field(name) => make(name),
            Self::NullIf(of, texts) => Self::NullIf(boxed(of), texts),
            Self::Typed { expr, to, on_mismatch } => Self::Typed { expr: boxed(expr), to, on_mismatch },
            Self::Upper(of) => Self::Upper(boxed(of)),
            Self::TryInteger(of) => Self::TryInteger(boxed(of)),
            Self::Coalesce(of) => Self::Coalesce(list(of)),
            Self::Concat(of) => Self::Concat(list(of)),
            Self::Call(function, of) => Self::Call(function, list(of)),
            Self::Sql(SqlExpr { text, inputs, compiled }) => {
                let input = |(name, expr): (String, Self)| (name, expr.map_fields(make));
                let inputs = inputs.into_iter().map(input).collect();
                Self::Sql(SqlExpr { text, inputs, compiled: compiled.map(boxed) })
            }
            other => other,
        }
    }
}

/// A scalar expression of SQL.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlExpr {
    /// Its text. The names in it are those of `inputs`.
    pub text: String,
    /// The columns that it reads, and what is in them. Fields have TEXT affinity, and others none.
    pub inputs: Vec<(String, Expr)>,
    /// The same as code. What this is not sure of is left to SQLite.
    pub compiled: Option<Box<Expr>>,
}

/// An operator or a function of SQL that is compiled, as SQLite defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "their names say what they are, and SQLite's documentation what they do")]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    /// `=`, with this affinity.
    Equal(ComparisonAffinity),
    /// `<>`.
    NotEqual(ComparisonAffinity),
    Less(ComparisonAffinity),
    LessOrEqual(ComparisonAffinity),
    Greater(ComparisonAffinity),
    GreaterOrEqual(ComparisonAffinity),
    Is(ComparisonAffinity),
    IsNot(ComparisonAffinity),
    /// `IN` with a list: the first argument among the others.
    In(ComparisonAffinity),
    And,
    Or,
    Not,
    IsNull,
    NotNull,
    IsTrue,
    IsFalse,
    /// Text first, then the pattern.
    Like,
    /// Text first, then the pattern.
    Glob,
    /// Conditions, each with its value, and the value if none is true.
    Case,
    CastText,
    CastInteger,
    CastReal,
    NullIf,
    Lower,
    Trim,
    TrimStart,
    TrimEnd,
    Substr,
    Replace,
    Instr,
    Length,
    Abs,
    Round,
    Min,
    Max,
    Hex,
    TypeOf,
    TryReal,
    TryDate,
    Date,
    Time,
    DateTime,
    StrfTime,
    Printf,
    Hash64,
    Slug,
}

impl Function {
    /// Whether it is an operator whose value says whether something is so.
    pub(crate) fn is_predicate(self) -> bool {
        matches!(
            self,
            Self::Equal(_)
                | Self::NotEqual(_)
                | Self::Less(_)
                | Self::LessOrEqual(_)
                | Self::Greater(_)
                | Self::GreaterOrEqual(_)
                | Self::Is(_)
                | Self::IsNot(_)
                | Self::In(_)
                | Self::And
                | Self::Or
                | Self::Not
                | Self::IsNull
                | Self::NotNull
                | Self::IsTrue
                | Self::IsFalse
                | Self::Like
                | Self::Glob
        )
    }
}

/// What becomes of two values before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComparisonAffinity {
    /// They are compared as they are.
    None,
    /// Numbers are compared as their text with a text.
    Text,
    /// Texts that look like numbers are compared as those with a number.
    Numeric,
}

/// What evaluates expressions of SQL. Their values are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvaluatorChoice {
    /// Compiled code as far as there is such, and SQLite for the rest.
    Auto,
    /// SQLite for all, to compare.
    Sqlite,
}

/// What it means that a text is not of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnMismatch {
    /// The type was only a guess: the load ends with [`Kind::TypeMismatch`](crate::Kind::Misfit). A guess of TEXT is that of a column
    /// without values, which has to have some that look like no number, or none at all.
    TypeMismatch,
    /// As `TypeMismatch`, but an INTEGER may be a REAL too: the column is declared as that in the end.
    Widen,
    /// The record is a reject.
    Reject,
}
