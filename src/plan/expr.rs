//! Expressions over one record.

use super::{Notation, Type};

/// An expression over one record.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Expr {
    /// The field of the column with this name in the header, as TEXT.
    Field(String),
    /// The value of the column with this name in the header, with the type that the column has in the table of a plain load:
    /// inferred from all records, unless [`Plan::input_types`](super::Plan::input_types) names it.
    Column(String),
    /// The field of the column with this name in the header, as TEXT; NULL if it is empty and not quoted.
    FieldOrNull(String),
    /// The value of the column with this name in the header: with the type that the input declares, as it suits a column of the
    /// given type. TEXT from an input without types.
    Value(String, Type),
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

    /// Replaces every leaf, which is an expression without operands, by the result of `replace`.
    #[must_use]
    pub fn map_leaves(self, replace: &impl Fn(Self) -> Self) -> Self {
        match self {
            compound if compound.is_compound() => {
                compound.map_operands(&|operand| operand.map_leaves(replace))
            }
            leaf => replace(leaf),
        }
    }

    /// Reads the numbers of all columns in `notation`: the operands of every [`Expr::Typed`] of a numeric type.
    #[must_use]
    pub(crate) fn with_notation(self, notation: Notation) -> Self {
        self.map_all(&|expr| match expr {
            Self::Typed { expr, to, on_mismatch } if !matches!(to, Type::Text | Type::Blob) => {
                let keeps_text = matches!(to, Type::NumericAffinity | Type::ExactNumeric);
                let expr = Box::new(Self::InSqlNotation { expr, notation, keeps_text });
                Self::Typed { expr, to, on_mismatch }
            }
            other => other,
        })
    }

    /// Replaces every expression in this one, and then itself, by the result of `replace`.
    #[must_use]
    pub(crate) fn map_all(self, replace: &impl Fn(Self) -> Self) -> Self {
        replace(self.map_operands(&|operand| operand.map_all(replace)))
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
            leaf => leaf,
        }
    }

    /// Calls `visit` for the leaves that the value is computed from.
    pub(crate) fn visit_leaves<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        self.visit_all(&mut |expr| {
            if !expr.is_compound() {
                visit(expr);
            }
        });
    }

    /// Calls `visit` for this expression and for all that its value is computed from.
    fn visit_all<'e>(&'e self, visit: &mut impl FnMut(&'e Self)) {
        visit(self);
        match self {
            Self::NullIf(expr, _)
            | Self::Typed { expr, .. }
            | Self::InSqlNotation { expr, .. }
            | Self::Upper(expr)
            | Self::TryInteger(expr) => expr.visit_all(visit),
            Self::Coalesce(exprs) | Self::Concat(exprs) | Self::Call(_, exprs) => {
                exprs.iter().for_each(|expr| expr.visit_all(visit));
            }
            Self::Sql(SqlExpr { inputs, .. }) => inputs.iter().for_each(|(_, expr)| expr.visit_all(visit)),
            _ => {}
        }
    }

    /// False if SQLite may compute another value for the same record the next time.
    pub(crate) fn is_repeatable(&self) -> bool {
        let mut is_repeatable = true;
        self.visit_all(&mut |expr| {
            if let Self::Sql(SqlExpr { text, .. }) = expr {
                is_repeatable &= is_text_repeatable(text);
            }
        });
        is_repeatable
    }
}

/// True if an expression certainly has the same value every time: it contains no function that is random or may depend on the
/// time, even in a string.
fn is_text_repeatable(text: &str) -> bool {
    const OTHER_VALUES: [&str; 10] = [
        "random",
        "randomblob",
        "now",
        "current_date",
        "current_time",
        "current_timestamp",
        "strftime",
        "changes",
        "total_changes",
        "last_insert_rowid",
    ];
    let text = text.to_ascii_lowercase();
    let has_word = text
        .split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|word| OTHER_VALUES.contains(&word));
    // Without an argument, these are about the current time.
    let joined: String = text.split_whitespace().collect();
    !has_word && !["date()", "time()", "julianday()", "unixepoch()"].iter().any(|call| joined.contains(call))
}

/// A scalar SQL expression.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlExpr {
    /// The text for SQLite. Its column names are those of `inputs`.
    pub text: String,
    /// The columns that the text reads, each with its value. Fields and typed values have the affinity of their type, other
    /// values have none.
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
    /// The unary operator `+`: the value, without the affinity of its column.
    UnaryPlus,
    /// `=`.
    Equal,
    /// `<>`.
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Is,
    IsNot,
    /// `IN` with a list: true if the first argument equals one of the others.
    In,
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
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessOrEqual
                | Self::Greater
                | Self::GreaterOrEqual
                | Self::Is
                | Self::IsNot
                | Self::In
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
