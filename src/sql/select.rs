//! `INSERT INTO ... SELECT ... FROM input`: what is part of a pipeline, and what is not.

use super::lower::lower;
use super::names::{Refused, column_of};
use super::script::Piece;
use crate::error::Result;
use crate::plan::{ColumnRef, Expr, SelectItem};
use crate::types::ColumnAffinity;
use sqlparser::ast::{
    self, BinaryOperator, Distinct, GroupByExpr, Ident, Insert, ObjectName, Query, Select,
    SelectItemQualifiedWildcardKind, SetExpr, Spanned, Statement, TableFactor, TableObject,
    visit_expressions, visit_expressions_mut,
};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// What the CSV is called.
pub(super) const INPUT: &str = "input";

/// Why whole queries are refused.
const ROW_BY_ROW: &str =
    "a pipeline makes each row of one record alone; load first, and put it in a view or a query afterwards";

/// What the text of a select list is.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn list(piece: Piece<'_>) -> Result<Selection> {
    if piece.first_words().first().is_some_and(|word| word == "DISTINCT") {
        return Err(piece.error(format!("DISTINCT is not part of a pipeline: {ROW_BY_ROW}")));
    }
    selection(piece.parse_list(|parser| parser.parse_select_item())?, None, &Ident::new(INPUT))
}

/// What the text of a condition is.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn condition(piece: Piece<'_>) -> Result<Selection> {
    let condition = piece.parse(|parser| parser.parse_expr())?;
    selection(Vec::new(), Some((condition, piece)), &Ident::new(INPUT))
}

/// What an INSERT says.
pub(super) struct Rows {
    pub(super) table: Ident,
    /// The columns that it names; none: all.
    pub(super) columns: Vec<Ident>,
    pub(super) items: Vec<SelectItem>,
    pub(super) conditions: Vec<Expr>,
    pub(super) column_refs: Vec<ColumnRef>,
    /// Where the SELECT stands.
    pub(super) span: Span,
}

type Checked<T> = std::result::Result<T, Refused>;

fn refuse<T>(span: Span, reason: impl Into<String>) -> Checked<T> {
    Err(Refused { reason: reason.into(), span })
}

/// What the INSERT `piece` says.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn insert(piece: Piece<'_>) -> Result<Rows> {
    let Statement::Insert(insert) = piece.parse(|parser| parser.parse_statement())? else {
        return Err(piece.error("INSERT INTO ... SELECT ... FROM input was expected"));
    };
    let refused = |Refused { reason, span }| piece.error_at(span, reason);
    let (table, query) = target(&insert).map_err(refused)?;
    let names = &insert.columns;
    let columns = names.iter().map(plain_name).collect::<Checked<_>>().map_err(refused)?;
    let select = select(query).map_err(refused)?;
    let span = select.select_token.0.span;
    let input = from_input(&select).map_err(refused)?;
    if let Some(more) = more_than(&understood(&insert, &select), &insert.to_string()) {
        let span = piece.find(more.split_whitespace().next().unwrap_or_default()).unwrap_or(span);
        return Err(piece.error_at(span, format!("{more} is not part of a pipeline")));
    }
    let items = select.projection.into_iter().map(|item| (item, piece)).collect();
    let Selection { items, conditions, column_refs } =
        selection(items, select.selection.map(|of| (of, piece)), &input)?;
    Ok(Rows { table, columns, items, conditions, column_refs, span })
}

/// The INSERT as it is if there is no more to it than what is understood here.
fn understood(insert: &Insert, select: &Select) -> String {
    fn list(items: &[impl ToString]) -> String {
        items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
    let columns = match insert.columns.as_slice() {
        [] => String::new(),
        names => format!("({}) ", list(names)),
    };
    let items = list(&select.projection);
    let all = if select.distinct.is_some() { "ALL " } else { "" };
    let input = match select.from.first().map(|from| &from.relation) {
        Some(TableFactor::Table { name, alias: Some(alias), .. }) => {
            format!("{name} {}{}", if alias.explicit { "AS " } else { "" }, alias.name)
        }
        Some(TableFactor::Table { name, .. }) => name.to_string(),
        _ => String::new(),
    };
    let filter = select.selection.as_ref().map_or(String::new(), |filter| format!(" WHERE {filter}"));
    format!("INSERT INTO {} {columns}SELECT {all}{items} FROM {input}{filter}", insert.table)
}

/// What `all` has where `part` ends or goes on otherwise, as far as it is worth to be said.
fn more_than<'t>(part: &str, all: &'t str) -> Option<&'t str> {
    const MAX_WORDS: usize = 3;
    if part == all {
        return None;
    }
    let same =
        part.chars().zip(all.chars()).take_while(|(a, b)| a == b).map(|(char, _)| char.len_utf8()).sum();
    let start = all[..same].rfind(' ').map_or(0, |blank| blank + 1);
    let start = if all[start..].trim().is_empty() || same == part.len() { same } else { start };
    let more = all[start..].trim();
    let end = more.match_indices(' ').nth(MAX_WORDS - 1).map_or(more.len(), |(at, _)| at);
    Some(&more[..end])
}

