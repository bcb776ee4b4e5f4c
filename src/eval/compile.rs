//! Compiles expressions to operations.

use super::properties::{self, Classes, ComparisonAffinity, expr_affinity};
use crate::error::{Error, Kind, Result};
use crate::eval::functions::utc;
use crate::eval::sqlite::{InputColumn, Session};
use crate::plan::{EvaluatorChoice, Expr, Function, Notation, OnMismatch, SqlExpr, Type};
use crate::schema::ddl::quote_name;
use crate::schema::names::NameIndex;
use indexmap::IndexSet;
use std::sync::Arc;

/// Index of an operation in its block, and of the column that the operation computes.
pub(super) type OpIndex = usize;

/// Computes a column from the records or from the columns of earlier operations.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Field(usize),
    Constant(Constant),
    FieldOrNull(usize),
    Value(usize, Type),
    InputName,
    RecordNumber,
    LineNumber,
    /// The value, the texts, and if it is a column of the input its index: fields are then compared as they are written.
    NullIf(OpIndex, Box<[Box<[u8]>]>, Option<usize>),
    InSqlNotation(OpIndex, Notation, bool),
    Typed(OpIndex, Type, OnMismatch),
    Upper(OpIndex),
    TryInteger(OpIndex),
    Coalesce(Box<[OpIndex]>),
    Concat(Box<[OpIndex]>),
    /// The only operation that may defer a chunk to SQLite.
    Call(Function, ComparisonAffinity, Box<[OpIndex]>),
    /// The index of its random stream.
    Uuid4(usize),
    /// The index of its random stream.
    Uuid7(usize),
    /// The index of its random stream.
    Random(usize),
}

impl Op {
    /// The column of the header that this operation reads.
    #[cfg(feature = "arrow")]
    pub(super) fn column_read(&self) -> Option<usize> {
        match self {
            Self::Field(column) | Self::FieldOrNull(column) | Self::Value(column, _) => Some(*column),
            _ => None,
        }
    }

    /// The operations whose columns this one reads.
    pub(super) fn operands(&self) -> &[OpIndex] {
        match self {
            Self::NullIf(operand, ..)
            | Self::InSqlNotation(operand, ..)
            | Self::Typed(operand, ..)
            | Self::Upper(operand)
            | Self::TryInteger(operand) => std::slice::from_ref(operand),
            Self::Coalesce(operands) | Self::Concat(operands) | Self::Call(_, _, operands) => operands,
            _ => &[],
        }
    }
}

/// A value that is the same for every record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    Null,
    Integer(i64),
    /// The bits of the number, which can be hashed and compared.
    Real(u64),
    Text(String),
    Blob(Vec<u8>),
}

/// What a mismatch of [`Op::Typed`] is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct TypedOp<'b> {
    /// The column of the input, or nothing for another value.
    pub(super) column: &'b str,
    pub(super) to: Type,
    pub(super) on_mismatch: OnMismatch,
}

/// Expressions that are evaluated together.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Block {
    pub(super) ops: IndexSet<Op>,
    /// For each operation, the storage classes that its values may have.
    classes: Vec<Classes>,
    /// For each operation, the name of the column of the input that it reads, or an empty string.
    column_names: Vec<String>,
    /// For each operation, the columns that type feedback about it belongs to: those of the table, then checks without one.
    /// May be shorter.
    feedback_columns: Vec<Vec<usize>>,
    pub(super) outputs: Vec<BlockOutput>,
    /// The columns of SQLite's table `input`, each with the operation that computes it.
    pub(super) inputs: Vec<(InputColumn, OpIndex)>,
}

/// How an expression is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct BlockOutput {
    /// The operation that computes the expression, if it is compiled.
    pub(super) op: Option<OpIndex>,
    /// The SQL of the expression, if it is not compiled or may be deferred.
    pub(super) sql: Option<String>,
}

/// Why an expression is not compiled.
enum NotCompiled {
    /// The compiled code does not convert values of these storage classes as SQLite does.
    LeftToSqlite,
    Failed(Error),
}

impl From<Error> for NotCompiled {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Compiles the expressions of one table.
#[derive(Debug)]
pub(super) struct Compiler<'c> {
    header: NameIndex<'c>,
    /// The name of the input, for error messages.
    input: &'c Arc<str>,
    evaluator: EvaluatorChoice,
    /// When the load began, in milliseconds since 1970.
    unix_millis: u64,
    /// The number of random streams allocated so far.
    pub(super) stream_count: usize,
}

