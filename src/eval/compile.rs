//! Expressions to operations.

use crate::error::{Kind, Result};
use crate::eval::functions::utc;
use crate::eval::sqlite::{InputColumn, Session};
use crate::plan::{EvaluatorChoice, Expr, Function, OnMismatch, SqlExpr, Type};
use crate::schema::ddl::quote_name;
use indexmap::IndexSet;
use std::collections::HashMap;
use std::sync::Arc;

/// Index of an operation, and of the column that it makes.
pub(super) type Slot = usize;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Field(usize),
    Constant(Constant),
    FieldOrNull(usize),
    RecordNumber,
    LineNumber,
    NullIf(Slot, Box<[Box<[u8]>]>),
    Typed(Slot, Type, OnMismatch),
    Upper(Slot),
    TryInteger(Slot),
    Coalesce(Box<[Slot]>),
    Concat(Box<[Slot]>),
    /// What may leave a chunk to SQLite.
    Call(Function, Box<[Slot]>),
    /// The index of its random stream.
    Uuid4(usize),
    /// The index of its random stream.
    Uuid7(usize),
    /// The index of its random stream.
    Random(usize),
}

impl Op {
    /// The columns that it is made of.
    pub(super) fn reads(&self) -> &[Slot] {
        match self {
            Self::NullIf(of, _) | Self::Typed(of, ..) | Self::Upper(of) | Self::TryInteger(of) => {
                std::slice::from_ref(of)
            }
            Self::Coalesce(of) | Self::Concat(of) | Self::Call(_, of) => of,
            _ => &[],
        }
    }
}

/// A value that is the same for every record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    Null,
    Integer(i64),
    /// Its bits.
    Real(u64),
    Text(String),
    Blob(Vec<u8>),
}

/// Expressions that are evaluated together.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Block {
    pub(super) ops: IndexSet<Op>,
    pub(super) outputs: Vec<Output>,
    /// The columns of SQLite's table `input`, and what is in them.
    pub(super) inputs: Vec<(InputColumn, Slot)>,
}

/// Where the values of an expression come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    /// The operation that makes them, if it is compiled.
    pub(super) slot: Option<Slot>,
    /// What SQLite makes them of, if it is not, or may leave a chunk to it.
    pub(super) text: Option<String>,
}

/// What is known where an expression is compiled.
#[derive(Debug)]
pub(super) struct Compiler<'c> {
    header: &'c [String],
    /// The columns of each name, written small.
    by_name: HashMap<String, Vec<usize>>,
    input: &'c Arc<str>,
    evaluator: EvaluatorChoice,
    /// When the load began, in milliseconds since 1970.
    unix_millis: u64,
    /// The number of random streams so far.
    pub(super) streams: usize,
}

impl<'c> Compiler<'c> {
    pub(super) fn new(
        header: &'c [String],
        input: &'c Arc<str>,
        evaluator: EvaluatorChoice,
        unix_millis: u64,
    ) -> Self {
        let mut by_name: HashMap<_, Vec<_>> = HashMap::new();
        for (index, name) in header.iter().enumerate() {
            by_name.entry(name.to_ascii_lowercase()).or_default().push(index);
        }
        Self { header, by_name, input, evaluator, unix_millis, streams: 0 }
    }