/// A list of values, and which records are to have them.
pub(super) struct Selection {
    pub(super) items: Vec<SelectItem>,
    /// All of which are true for those.
    pub(super) conditions: Vec<Expr>,
    pub(super) column_refs: Vec<ColumnRef>,
}

/// What the items of a SELECT from a table called `input` are, each with the piece that it is, or is in.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn selection(
    items: Vec<(ast::SelectItem, Piece<'_>)>,
    filter: Option<(ast::Expr, Piece<'_>)>,
    input: &Ident,
) -> Result<Selection> {
    let mut column_refs = Vec::new();
    let mut value = |expr: ast::Expr, piece: Piece<'_>| {
        let _ = visit_expressions(&expr, |expr| {
            let column_ref = match expr {
                ast::Expr::Identifier(name) => Some((name.value.clone(), name.span, false)),
                ast::Expr::Value(value) => match value.value {
                    ast::Value::Boolean(is_true) => Some((is_true.to_string(), value.span, true)),
                    _ => None,
                },
                _ => None,
            };
            column_refs.extend(column_ref.map(|(column, span, is_boolean_literal)| ColumnRef {
                column,
                place: piece.place(span),
                is_boolean_literal,
            }));
            ControlFlow::<()>::Continue(())
        });
        lower(&expr).map_err(|Refused { reason, span }| piece.error_at(span, reason))
    };
    let mut selected = Vec::with_capacity(items.len());
    for (item, piece) in items {
        let (mut expr, alias) = match item {
            ast::SelectItem::UnnamedExpr(expr) => (expr, None),
            ast::SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value)),
            ast::SelectItem::Wildcard(ref options) if options.to_string().is_empty() => {
                selected.push(SelectItem::All);
                continue;
            }
            ast::SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(ref name),
                ref options,
            ) if options.to_string().is_empty() && is_name(name, &input.value) => {
                selected.push(SelectItem::All);
                continue;
            }
            other => return Err(piece.error_at(other.span(), format!("{other} is not part of a pipeline"))),
        };
        unqualified(&mut expr, input);
        let declaration = declaration(&expr);
        let column = column(&expr);
        let text = || column.clone().unwrap_or_else(|| piece.text().to_owned());
        let name = alias.unwrap_or_else(text);
        let value = value(expr, piece)?;
        selected.push(match column {
            Some(column) => SelectItem::Column { name, column },
            None => SelectItem::Value { name, declaration, value },
        });
    }
    let mut conditions = Vec::new();
    if let Some((mut expr, piece)) = filter {
        unqualified(&mut expr, input);
        for condition in conjuncts(expr) {
            conditions.push(value(condition, piece)?);
        }
    }
    // SQLite, too, asks first for what is the same for all records, which shows if one of the others fails.
    conditions.sort_by_key(|condition| !is_constant(condition));
    Ok(Selection { items: selected, conditions, column_refs })
}

/// The conditions that AND joins. SQLite, too, looks at each on its own, and no further than at the first that is not true.
fn conjuncts(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Nested(of) => conjuncts(*of),
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [conjuncts(*left), conjuncts(*right)].concat()
        }
        condition => vec![condition],
    }
}

fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Sql(sql) => sql.inputs.is_empty(),
        Expr::Null | Expr::Integer(_) | Expr::Real(_) | Expr::Text(_) | Expr::Blob(_) => true,
        _ => false,
    }
}

/// The column of `input` that an expression is, if it is nothing else.
fn column(expr: &ast::Expr) -> Option<String> {
    match expr {
        ast::Expr::Nested(of) => column(of),
        expr => column_of(expr).map(str::to_owned),
    }
}

/// The type of a column of these values in SQLite's CREATE TABLE ... AS, unless it is a column of `input`: that of
/// a CAST, otherwise none.
fn declaration(expr: &ast::Expr) -> &'static str {
    match expr {
        ast::Expr::Nested(of) => declaration(of),
        ast::Expr::Cast { data_type, .. } => {
            ColumnAffinity::from_declared_type(&data_type.to_string()).as_str()
        }
        _ => "",
    }
}

