//! The tables of a load, and the inputs that fill each.

use super::{Conductor, in_context};
use crate::engine::inputs::unify_columns;
use crate::engine::source::{RecordSource, check_settings};
use crate::error::{Kind, PlanError, Result};
use crate::plan::Plan;
use crate::report::Note;
use crate::schema::table_per_input::{applicable_plan, check_applied, table_names};
use std::ops::Range;

/// The inputs of a load, and the tables that they fill.
#[derive(Debug)]
pub(super) struct LoadInputs {
    pub(super) list: Vec<RecordSource>,
    pub(super) tables: Vec<TablePlan>,
    /// Notes about the choice of inputs and tables.
    pub(super) notes: Vec<Note>,
}

/// The plan for a table.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) plan: Plan,
    /// The numbers of the inputs that fill it.
    pub(super) inputs: Range<usize>,
}

impl LoadInputs {
    /// The inputs that fill a table.
    pub(super) fn of_table(&self, table: &TablePlan) -> &[RecordSource] {
        &self.list[table.inputs.clone()]
    }
}

impl Conductor<'_> {
    /// Opens the inputs, and assigns them to tables.
    pub(super) fn open_inputs(&self) -> Result<LoadInputs> {
        let mut list = self.find_inputs()?;
        if let Some(first) = list.first().filter(|_| list.iter().all(|input| input.dialect().is_none())) {
            check_settings(self.plan, first)?;
        }
        if let Some(first) = list.first().filter(|_| list.iter().all(|input| input.width() == 0)) {
            return Err(Kind::NoHeader { input: first.name().clone(), rows: 0, skipped_lines: None }.into());
        }
        if self.has_table_per_input() {
            return self.assign_tables(list);
        }
        list.retain(|input| input.width() > 0);
        check_same_kind(&list)?;
        if self.plan.depends_on_header() {
            let options = self.plan.columns.as_ref();
            let unified = unify_columns(&mut list, options.is_some_and(|options| options.union_by_name));
            unified.map_err(|error| in_context(error, &list))?;
        }
        let tables = vec![TablePlan { plan: self.plan.clone(), inputs: 0..list.len() }];
        Ok(LoadInputs { list, tables, notes: Vec::new() })
    }

    /// The inputs, in order.
    fn find_inputs(&self) -> Result<Vec<RecordSource>> {
        if let Some(tables) = self.tables {
            return Ok(tables.iter().cloned().map(RecordSource::Sqlite).collect());
        }
        #[cfg(feature = "arrow")]
        if let Some(stream) = self.arrow_stream {
            return Ok(vec![RecordSource::of_stream(stream, self.plan, self.stop)?]);
        }
        let mut list = Vec::new();
        for path in self.inputs {
            list.extend(RecordSource::find(path, self.plan, self.stop)?);
        }
        Ok(list)
    }

    /// True if each input fills a table of its own.
    pub(super) fn has_table_per_input(&self) -> bool {
        self.plan.columns.as_ref().is_some_and(|options| options.table_per_input)
    }

    /// Gives each input a table of its own, except for empty ones.
    fn assign_tables(&self, mut list: Vec<RecordSource>) -> Result<LoadInputs> {
        let mut notes = skipped_members(&mut list);
        let (list, empty): (Vec<_>, Vec<_>) = list.into_iter().partition(|input| input.width() > 0);
        notes.extend(empty.iter().map(|input| Note::EmptyInput { input: input.name().clone() }));
        let names = table_names(list.iter().map(|input| &**input.name()));
        let mut tables = Vec::new();
        for (number, (input, name)) in list.iter().zip(names).enumerate() {
            if !is_default_name(&name, input.name()) {
                notes.push(Note::TableName { input: input.name().clone(), table: name.clone() });
            }
            let mut plan = applicable_plan(self.plan, input.names());
            plan.table.name = name;
            tables.push(TablePlan { plan, inputs: number..number + 1 });
        }
        let plans: Vec<_> = tables.iter().map(|table| &table.plan).collect();
        let headers: Vec<_> = list.iter().map(RecordSource::names).collect();
        check_applied(self.plan, &plans, &headers).map_err(|error| in_context(error, &list))?;
        Ok(LoadInputs { list, tables, notes })
    }
}

/// Checks that all inputs declare types, or none.
///
/// # Errors
/// [`PlanError::MixedInputs`].
fn check_same_kind(list: &[RecordSource]) -> Result<()> {
    let Some((first, others)) = list.split_first() else { return Ok(()) };
    match others.iter().find(|input| input.declares_types() != first.declares_types()) {
        Some(input) => {
            let (input, first) = (input.name().clone(), first.name().clone());
            Err(PlanError::MixedInputs { input, first }.into())
        }
        None => Ok(()),
    }
}

/// Takes the notes about members of archives that are no inputs, which concern no table.
fn skipped_members(list: &mut [RecordSource]) -> Vec<Note> {
    list.iter_mut().flat_map(RecordSource::take_notes_about_members).collect()
}

/// True if a table has the name that an input suggests.
fn is_default_name(name: &str, input: &str) -> bool {
    crate::schema::table_per_input::table_name(input.as_ref()) == name
}