    /// Compiles expressions that are evaluated together.
    ///
    /// # Errors
    /// As [`Program::compile`](super::Program::compile).
    pub(super) fn block<'e>(&mut self, exprs: impl Iterator<Item = &'e Expr>) -> Result<Block> {
        let mut block = Block::default();
        for expr in exprs {
            let output = match expr {
                Expr::Sql(sql) => self.sql(sql, &mut block)?,
                Expr::Field(name) if self.evaluator == EvaluatorChoice::Sqlite => {
                    let text = quote_name(name);
                    let inputs = vec![(name.clone(), expr.clone())];
                    self.sql(&SqlExpr { text, inputs, compiled: None }, &mut block)?
                }
                expr => Output { slot: Some(self.add(expr, &mut block)?), text: None },
            };
            block.outputs.push(output);
        }
        self.check(&block)?;
        Ok(block)
    }

    /// Asks SQLite whether it understands what is left to it.
    fn check(&self, block: &Block) -> Result<()> {
        let mut texts = block.outputs.iter().filter_map(|output| output.text.as_deref()).peekable();
        if texts.peek().is_none() {
            return Ok(());
        }
        let refused = |message| Kind::Usage(format!("{}: {message}", self.input)).into();
        let session = Session::open(&block.columns()).map_err(refused)?;
        texts.try_for_each(|text| {
            session
                .check(text)
                .map_err(|message| refused(format!("SQLite can not evaluate {text}: {message}")))
        })
    }

    fn sql(&mut self, sql: &SqlExpr, block: &mut Block) -> Result<Output> {
        let SqlExpr { text, inputs, compiled } = sql;
        let compiled = compiled.as_ref().filter(|_| self.evaluator == EvaluatorChoice::Auto);
        let slot = compiled.map(|expr| self.add(expr, block)).transpose()?;
        if slot.is_some_and(|slot| !block.may_defer(slot)) {
            return Ok(Output { slot, text: None });
        }
        for (name, expr) in inputs {
            let slot = self.add(expr, block)?;
            let is_text = matches!(expr, Expr::Field(_) | Expr::FieldOrNull(_) | Expr::NullIf(..));
            match block.inputs.iter().find(|(known, _)| known.name.eq_ignore_ascii_case(name)) {
                None => block.inputs.push((InputColumn { name: name.clone(), is_text }, slot)),
                Some((_, known)) if *known == slot => {}
                Some(_) => {
                    let (input, name) = (self.input.clone(), name.clone());
                    return Err(Kind::AmbiguousColumn { place: None, input, name }.into());
                }
            }
        }
        Ok(Output { slot, text: Some(text.clone()) })
    }

    fn add(&mut self, expr: &Expr, block: &mut Block) -> Result<Slot> {
        let op = match expr {
            Expr::Field(name) => Op::Field(self.column(name)?),
            Expr::FieldOrNull(name) => Op::FieldOrNull(self.column(name)?),
            Expr::InputName => Op::Constant(Constant::Text(self.input.to_string())),
            Expr::RecordNumber => Op::RecordNumber,
            Expr::Now => Op::Constant(Constant::Text(utc(self.unix_millis))),
            Expr::LineNumber => Op::LineNumber,
            Expr::NullIf(of, texts) => {
                let texts = texts.iter().map(|text| text.as_bytes().into()).collect();
                Op::NullIf(self.add(of, block)?, texts)
            }
            Expr::Typed { expr, to, on_mismatch } => Op::Typed(self.add(expr, block)?, *to, *on_mismatch),
            Expr::Null => Op::Constant(Constant::Null),
            Expr::Integer(integer) => Op::Constant(Constant::Integer(*integer)),
            Expr::Real(real) => Op::Constant(Constant::Real(real.to_bits())),
            Expr::Text(text) => Op::Constant(Constant::Text(text.clone())),
            Expr::Blob(blob) => Op::Constant(Constant::Blob(blob.clone())),
            Expr::Upper(of) => Op::Upper(self.add(of, block)?),
            Expr::TryInteger(of) => Op::TryInteger(self.add(of, block)?),
            Expr::Coalesce(of) => Op::Coalesce(self.list(of, block)?),
            Expr::Concat(of) => Op::Concat(self.list(of, block)?),
            Expr::Call(function, of) => Op::Call(*function, self.list(of, block)?),
            Expr::Uuid4 => Op::Uuid4(self.add_stream()),
            Expr::Uuid7 => Op::Uuid7(self.add_stream()),
            Expr::Random => Op::Random(self.add_stream()),
            Expr::Sql(sql) => {
                let problem = format!("{} is an expression of SQL, and so no part of another", sql.text);
                return Err(Kind::Usage(problem).into());
            }
        };
        // Each UUID has a stream of its own, so two of them are never equal and never share a slot.
        Ok(block.ops.insert_full(op).0)
    }

    /// The column of that name, in just this spelling, or else in any case.
    fn column(&self, name: &str) -> Result<usize> {
        let in_any_case = self.by_name.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
        let exact: Vec<_> = in_any_case.iter().copied().filter(|index| self.header[*index] == name).collect();
        let input = self.input.clone();
        match if exact.is_empty() { in_any_case } else { &exact } {
            [index] => Ok(*index),
            [] => {
                let (missing, found) = (name.to_owned(), self.header.to_vec());
                Err(Kind::MissingColumn { place: None, input, missing, found }.into())
            }
            _ => Err(Kind::AmbiguousColumn { place: None, input, name: name.to_owned() }.into()),
        }
    }

    fn list(&mut self, exprs: &[Expr], block: &mut Block) -> Result<Box<[Slot]>> {
        exprs.iter().map(|expr| self.add(expr, block)).collect()
    }

    fn add_stream(&mut self) -> usize {
        self.streams += 1;
        self.streams - 1
    }
}