impl<'c> Compiler<'c> {
    pub(super) fn new(
        header: &'c [String],
        input: &'c Arc<str>,
        evaluator: EvaluatorChoice,
        unix_millis: u64,
    ) -> Self {
        Self { header: NameIndex::new(header), input, evaluator, unix_millis, stream_count: 0 }
    }

    /// Compiles expressions to a block, one output each.
    ///
    /// # Errors
    /// As [`Program::compile`](super::Program::compile).
    pub(super) fn compile<'e>(&mut self, exprs: impl Iterator<Item = &'e Expr>) -> Result<Block> {
        let mut block = Block::default();
        for expr in exprs {
            let output = match expr {
                Expr::Sql(sql) => self.compile_sql(sql, &mut block)?,
                Expr::Field(name) | Expr::Column(name) if self.evaluator == EvaluatorChoice::Sqlite => {
                    let text = quote_name(name);
                    let inputs = vec![(name.clone(), expr.clone())];
                    self.compile_sql(&SqlExpr { text, inputs, compiled: None }, &mut block)?
                }
                expr => BlockOutput { op: Some(self.add_value(expr, &mut block)?), sql: None },
            };
            block.outputs.push(output);
        }
        self.check(&block)?;
        Ok(block)
    }

    /// Checks that SQLite can prepare the expressions that it may have to evaluate.
    ///
    /// # Errors
    /// [`Kind::Usage`] with SQLite's message.
    fn check(&self, block: &Block) -> Result<()> {
        let mut expressions = block.outputs.iter().filter_map(|output| output.sql.as_deref()).peekable();
        if expressions.peek().is_none() {
            return Ok(());
        }
        let usage = |message| Kind::Usage(format!("{}: {message}", self.input)).into();
        let session = Session::open(&block.input_columns()).map_err(usage)?;
        expressions.try_for_each(|sql| {
            let checked = session.check(sql);
            checked.map_err(|message| usage(format!("SQLite cannot evaluate {sql}: {message}")))
        })
    }

    /// Compiles an SQL expression, with its SQL as a fallback if it may be deferred.
    fn compile_sql(&mut self, sql: &SqlExpr, block: &mut Block) -> Result<BlockOutput> {
        let SqlExpr { text, inputs, compiled } = sql;
        let compiled = compiled.as_ref().filter(|_| self.evaluator == EvaluatorChoice::Auto);
        let op = match compiled {
            Some(expr) => self.try_add(expr, block)?,
            None => None,
        };
        if op.is_some_and(|op| !block.may_defer(op)) {
            return Ok(BlockOutput { op, sql: None });
        }
        for (name, expr) in inputs {
            let value = self.add_value(expr, block)?;
            match block.inputs.iter().find(|(known, _)| known.name.eq_ignore_ascii_case(name)) {
                None => {
                    block.inputs.push((InputColumn::new(name, expr), value));
                }
                Some((_, known)) if *known == value => {}
                Some(_) => {
                    let (input, name) = (self.input.clone(), name.clone());
                    return Err(Kind::AmbiguousColumn { place: None, input, name }.into());
                }
            }
        }
        Ok(BlockOutput { op, sql: Some(text.clone()) })
    }

    /// As [`Compiler::add`]; `None`, without a change, if the expression is left to SQLite.
    fn try_add(&mut self, expr: &Expr, block: &mut Block) -> Result<Option<OpIndex>> {
        let (op_count, stream_count) = (block.ops.len(), self.stream_count);
        match self.add(expr, block) {
            Ok(op) => Ok(Some(op)),
            Err(NotCompiled::LeftToSqlite) => {
                block.ops.truncate(op_count);
                block.classes.truncate(op_count);
                block.column_names.truncate(op_count);
                self.stream_count = stream_count;
                Ok(None)
            }
            Err(NotCompiled::Failed(error)) => Err(error),
        }
    }

    /// As [`Compiler::add`], for an expression that SQLite cannot evaluate.
    pub(super) fn add_value(&mut self, expr: &Expr, block: &mut Block) -> Result<OpIndex> {
        self.try_add(expr, block)?.ok_or_else(|| {
            let message = "outside SQL, upper case and concatenation take only TEXT and INTEGER values";
            Kind::Usage(message.to_owned()).into()
        })
    }

    /// Adds the operations of `expr` that the block does not contain yet, and returns the last one.
    fn add(&mut self, expr: &Expr, block: &mut Block) -> Result<OpIndex, NotCompiled> {
        let op = match expr {
            Expr::Field(name) | Expr::Column(name) => Op::Field(self.column(name)?),
            Expr::FieldOrNull(name) => Op::FieldOrNull(self.column(name)?),
            Expr::Value(name, to) => Op::Value(self.column(name)?, *to),
            Expr::InputName => Op::InputName,
            Expr::RecordNumber => Op::RecordNumber,
            Expr::Now => Op::Constant(Constant::Text(utc(self.unix_millis))),
            Expr::LineNumber => Op::LineNumber,
            Expr::NullIf(operand, texts) => {
                let texts = texts.iter().map(|text| text.as_bytes().into()).collect();
                let column = match &**operand {
                    Expr::Field(name) | Expr::FieldOrNull(name) | Expr::Value(name, _) => {
                        Some(self.column(name)?)
                    }
                    _ => None,
                };
                Op::NullIf(self.add(operand, block)?, texts, column)
            }
            Expr::InSqlNotation { expr: operand, notation, keeps_text } => {
                Op::InSqlNotation(self.add(operand, block)?, *notation, *keeps_text)
            }
            Expr::Typed { expr: operand, to, on_mismatch } => {
                Op::Typed(self.add(operand, block)?, *to, *on_mismatch)
            }
            Expr::Null => Op::Constant(Constant::Null),
            Expr::Integer(integer) => Op::Constant(Constant::Integer(*integer)),
            Expr::Real(real) => Op::Constant(Constant::Real(real.to_bits())),
            Expr::Text(text) => Op::Constant(Constant::Text(text.clone())),
            Expr::Blob(blob) => Op::Constant(Constant::Blob(blob.clone())),
            Expr::Upper(operand) => Op::Upper(self.add(operand, block)?),
            Expr::TryInteger(operand) => Op::TryInteger(self.add(operand, block)?),
            Expr::Coalesce(operands) => Op::Coalesce(self.add_all(operands, block)?),
            Expr::Concat(operands) => Op::Concat(self.add_all(operands, block)?),
            Expr::Call(Function::UnaryPlus, arguments) if let [operand] = arguments.as_slice() => {
                return self.add(operand, block);
            }
            Expr::Call(function, arguments) => {
                let affinities: Vec<_> = arguments.iter().map(expr_affinity).collect();
                let affinity = ComparisonAffinity::of_call(*function, &affinities);
                Op::Call(*function, affinity, self.add_all(arguments, block)?)
            }
            Expr::Uuid4 => Op::Uuid4(self.add_stream()),
            Expr::Uuid7 => Op::Uuid7(self.add_stream()),
            Expr::Random => Op::Random(self.add_stream()),
            Expr::Sql(sql) => {
                let message = format!("the SQL expression {} cannot be part of another expression", sql.text);
                return Err(Error::from(Kind::Usage(message)).into());
            }
        };
        let operands: Vec<_> = op.operands().iter().map(|operand| block.classes[*operand]).collect();
        let classes = properties::classes(&op, &operands).ok_or(NotCompiled::LeftToSqlite)?;
        // Every random expression has its own stream, so two of them never share an operation.
        let (index, is_new) = block.ops.insert_full(op);
        if is_new {
            block.classes.push(classes);
            block.column_names.push(match &block.ops[index] {
                Op::Field(column) | Op::FieldOrNull(column) | Op::Value(column, _) => {
                    self.header.names()[*column].clone()
                }
                _ => String::new(),
            });
        }
        Ok(index)
    }

    /// The index of the column with this name: an exact match if there is one, else a match in any ASCII case.
    ///
    /// # Errors
    /// [`Kind::MissingColumn`] or [`Kind::AmbiguousColumn`] if there is not exactly one.
    fn column(&self, name: &str) -> Result<usize> {
        let in_any_case: Vec<_> = self.header.find_all(name).collect();
        let is_exact = |index: &usize| self.header.names()[*index] == name;
        let exact: Vec<_> = in_any_case.iter().copied().filter(is_exact).collect();
        let input = self.input.clone();
        match if exact.is_empty() { &in_any_case[..] } else { &exact } {
            [index] => Ok(*index),
            [] => {
                let (missing, found) = (name.to_owned(), self.header.names().to_vec());
                Err(Kind::MissingColumn { place: None, input, missing, found }.into())
            }
            _ => Err(Kind::AmbiguousColumn { place: None, input, name: name.to_owned() }.into()),
        }
    }

    fn add_all(&mut self, exprs: &[Expr], block: &mut Block) -> Result<Box<[OpIndex]>, NotCompiled> {
        exprs.iter().map(|expr| self.add(expr, block)).collect()
    }

    fn add_stream(&mut self) -> usize {
        self.stream_count += 1;
        self.stream_count - 1
    }
}

