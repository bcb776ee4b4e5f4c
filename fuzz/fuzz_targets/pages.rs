//! The direct path writes any table and any rows as SQLite does.
#![no_main]

#[allow(dead_code, reason = "the integration tests use more of it")]
#[path = "../../tests/integration/twin.rs"]
mod twin;

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use rusqlite::types::Value;
use sqload::write::direct::Sorting;
use twin::Case;

const TYPES: [&str; 9] =
    ["TEXT", "BLOB", "", "INTEGER", "REAL", "NUMERIC", "INTEGER PRIMARY KEY", "TEXT UNIQUE", "TEXT NOT NULL"];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(Some(case)) = case(&mut Unstructured::new(data)) {
        case.check();
    }
});

fn case(bytes: &mut Unstructured<'_>) -> Result<Option<Case>> {
    let page_bytes = 512 << bytes.int_in_range(0..=7)?;
    let width = bytes.int_in_range(1..=10)?;
    let mut columns = Vec::new();
    for at in 0..width {
        columns.push((format!("c{at}"), (*bytes.choose(&TYPES)?).to_owned()));
    }
    if columns.iter().filter(|(_, declaration)| declaration.contains("PRIMARY")).count() > 1 {
        return Ok(None);
    }
    let mut indexes = Vec::new();
    for at in 0..bytes.int_in_range(0..=3)? {
        let unique = if bytes.ratio(1, 8)? { "UNIQUE" } else { "" };
        let keys = [bytes.int_in_range(0..=width - 1)?, bytes.int_in_range(0..=width - 1)?];
        let order = bytes.choose(&["", "DESC"])?;
        indexes.push(format!("CREATE {unique} INDEX i{at} ON t (c{} {order}, c{})", keys[0], keys[1]));
    }
    let (chunk_rows, repeats) = (bytes.int_in_range(1..=20)?, bytes.int_in_range(1..=60)?);
    let max_bytes = *bytes.choose(&[0, 5_000, 1 << 30])?;
    let rejects = bytes.int_in_range(0..=1)?;
    let mut rows = Vec::new();
    while !bytes.is_empty() && rows.len() < 50 {
        rows.push((0..width).map(|_| value(bytes, page_bytes)).collect::<Result<Vec<_>>>()?);
    }
    // Repeat the rows, with other integers, so that a short input fills many pages.
    let repeat = |row: &Vec<Value>, number: i64| {
        let value = |value: &Value| match value {
            Value::Integer(integer) => Value::Integer(integer.wrapping_add(number * 100)),
            other => other.clone(),
        };
        row.iter().map(value).collect()
    };
    let rows = (0..repeats).flat_map(|number| rows.iter().map(move |row| repeat(row, number))).collect();
    let mut case = Case::new(page_bytes, &[], rows, chunk_rows);
    (case.columns, case.indexes, case.rejects, case.sorting) =
        (columns, indexes, rejects, Sorting { max_bytes, jobs: 1 });
    // Rows that are not in primary key order need enough memory to be sorted.
    if max_bytes < 1 << 30 && case.columns.iter().any(|(_, declaration)| declaration.contains("PRIMARY")) {
        case.sorting.max_bytes = 1 << 30;
    }
    Ok(Some(case))
}

fn value(bytes: &mut Unstructured<'_>, page_bytes: u32) -> Result<Value> {
    Ok(match bytes.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => Value::Integer(bytes.arbitrary::<i8>()?.into()),
        2 => Value::Integer(bytes.arbitrary()?),
        3 => Value::Real(bytes.arbitrary()?),
        4 => Value::Real(bytes.arbitrary::<i32>()?.into()),
        5 => Value::Text(bytes.arbitrary::<&str>()?.to_owned()),
        6 => Value::Blob(bytes.arbitrary::<&[u8]>()?.to_vec()),
        _ => Value::Text("x".repeat(bytes.int_in_range(0..=3 * page_bytes as usize)?)),
    })
}
