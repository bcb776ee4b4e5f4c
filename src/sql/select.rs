//! Parses `INSERT INTO ... SELECT ... FROM input [WHERE ...]`, and rejects what a pipeline does not support.

use super::lower::lower;
use super::names::{function_name, plain_column};
use super::script::Fragment;
use super::unsupported::{ROW_BY_ROW, Unsupported};
use crate::error::Result;
use crate::plan::{ColumnRef, ConflictClause, Expr, SelectItem};
use crate::types::ColumnAffinity;
use sqlparser::ast::{
    self, Assignment, AssignmentTarget, BinaryOperator, Distinct, GroupByExpr, Ident, InTarget, Insert,
    ObjectName, OnConflictAction, OnInsert, Query, Select, SelectItemQualifiedWildcardKind, SetExpr, Spanned,
    Statement, TableFactor, TableObject, UnaryOperator, visit_expressions, visit_expressions_mut,
};
use sqlparser::tokenizer::Span;
use std::ops::ControlFlow;

/// The name of the table that stands for the input.
pub(super) const INPUT: &str = "input";

type Checked<T> = std::result::Result<T, Unsupported>;

fn unsupported<T>(span: Span, reason: impl Into<String>) -> Checked<T> {
    Err(Unsupported { reason: reason.into(), span })
}

/// Parses a select list without SELECT.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn select_list(list: Fragment<'_>) -> Result<Selection> {
    if list.leading_words().first().is_some_and(|word| word == "DISTINCT") {
        return Err(list.error(format!("DISTINCT is not supported in a pipeline: {ROW_BY_ROW}")));
    }
    lower_selection(list.parse_list(|parser| parser.parse_select_item())?, None, &Ident::new(INPUT))
}

/// Parses a condition without WHERE.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn where_condition(fragment: Fragment<'_>) -> Result<Selection> {
    let condition = fragment.parse(|parser| parser.parse_expr())?;
    lower_selection(Vec::new(), Some((condition, fragment)), &Ident::new(INPUT))
}

/// A parsed `INSERT INTO ... SELECT`.
pub(super) struct InsertSelect {
    pub(super) table: Ident,
    /// The named target columns; empty if the statement names none.
    pub(super) columns: Vec<Ident>,
    pub(super) selection: Selection,
    /// Position of the SELECT.
    pub(super) span: Span,
    pub(super) conflict: Option<Conflict>,
}

/// The ON CONFLICT clause of an INSERT.
pub(super) struct Conflict {
    /// True for DO UPDATE, false for DO NOTHING.
    pub(super) updates: bool,
    pub(super) clause: ConflictClause,
    pub(super) span: Span,
}

/// Parses the INSERT of a pipeline.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
pub(super) fn insert(fragment: Fragment<'_>) -> Result<InsertSelect> {
    let Statement::Insert(insert) = fragment.parse(|parser| parser.parse_statement())? else {
        return Err(fragment.error("expected INSERT INTO ... SELECT ... FROM input"));
    };
    let error = |Unsupported { reason, span }| fragment.error_at(span, reason);
    let (table, query) = insert_target(&insert).map_err(error)?;
    let names = &insert.columns;
    let columns = names.iter().map(unqualified_name).collect::<Checked<_>>().map_err(error)?;
    let select = plain_select(query).map_err(error)?;
    let span = select.select_token.0.span;
    let input = input_alias(&select).map_err(error)?;
    if let Some(part) = first_difference(&supported_text(&insert, &select), &insert.to_string()) {
        let span = fragment.find_token(part.split_whitespace().next().unwrap_or_default()).unwrap_or(span);
        return Err(fragment.error_at(span, format!("{part} is not supported in a pipeline")));
    }
    let conflict = conflict(&insert, fragment)?;
    let items = select.projection.into_iter().map(|item| (item, fragment)).collect();
    let condition = select.selection.map(|condition| (condition, fragment));
    let selection = lower_selection(items, condition, &input)?;
    Ok(InsertSelect { table, columns, selection, span, conflict })
}