/// The table that is filled, and the query that fills it, if that is all.
fn target(insert: &Insert) -> Checked<(Ident, &Query)> {
    let span = insert.insert_token.0.span;
    if insert.replace_into || insert.or.is_some() {
        let reason = "INSERT OR ... and REPLACE are not part of a pipeline: a row that breaks a constraint ends the load, or is a reject";
        return refuse(span, reason);
    }
    if insert.on.is_some() {
        return refuse(
            span,
            "ON CONFLICT is not part of a pipeline: a row that breaks a constraint ends the load, or is a reject",
        );
    }
    if let Some(returning) = &insert.returning {
        return refuse(returning.first().map_or(span, Spanned::span), "RETURNING is not part of a pipeline");
    }
    let TableObject::TableName(table) = &insert.table else {
        return refuse(span, "INSERT INTO is followed by the name of the table");
    };
    match &insert.source {
        Some(query) => Ok((plain_name(table)?, query)),
        None => refuse(span, "the rows of a pipeline come from INSERT INTO ... SELECT ... FROM input"),
    }
}

/// A name without the database, unless that is `main`.
fn plain_name(name: &ObjectName) -> Checked<Ident> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    match parts.as_deref() {
        Some([name]) => Ok((*name).clone()),
        Some([main, name]) if main.value.eq_ignore_ascii_case("main") => Ok((*name).clone()),
        _ => refuse(
            name.span(),
            format!("{name} is in another database; --database names the one that is filled"),
        ),
    }
}

/// The SELECT that a query is, if it is nothing else.
fn select(query: &Query) -> Checked<Select> {
    if let Some(with) = &query.with {
        return refuse(with.with_token.0.span, format!("WITH is not part of a pipeline: {ROW_BY_ROW}"));
    }
    let select = match &*query.body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { op, right, .. } => {
            return refuse(right.span(), format!("{op} is not part of a pipeline: {ROW_BY_ROW}"));
        }
        SetExpr::Values(_) => {
            return refuse(
                query.span(),
                "the rows of a pipeline come from SELECT ... FROM input, not from VALUES",
            );
        }
        _ => return refuse(query.span(), "SELECT ... FROM input was expected"),
    };
    let group_by = match &select.group_by {
        GroupByExpr::Expressions(by, _) => by.first().map(Spanned::span),
        GroupByExpr::All(_) => Some(select.span()),
    };
    let distinct = match &select.distinct {
        Some(Distinct::All) | None => None,
        Some(_) => Some(select.select_token.0.span),
    };
    let window = select.named_window.first().map(|window| window.0.span);
    let parts = [
        ("DISTINCT", distinct),
        ("GROUP BY", group_by),
        ("HAVING", select.having.as_ref().map(Spanned::span)),
        ("WINDOW", window),
        ("ORDER BY", query.order_by.as_ref().map(Spanned::span)),
        ("LIMIT", query.limit_clause.as_ref().map(Spanned::span)),
    ];
    for (part, span) in parts {
        if let Some(span) = span {
            return refuse(span, format!("{part} is not part of a pipeline: {ROW_BY_ROW}"));
        }
    }
    Ok((**select).clone())
}

/// What the columns of `input` are qualified with, if nothing but it is selected from.
fn from_input(select: &Select) -> Checked<Ident> {
    let none = "a pipeline selects FROM input, which is the CSV";
    let Some(from) = select.from.first() else { return refuse(select.select_token.0.span, none) };
    if let Some(other) = select.from.get(1).map(Spanned::span).or(from.joins.first().map(Spanned::span)) {
        return refuse(other, format!("a join is not part of a pipeline: {ROW_BY_ROW}"));
    }
    match &from.relation {
        TableFactor::Table { name, alias, args: None, .. } if is_name(name, INPUT) => {
            Ok(alias.as_ref().map_or(Ident::new(INPUT), |alias| alias.name.clone()))
        }
        TableFactor::Derived { subquery, .. } => {
            refuse(subquery.span(), format!("a subquery is not part of a pipeline: {ROW_BY_ROW}"))
        }
        other => refuse(other.span(), format!("{none}, not from {other}")),
    }
}

fn is_name(name: &ObjectName, expected: &str) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|part| part.value.eq_ignore_ascii_case(expected)))
}

fn is_input(name: &str, input: &Ident) -> bool {
    name.eq_ignore_ascii_case(&input.value)
}

/// Takes the name of `input` off the columns.
fn unqualified(expr: &mut ast::Expr, input: &Ident) {
    let _ = visit_expressions_mut(expr, |expr| {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && let [table, column] = parts.as_slice()
            && is_input(&table.value, input)
        {
            *expr = ast::Expr::Identifier(column.clone());
        }
        ControlFlow::<()>::Continue(())
    });
}