impl Block {
    /// The columns of SQLite's table `input`.
    pub(super) fn columns(&self) -> Vec<InputColumn> {
        self.inputs.iter().map(|(column, _)| column.clone()).collect()
    }

    /// Whether an operation may leave a chunk to SQLite, itself or by what it is made of.
    fn may_defer(&self, slot: Slot) -> bool {
        let op = &self.ops[slot];
        matches!(op, Op::Call(..)) || op.reads().iter().any(|slot| self.may_defer(*slot))
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
        compiler.block(plan.table.columns.iter().map(|column| &column.value)).unwrap()
    }

    #[test]
    fn what_is_always_compiled_leaves_nothing_to_sqlite_and_is_made_once() {
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
        let outputs = [0, 1, 3, 7, 11].map(|slot| Output { slot: Some(slot), text: None });
        let expected = Block { ops: ops.into(), outputs: outputs.into(), inputs: Vec::new() };
        assert_eq!(block(sql, EvaluatorChoice::Auto), expected);
        let by_sqlite = block(sql, EvaluatorChoice::Sqlite);
        assert!(by_sqlite.outputs[1..].iter().all(|output| output.slot.is_none() && output.text.is_some()));
    }

    #[test]
    fn sqlite_is_given_the_columns_that_it_reads() {
        let sql = "CREATE TABLE t (x, y, z);
            INSERT INTO t SELECT json_extract(B, '$.x'), random() || b, abs(c) + 1 FROM input";
        let Block { ops, outputs, inputs } = block(sql, EvaluatorChoice::Auto);
        let names: Vec<_> = inputs.iter().map(|(column, slot)| (column.name.as_str(), &ops[*slot])).collect();
        assert_eq!(names, [("B", &Op::Field(1)), ("c", &Op::Field(2))]);
        assert!(outputs[0].slot.is_none() && outputs[0].text.is_some());
        assert!(outputs[1].slot.is_some() && outputs[1].text.is_none());
        assert!(outputs[2].slot.is_some() && outputs[2].text.is_some());
    }

    #[test]
    fn what_sqlite_does_not_know_is_an_error() {
        let sql = SqlExpr { text: "nosuch(1)".to_owned(), inputs: Vec::new(), compiled: None };
        let input = "in".into();
        let mut compiler = Compiler::new(&[], &input, EvaluatorChoice::Auto, 0);
        let error = compiler.block([Expr::Sql(sql)].iter()).unwrap_err();
        assert_eq!(error.to_string(), "in: SQLite can not evaluate nosuch(1): no such function: nosuch");
    }
}