/// The ON CONFLICT clause of an INSERT, as it is written.
fn conflict(insert: &Insert, fragment: Fragment<'_>) -> Result<Option<Conflict>> {
    let Some(OnInsert::OnConflict(parsed)) = &insert.on else { return Ok(None) };
    let Some((sql, condition, span)) = fragment.conflict_clause() else {
        return Err(fragment.error("expected one ON CONFLICT clause"));
    };
    let mut function = None;
    let _ = visit_expressions(parsed, |expr| match expr {
        ast::Expr::Function(called) if is_redefined(called) => {
            function = Some(called.name.to_string());
            ControlFlow::Break(())
        }
        _ => ControlFlow::Continue(()),
    });
    if let Some(name) = function {
        let reason = format!(
            "{name}() is not available in ON CONFLICT: compute its value in SELECT, and use excluded"
        );
        return Err(fragment.error_at(span, reason));
    }
    let (updates, assigned) = match &parsed.action {
        OnConflictAction::DoNothing => (false, None),
        OnConflictAction::DoUpdate(update) => {
            (true, update.assignments.iter().map(excluded_column).collect::<Option<Vec<_>>>())
        }
    };
    Ok(Some(Conflict { updates, clause: ConflictClause { sql, condition, assigned }, span }))
}

/// The column of an assignment `a = excluded.a`; nothing for others.
fn excluded_column(assignment: &Assignment) -> Option<String> {
    let AssignmentTarget::ColumnName(target) = &assignment.target else { return None };
    let target = unqualified_name(target).ok()?;
    let ast::Expr::CompoundIdentifier(value) = &assignment.value else { return None };
    let [table, column] = &value[..] else { return None };
    let is_same = |name: &Ident, other: &str| name.value.eq_ignore_ascii_case(other);
    (is_same(table, "excluded") && is_same(column, &target.value)).then_some(target.value)
}

/// True for SQLite's functions that have another meaning in a pipeline.
fn is_redefined(function: &ast::Function) -> bool {
    function_name(function).is_some_and(|name| matches!(name.as_str(), "upper" | "lower"))
}

/// The text of the INSERT with only the supported clauses. It equals that of the whole statement if there are no others.
fn supported_text(insert: &Insert, select: &Select) -> String {
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
    let conflict = insert.on.as_ref().map_or(String::new(), ToString::to_string);
    format!("INSERT INTO {} {columns}SELECT {all}{items} FROM {input}{filter}{conflict}", insert.table)
}

/// The first words of `all` that are not in `part`; `None` if the texts are equal.
fn first_difference<'t>(part: &str, all: &'t str) -> Option<&'t str> {
    const MAX_WORDS: usize = 3;
    if part == all {
        return None;
    }
    let common =
        part.chars().zip(all.chars()).take_while(|(a, b)| a == b).map(|(char, _)| char.len_utf8()).sum();
    let word_start = all[..common].rfind(' ').map_or(0, |space| space + 1);
    let start = if all[word_start..].trim().is_empty() || common == part.len() { common } else { word_start };
    let difference = all[start..].trim();
    let end = difference.match_indices(' ').nth(MAX_WORDS - 1).map_or(difference.len(), |(at, _)| at);
    Some(&difference[..end])
}

/// A lowered select list and WHERE clause.
pub(super) struct Selection {
    pub(super) items: Vec<SelectItem>,
    /// The conditions that AND joins.
    pub(super) conditions: Vec<Expr>,
    pub(super) column_refs: Vec<ColumnRef>,
}

/// Lowers the items of a SELECT and the condition of its WHERE, each with the fragment that contains it. `input` is the name
/// or the alias of the input.
///
/// # Errors
/// [`Kind::Sql`](crate::Kind::Sql).
fn lower_selection(
    items: Vec<(ast::SelectItem, Fragment<'_>)>,
    filter: Option<(ast::Expr, Fragment<'_>)>,
    input: &Ident,
) -> Result<Selection> {
    let mut column_refs = Vec::new();
    let mut lower_expr = |expr: ast::Expr, fragment: Fragment<'_>| {
        add_column_refs(&mut column_refs, &expr, fragment);
        lower(&expr).map_err(|Unsupported { reason, span }| fragment.error_at(span, reason))
    };
    let mut selected = Vec::with_capacity(items.len());
    for (item, fragment) in items {
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
            other => {
                return Err(
                    fragment.error_at(other.span(), format!("{other} is not supported in a pipeline"))
                );
            }
        };
        remove_qualifier(&mut expr, input);
        let declaration = declared_type(&expr);
        let column = plain_column(&expr).map(str::to_owned);
        let default_name = || column.clone().unwrap_or_else(|| fragment.text().to_owned());
        let name = alias.unwrap_or_else(default_name);
        let value = lower_expr(expr, fragment)?;
        selected.push(match column {
            Some(column) => SelectItem::Column { name, column },
            None => SelectItem::Value { name, declaration, value },
        });
    }
    let mut conditions = Vec::new();
    if let Some((mut expr, fragment)) = filter {
        remove_qualifier(&mut expr, input);
        for condition in conjuncts(expr) {
            conditions.push(lower_expr(condition, fragment)?);
        }
    }
    // Like SQLite, evaluate constant conditions first. The order matters if a condition fails with an error.
    conditions.sort_by_key(|condition| !is_constant(condition));
    Ok(Selection { items: selected, conditions, column_refs })
}

