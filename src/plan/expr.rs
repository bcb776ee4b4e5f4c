//! Expressions over one record.

use super::{Notation, Type};

/// An expression over one record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// The field of the column with this name in the header, as TEXT.
    Field(String),
    /// The field of the column with this name in the header, as TEXT; NULL if it is empty and not quoted.
    FieldOrNull(String),
    /// The name of the input, as TEXT.
    InputName,
    /// NULL if the value is one of these texts, otherwise the value.
    NullIf(Box<Expr>, Vec<String>),
    /// A text, converted to a type; NULL for an empty text.
    Typed {
        /// The text.
        expr: Box<Expr>,
        /// The type.
        to: Type,
        /// What to do if the text cannot be converted.
        on_mismatch: OnMismatch,
    },
    /// The text, with a number in the notation replaced by the same number as SQL writes it. `keeps_text` tells whether a text
    /// that is not a number may be stored as it is.
    InSqlNotation {
        /// The text.
        expr: Box<Expr>,
        /// The notation.
        notation: Notation,
        /// See above.
        keeps_text: bool,
    },
    /// The same TEXT for every record.
    Text(String),
    /// The same INTEGER for every record.
    Integer(i64),
    /// Unicode upper case of the value as text; NULL for NULL.
    Upper(Box<Expr>),
    /// The text as a 64-bit integer if it consists of an optional sign and digits, otherwise NULL.
    TryInteger(Box<Expr>),
    /// The first value that is not NULL.
    Coalesce(Vec<Expr>),
    /// The values as text, concatenated; NULL if any of them is NULL (SQL's `||`).
    Concat(Vec<Expr>),
    /// A random UUID as a 16-byte BLOB (RFC 9562, section 5.4).
    Uuid4,
    /// A UUID that sorts in record order, as a 16-byte BLOB (RFC 9562, section 5.7).
    Uuid7,
    /// NULL.
    Null,
    /// The same REAL for every record.
    Real(f64),
    /// The same BLOB for every record.
    Blob(Vec<u8>),
    /// The 1-based number of the record in its input.
    RecordNumber,
    /// The 1-based number of the line on which the record starts.
    LineNumber,
    /// The UTC time at which the load started, as TEXT like `2024-01-31 18:30:00.000`.
    Now,
    /// A uniformly distributed random INTEGER.
    Random,
    /// A SQL operator or function with its arguments. Valid only inside [`Expr::Sql`], because SQLite evaluates it for
    /// values that the compiled code does not cover.
    Call(Function, Vec<Expr>),
    /// A SQL expression. It may be nested only in [`Expr::NullIf`] and [`Expr::Typed`].
    Sql(SqlExpr),
}