impl Block {
    /// The columns of SQLite's table `input`.
    pub(super) fn input_columns(&self) -> Vec<InputColumn> {
        self.inputs.iter().map(|(column, _)| column.clone()).collect()
    }

    /// The name of the column of the input whose field is the operand of an operation, with or without NULLs; empty for another
    /// operand.
    pub(super) fn column_name(&self, operand: OpIndex) -> &str {
        match &self.ops[operand] {
            Op::NullIf(field, ..) | Op::InSqlNotation(field, ..) => self.column_name(*field),
            _ => &self.column_names[operand],
        }
    }

    /// The columns that type feedback about an operation belongs to.
    pub(super) fn feedback_columns(&self, op: OpIndex) -> &[usize] {
        self.feedback_columns.get(op).map_or(&[], Vec::as_slice)
    }

    /// As [`Block::feedback_columns`], to be changed.
    pub(super) fn feedback_columns_mut(&mut self, op: OpIndex) -> &mut Vec<usize> {
        if op >= self.feedback_columns.len() {
            self.feedback_columns.resize_with(op + 1, Vec::new);
        }
        &mut self.feedback_columns[op]
    }

    /// True if the operation or one of its operands may defer a chunk to SQLite.
    fn may_defer(&self, op: OpIndex) -> bool {
        let op = &self.ops[op];
        matches!(op, Op::Call(..)) || op.operands().iter().any(|operand| self.may_defer(*operand))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Pipeline;

    fn block(sql: &str, evaluator: EvaluatorChoice) -> Block {
        let header = ["a", "b", "c"].map(str::to_owned);
        let plan = Pipeline::parse("test", sql).unwrap().into_plan();
        let input = "in".into();
        let mut compiler = Compiler::new(&header, &input, evaluator, 0);
        compiler.compile(plan.table.columns.iter().map(|column| &column.value)).unwrap()
    }

    #[test]
    fn expressions_that_never_defer_need_no_sql_and_share_operations() {
        let sql = "CREATE TABLE t (id, x, y, n, z);
            INSERT INTO t SELECT uuid7(), a, upper(B), coalesce(try_integer(c), 0),
                a || '.' || (b || '_') || coalesce(try_integer(\"C\"), 0) || '@' FROM input";
        let text = |text: &str| Op::Constant(Constant::Text(text.to_owned()));
        let ops = [
            Op::Uuid7(0),
            Op::Field(0),
            Op::Field(1),
            Op::Upper(2),
            Op::Field(2),
            Op::TryInteger(4),
            Op::Constant(Constant::Integer(0)),
            Op::Coalesce([5, 6].into()),
            text("."),
            text("_"),
            text("@"),
            Op::Concat([1, 8, 2, 9, 7, 10].into()),
        ];
        let outputs = [0, 1, 3, 7, 11].map(|op| BlockOutput { op: Some(op), sql: None });
        let compiled = block(sql, EvaluatorChoice::Auto);
        assert_eq!((compiled.ops, compiled.outputs), (ops.into(), outputs.into()));
        assert!(compiled.inputs.is_empty());
        let by_sqlite = block(sql, EvaluatorChoice::Sqlite);
        assert!(by_sqlite.outputs[1..].iter().all(|output| output.op.is_none() && output.sql.is_some()));
    }

    #[test]
    fn inputs_are_the_columns_that_sqlite_reads() {
        let sql = "CREATE TABLE t (x, y, z);
            INSERT INTO t SELECT json_extract(B, '$.x'), random() || b, abs(c) + 1 FROM input";
        let Block { ops, outputs, inputs, .. } = block(sql, EvaluatorChoice::Auto);
        let names: Vec<_> = inputs.iter().map(|(column, op)| (column.name.as_str(), &ops[*op])).collect();
        assert_eq!(names, [("B", &Op::Field(1)), ("c", &Op::Field(2))]);
        assert!(outputs[0].op.is_none() && outputs[0].sql.is_some());
        assert!(outputs[1].op.is_some() && outputs[1].sql.is_none());
        assert!(outputs[2].op.is_some() && outputs[2].sql.is_some());
    }

    #[test]
    fn an_expression_that_sqlite_cannot_prepare_is_an_error() {
        let sql = SqlExpr { text: "nosuch(1)".to_owned(), inputs: Vec::new(), compiled: None };
        let input = "in".into();
        let mut compiler = Compiler::new(&[], &input, EvaluatorChoice::Auto, 0);
        let error = compiler.compile([Expr::Sql(sql)].iter()).unwrap_err();
        assert_eq!(error.to_string(), "in: SQLite cannot evaluate nosuch(1): no such function: nosuch");
    }
}