/// Adds the references to columns of the input in `expr`.
fn add_column_refs(column_refs: &mut Vec<ColumnRef>, expr: &ast::Expr, fragment: Fragment<'_>) {
    let numbers = number_columns(expr);
    let _ = visit_expressions(expr, |expr| {
        let (column, span, is_boolean_literal) = match expr {
            ast::Expr::Identifier(name) => (name.value.clone(), name.span, false),
            ast::Expr::Value(ast::ValueWithSpan { value: ast::Value::Boolean(is_true), span }) => {
                (is_true.to_string(), *span, true)
            }
            _ => return ControlFlow::<()>::Continue(()),
        };
        let (place, is_number) = (fragment.place(span), numbers.contains(&span));
        column_refs.push(ColumnRef { column, place, is_boolean_literal, is_number });
        ControlFlow::Continue(())
    });
}

/// The positions of the columns that are compared or computed with a number in `expr`.
fn number_columns(expr: &ast::Expr) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut add = |operands: &[&ast::Expr]| {
        spans.extend(
            operands.iter().filter(|operand| plain_column(operand).is_some()).map(|operand| operand.span()),
        );
    };
    let _ = visit_expressions(expr, |expr| {
        match expr {
            ast::Expr::BinaryOp { left, op, right } if is_arithmetic(op) => add(&[left, right]),
            ast::Expr::BinaryOp { left, op, right } if is_comparison(op) && is_number(right) => add(&[left]),
            ast::Expr::BinaryOp { left, op, right } if is_comparison(op) && is_number(left) => add(&[right]),
            ast::Expr::Between { expr, low, high, .. } if is_number(low) || is_number(high) => add(&[expr]),
            ast::Expr::In { expr, target: InTarget::List(list), .. } if list.iter().any(is_number) => {
                add(&[expr])
            }
            ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => add(&[expr]),
            _ => {}
        }
        ControlFlow::<()>::Continue(())
    });
    spans
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(op, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}

/// True for a number, and for the result of arithmetic.
fn is_number(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Nested(inner) => is_number(inner),
        ast::Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => is_number(expr),
        ast::Expr::BinaryOp { op, .. } => is_arithmetic(op),
        ast::Expr::Value(value) => matches!(value.value, ast::Value::Number(..)),
        _ => false,
    }
}

/// Splits a condition at AND. SQLite evaluates these terms separately, too, up to the first that is not true.
fn conjuncts(expr: ast::Expr) -> Vec<ast::Expr> {
    match expr {
        ast::Expr::Nested(inner) => conjuncts(*inner),
        ast::Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            [conjuncts(*left), conjuncts(*right)].concat()
        }
        condition => vec![condition],
    }
}

/// True if the value is the same for all records.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Sql(sql) => sql.inputs.is_empty(),
        Expr::Null | Expr::Integer(_) | Expr::Real(_) | Expr::Text(_) | Expr::Blob(_) => true,
        _ => false,
    }
}

/// The declared type of an expression that is not a column, as in CREATE TABLE ... AS: that of a CAST, otherwise empty
/// ([CREATE TABLE](https://sqlite.org/lang_createtable.html), section 2.1).
fn declared_type(expr: &ast::Expr) -> &'static str {
    match expr {
        ast::Expr::Nested(inner) => declared_type(inner),
        ast::Expr::Cast { data_type, .. } => {
            ColumnAffinity::from_declared_type(&data_type.to_string()).as_str()
        }
        _ => "",
    }
}