impl Expr {
    /// Names what evaluates the expression: `compiled` (code of this crate) or `SQLite`.
    #[must_use]
    pub fn evaluator(&self) -> &'static str {
        match self {
            Self::Sql(SqlExpr { compiled: None, .. }) => "SQLite",
            _ => "compiled",
        }
    }

    /// True if the expression has operands.
    pub(crate) fn is_compound(&self) -> bool {
        matches!(
            self,
            Self::NullIf(..)
                | Self::Typed { .. }
                | Self::InSqlNotation { .. }
                | Self::Upper(_)
                | Self::TryInteger(_)
                | Self::Coalesce(_)
                | Self::Concat(_)
                | Self::Call(..)
                | Self::Sql(_)
        )
    }

    /// Replaces every [`Expr::Field`] by the result of `replace` for its name.
    #[must_use]
    pub fn map_fields(self, replace: &impl Fn(String) -> Self) -> Self {
        match self {
            Self::Field(name) => replace(name),
            other => other.map_operands(&|operand| operand.map_fields(replace)),
        }
    }

    /// Reads the numbers of all columns in `notation`: the operands of every [`Expr::Typed`] of a numeric type.
    #[must_use]
    pub(crate) fn with_notation(self, notation: Notation) -> Self {
        match self.map_operands(&|operand| operand.with_notation(notation)) {
            Self::Typed { expr, to, on_mismatch } if !matches!(to, Type::Text | Type::Blob) => {
                let keeps_text = matches!(to, Type::NumericAffinity | Type::RealAffinity);
                let expr = Box::new(Self::InSqlNotation { expr, notation, keeps_text });
                Self::Typed { expr, to, on_mismatch }
            }
            other => other,
        }
    }

    /// Replaces the operands of the expression.
    fn map_operands(self, replace: &impl Fn(Self) -> Self) -> Self {
        let boxed = |expr: Box<Self>| Box::new(replace(*expr));
        let list = |exprs: Vec<Self>| exprs.into_iter().map(replace).collect();
        match self {
            Self::NullIf(expr, texts) => Self::NullIf(boxed(expr), texts),
            Self::Typed { expr, to, on_mismatch } => Self::Typed { expr: boxed(expr), to, on_mismatch },
            Self::InSqlNotation { expr, notation, keeps_text } => {
                Self::InSqlNotation { expr: boxed(expr), notation, keeps_text }
            }
            Self::Upper(expr) => Self::Upper(boxed(expr)),
            Self::TryInteger(expr) => Self::TryInteger(boxed(expr)),
            Self::Coalesce(exprs) => Self::Coalesce(list(exprs)),
            Self::Concat(exprs) => Self::Concat(list(exprs)),
            Self::Call(function, arguments) => Self::Call(function, list(arguments)),
            Self::Sql(SqlExpr { text, inputs, compiled }) => {
                let input = |(name, expr): (String, Self)| (name, replace(expr));
                let inputs = inputs.into_iter().map(input).collect();
                Self::Sql(SqlExpr { text, inputs, compiled: compiled.map(boxed) })
            }
            other => other,
        }
    }
}

/// A scalar SQL expression.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlExpr {
    /// The text for SQLite. Its column names are those of `inputs`.
    pub text: String,
    /// The columns that the text reads, each with its value. Fields have TEXT affinity, other values have no affinity.
    pub inputs: Vec<(String, Expr)>,
    /// The equivalent compiled expression, if there is one. SQLite evaluates the text for values that it does not cover.
    pub compiled: Option<Box<Expr>>,
}

/// A SQL operator or function that can be compiled, with the semantics of SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the variants are named after SQL operators and functions, which SQLite documents"
)]
pub enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    /// `=`; the operands are converted as this affinity says.
    Equal(ComparisonAffinity),
    /// `<>`.
    NotEqual(ComparisonAffinity),
    Less(ComparisonAffinity),
    LessOrEqual(ComparisonAffinity),
    Greater(ComparisonAffinity),
    GreaterOrEqual(ComparisonAffinity),
    Is(ComparisonAffinity),
    IsNot(ComparisonAffinity),
    /// `IN` with a list: true if the first argument equals one of the others.
    In(ComparisonAffinity),
    And,
    Or,
    Not,
    IsNull,
    NotNull,
    IsTrue,
    IsFalse,
    /// The arguments are the text, then the pattern.
    Like,
    /// The arguments are the text, then the pattern.
    Glob,
    /// The arguments are pairs of a condition and its value, then the value of ELSE.
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
    /// True for operators whose result is a truth value: 0, 1 or NULL.
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

/// How two values are converted before a comparison
/// ([Datatypes In SQLite](https://sqlite.org/datatype3.html), section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComparisonAffinity {
    /// No conversion.
    None,
    /// A number that is compared with a text is converted to text.
    Text,
    /// A text that looks like a number is converted to one.
    Numeric,
}

/// How SQL expressions are evaluated. The values are the same for every choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvaluatorChoice {
    /// By compiled code where possible, otherwise by SQLite.
    Auto,
    /// By SQLite, for comparison.
    Sqlite,
}

/// What to do if a text cannot be converted to a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnMismatch {
    /// Start the load again with types inferred from all records, because the type was inferred from a sample. TEXT
    /// with this setting is the type of a column without values in the sample; values that all look like numbers are then
    /// a mismatch.
    TypeMismatch,
    /// As `TypeMismatch`, but accept a REAL in an INTEGER column, which is then declared as REAL after the load.
    Widen,
    /// Reject the record.
    Reject,
}