/// The target table and the query of an INSERT.
fn insert_target(insert: &Insert) -> Checked<(Ident, &Query)> {
    let span = insert.insert_token.0.span;
    if insert.replace_into || insert.or.is_some() {
        let reason = "INSERT OR ... and REPLACE are not supported in a pipeline: use ON CONFLICT DO NOTHING, ON CONFLICT (key) DO UPDATE SET, or ON CONFLICT REPLACE in CREATE TABLE";
        return unsupported(span, reason);
    }
    if let Some(OnInsert::DuplicateKeyUpdate(_)) = &insert.on {
        return unsupported(
            span,
            "SQLite has no ON DUPLICATE KEY UPDATE: use ON CONFLICT (key) DO UPDATE SET",
        );
    }
    if let Some(returning) = &insert.returning {
        return unsupported(
            returning.first().map_or(span, Spanned::span),
            "RETURNING is not supported in a pipeline",
        );
    }
    let TableObject::TableName(table) = &insert.table else {
        return unsupported(span, "expected the name of a table after INSERT INTO");
    };
    match &insert.source {
        Some(query) => Ok((unqualified_name(table)?, query)),
        None => unsupported(span, "the rows of a pipeline come from INSERT INTO ... SELECT ... FROM input"),
    }
}

/// Removes the schema `main` from a name; other schemas are not supported.
fn unqualified_name(name: &ObjectName) -> Checked<Ident> {
    let parts: Option<Vec<_>> = name.0.iter().map(|part| part.as_ident()).collect();
    match parts.as_deref() {
        Some([name]) => Ok((*name).clone()),
        Some([main, name]) if main.value.eq_ignore_ascii_case("main") => Ok((*name).clone()),
        _ => unsupported(
            name.span(),
            format!("{name} is in another database, and a pipeline fills only the database of the load"),
        ),
    }
}

/// The SELECT of a query, if the query has no clauses that need more than one record.
fn plain_select(query: &Query) -> Checked<Select> {
    if let Some(with) = &query.with {
        return unsupported(
            with.with_token.0.span,
            format!("WITH is not supported in a pipeline: {ROW_BY_ROW}"),
        );
    }
    let select = match &*query.body {
        SetExpr::Select(select) => select,
        SetExpr::SetOperation { op, right, .. } => {
            return unsupported(right.span(), format!("{op} is not supported in a pipeline: {ROW_BY_ROW}"));
        }
        SetExpr::Values(_) => {
            return unsupported(
                query.span(),
                "the rows of a pipeline come from SELECT ... FROM input, not from VALUES",
            );
        }
        _ => return unsupported(query.span(), "expected SELECT ... FROM input"),
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
            return unsupported(span, format!("{part} is not supported in a pipeline: {ROW_BY_ROW}"));
        }
    }
    Ok((**select).clone())
}

/// The name or alias of `input`, if it is the only table in FROM.
fn input_alias(select: &Select) -> Checked<Ident> {
    let expected = "a pipeline selects FROM input";
    let Some(from) = select.from.first() else { return unsupported(select.select_token.0.span, expected) };
    if let Some(other) = select.from.get(1).map(Spanned::span).or(from.joins.first().map(Spanned::span)) {
        return unsupported(other, format!("a join is not supported in a pipeline: {ROW_BY_ROW}"));
    }
    match &from.relation {
        TableFactor::Table { name, alias, args: None, .. } if is_name(name, INPUT) => {
            Ok(alias.as_ref().map_or(Ident::new(INPUT), |alias| alias.name.clone()))
        }
        TableFactor::Derived { subquery, .. } => {
            unsupported(subquery.span(), format!("a subquery is not supported in a pipeline: {ROW_BY_ROW}"))
        }
        other => unsupported(other.span(), format!("{expected}, not FROM {other}")),
    }
}

/// True if `name` has one part, which equals `expected` ignoring ASCII case.
fn is_name(name: &ObjectName, expected: &str) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|part| part.value.eq_ignore_ascii_case(expected)))
}

/// Removes the qualifier `input` from column names.
fn remove_qualifier(expr: &mut ast::Expr, input: &Ident) {
    let _ = visit_expressions_mut(expr, |expr| {
        if let ast::Expr::CompoundIdentifier(parts) = expr
            && let [table, column] = parts.as_slice()
            && table.value.eq_ignore_ascii_case(&input.value)
        {
            *expr = ast::Expr::Identifier(column.clone());
        }
        ControlFlow::<()>::Continue(())
    });
}
