//! The direct path compared with the statement path on random tables, rows, indexes and page sizes.
//!
//! `SQLOAD_TWINS=10000 cargo test --test integration twins::` compares 10 000 tables; `SQLOAD_TWINS_FROM` is the first seed.

use crate::twin::Case;
use rand::rngs::ChaCha8Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use rusqlite::types::Value;
use sqload::write::direct::Sorting;

const PAGE_BYTES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

const TYPES: [&str; 8] = ["TEXT", "BLOB", "", "INTEGER", "REAL", "NUMERIC", "VARCHAR(9)", "BIGINT"];

const STRICT_TYPES: [&str; 6] = ["INT", "INTEGER", "REAL", "TEXT", "ANY", "BLOB"];

const DEFAULTS: [&str; 14] = [
    "7",
    "-1.5",
    "'x'",
    "'12'",
    "1e3",
    "x'00ff'",
    "abc",
    "\"quoted\"",
    "true",
    "NULL",
    "(1 + 2)",
    "(abs(-4.0))",
    "(upper('q'))",
    "(CAST(x'61ff62' AS TEXT))",
];

/// What `sqlite_sequence` may have for the table.
const SEQUENCES: [&str; 7] = ["-7", "0", "60", "3000.7", "'12x'", "NULL", "9223372036854775807"];

const REALS: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1e300,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    140_737_488_355_327.0,
    140_737_488_355_328.0,
    9_223_372_036_854_775_807.0,
    123_456.75,
];

const TEXTS: [&str; 28] = [
    "A",
    "a ",
    "A  ",
    "12ABC ",
    "Nul\0NUL",
    "\u{feff}bom",
    "\u{1f600}\u{ffff}\u{e000}",
    "STRASSE",
    "",
    "a",
    "007",
    "1",
    " 1",
    "1 ",
    "+1",
    "-0",
    "1e3",
    "1.50",
    ".5",
    "5.",
    "0x10",
    "9223372036854775808",
    "1e400",
    "nan",
    "12abc",
    "nul\0nul",
    "straße",
    "-",
];

/// A random value; `class` 0 is any value, others are a subset.
fn value(rng: &mut ChaCha8Rng, class: u32, page_bytes: usize) -> Value {
    let kinds = match class {
        0 => 0..20,
        1 => 2..8,
        2 => 11..14,
        4 => 8..11,
        _ => 19..20,
    };
    match rng.random_range(kinds) {
        0..2 => Value::Null,
        2..4 => Value::Integer(rng.random_range(-2..3)),
        4..8 => {
            // Near a power of two.
            let power = 1i64.wrapping_shl(rng.random_range(0..64));
            let near = power.wrapping_add(rng.random_range(-2..2));
            Value::Integer(if rng.random() { near } else { near.wrapping_neg() })
        }
        8..10 => Value::Real(*REALS.choose(rng).unwrap()),
        10 => Value::Real(rng.random_range(-1e6..1e6)),
        11..14 => Value::Text((*TEXTS.choose(rng).unwrap()).to_owned()),
        14..19 => {
            let bytes = size(rng, page_bytes);
            let letters = if rng.random_bool(0.3) { b"aAbB  " } else { b"abcdef" };
            let text: String = (0..bytes).map(|_| char::from(*letters.choose(rng).unwrap())).collect();
            if rng.random() { Value::Text(text) } else { Value::Blob(text.into_bytes()) }
        }
        _ => Value::Blob((0..16).map(|_| rng.random()).collect()),
    }
}

/// A size that is mostly small, or near one at which a record header, a cell or an overflow page is full.
fn size(rng: &mut ChaCha8Rng, page_bytes: usize) -> usize {
    let index_limit = (page_bytes - 12) * 64 / 255 - 23;
    let least = (page_bytes - 12) * 32 / 255 - 23;
    let edges = [
        57,
        120,
        least,
        index_limit,
        page_bytes - 35,
        page_bytes - 4,
        page_bytes,
        2 * page_bytes,
        5 * page_bytes,
    ];
    match rng.random_range(0..12) {
        0..10 => rng.random_range(0..40),
        10 => rng.random_range(0..page_bytes / 2),
        _ => (edges.choose(rng).unwrap() + rng.random_range(0..30)).saturating_sub(20),
    }
}

/// A generated column or constraint, with columns `c0` to `c{width - 1}`. `name` is that of the generated column.
fn addition(rng: &mut ChaCha8Rng, width: usize, name: &str, others: &[String], is_strict: bool) -> String {
    let mut column = || match others.is_empty() || rng.random_bool(0.8) {
        true => format!("c{}", rng.random_range(0..width)),
        false => others.choose(rng).unwrap().clone(),
    };
    let (a, b) = (column(), column());
    // Few rows break these.
    let checks = [
        format!("length({a}) < 3000"),
        format!("{a} <> '12abc'"),
        format!("{a} IS NOT 3 OR {b} > ''"),
        format!("typeof({a}) <> 'blob' OR length({a}) <> 11"),
        format!("coalesce({a} < 1e18, {b}, 1)"),
        format!("{a} BETWEEN -9e18 AND x'ff' COLLATE NOCASE"),
        "rowid > -60".to_owned(),
        format!("NOT ({a} = {b} AND {a} > 1000000)"),
    ];
    let values = [
        a.clone(),
        format!("{a} || {b}"),
        format!("{a} + 1"),
        format!("upper({a})"),
        format!("substr({a}, 2, 7)"),
        format!("CAST({a} AS TEXT)"),
        format!("{a} < {b}"),
        format!("iif({a} > 5, {a} * 1.0, {b})"),
        format!("json_array({a} IS NULL, typeof({b}))"),
        format!("hex({a})"),
        format!("abs({a})"),
    ];
    if rng.random_bool(0.4) {
        let label = if rng.random() { "CONSTRAINT \"a rule\" " } else { "" };
        return format!("{label}CHECK ({})", checks.choose(rng).unwrap());
    }
    let declared = if is_strict { STRICT_TYPES.choose(rng) } else { TYPES.choose(rng) };
    let rule = if rng.random_bool(0.1) { "NOT NULL " } else { "" };
    let kind = if rng.random() { "STORED" } else { "VIRTUAL" };
    let value = values.choose(rng).unwrap();
    let declared = if is_strict && rng.random_bool(0.8) { "ANY" } else { *declared.unwrap() };
    format!("{name} {declared} {rule}AS ({value}) {kind}")
}

fn case(seed: u64) -> Case {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let page_bytes = *PAGE_BYTES.choose(rng).unwrap();
    let width = if rng.random_bool(0.2) { rng.random_range(1..=60) } else { rng.random_range(1..6) };
    let mut columns: Vec<_> =
        (0..width).map(|index| (format!("c{index}"), (*TYPES.choose(rng).unwrap()).to_owned())).collect();
    let rowid = rng.random_bool(0.3).then(|| rng.random_range(0..width));
    if let Some(rowid) = rowid {
        columns[rowid].1 = "INTEGER PRIMARY KEY".to_owned();
    } else if rng.random_bool(0.2) && columns[0].1 != "INTEGER" {
        columns[0].1.push_str(" PRIMARY KEY");
    }
    let is_strict = rng.random_bool(0.2);
    if is_strict {
        for (at, (_, declaration)) in columns.iter_mut().enumerate().filter(|(at, _)| rowid != Some(*at)) {
            // The first column has INTEGERs.
            let types = if at == 0 { &STRICT_TYPES[..5] } else { &STRICT_TYPES[..] };
            let key = if declaration.ends_with("PRIMARY KEY") { " PRIMARY KEY" } else { "" };
            *declaration = (*types.choose(rng).unwrap()).to_owned() + key;
        }
    }
    let mut setup = Vec::new();
    if let (Some(rowid), true) = (rowid, rng.random_bool(0.3)) {
        columns[rowid].1.push_str(" AUTOINCREMENT");
        if rng.random() {
            let sequence = SEQUENCES.choose(rng).unwrap();
            setup.push(format!("INSERT INTO sqlite_sequence VALUES ('t', {sequence})"));
        }
    }
    if rng.random_bool(0.1) {
        columns[rng.random_range(0..width)].1.push_str(" REFERENCES t (c0)");
    }
    let encoding = *["UTF-8", "UTF-8", "UTF-8", "UTF-16le", "UTF-16be"].choose(rng).unwrap();
    let has_collations = encoding == "UTF-8" && rng.random_bool(0.4);
    if has_collations && rng.random() {
        for (_, declaration) in &mut columns {
            declaration.push_str(["", " COLLATE NOCASE", " COLLATE rtrim"].choose(rng).unwrap());
        }
    }
    let loaded = rng.random_bool(0.25).then(|| {
        let mut loaded: Vec<_> = (0..width).collect();
        loaded.shuffle(rng);
        loaded.truncate(rng.random_range(1..=width));
        for (_, (_, declaration)) in columns.iter_mut().enumerate().filter(|(at, _)| !loaded.contains(at)) {
            if rng.random() {
                declaration.push_str(" DEFAULT ");
                declaration.push_str(DEFAULTS.choose(rng).unwrap());
            }
        }
        loaded
    });
    let (mut additions, mut generated) = (Vec::new(), Vec::new());
    if rng.random_bool(0.3) {
        for number in 0..rng.random_range(1..4) {
            let name = format!("g{number}");
            let added = addition(rng, width, &name, &generated, is_strict);
            if added.starts_with(&name) {
                generated.push(name);
            }
            additions.push(added);
        }
        // Constraints come last.
        additions.sort_by_key(|added| !added.starts_with('g'));
    }
    let is_without_rowid = rng.random_bool(0.25) && rowid.is_none() && !columns[0].1.contains("PRIMARY KEY");
    if is_without_rowid {
        additions.retain(|addition| !addition.contains("rowid"));
    }
    let key = |rng: &mut ChaCha8Rng| {
        let keys: Vec<_> = (0..rng.random_range(1..=3usize.min(width)))
            .map(|_| {
                let collations =
                    if has_collations { &["", " COLLATE NOCASE", " COLLATE RTRIM"][..] } else { &[""] };
                let collation = collations.choose(rng).unwrap();
                let order = if rng.random() { " DESC" } else { "" };
                let column = match generated.choose(rng) {
                    Some(generated) if rng.random_bool(0.4) => generated.clone(),
                    _ => format!("c{}", rng.random_range(0..width)),
                };
                format!("{column}{collation}{order}")
            })
            .collect();
        keys.join(", ")
    };
    let indexes = (0..rng.random_range(0..=4)).map(|index| match rng.random_range(0..12) {
        0 => format!("CREATE UNIQUE INDEX i{index} ON t ({})", key(rng)),
        1 => format!("CREATE INDEX i{index} ON t ({}) WHERE c0 IS NOT NULL", key(rng)),
        2 => format!("CREATE INDEX i{index} ON t (length(c0), {})", key(rng)),
        _ => format!("CREATE INDEX i{index} ON t ({})", key(rng)),
    });
    let indexes = indexes.collect();
    let primary_key = match is_without_rowid {
        true => {
            let more = rng.random_bool(0.4).then(|| format!(", c{}", rng.random_range(0..width)));
            let order = ["", " DESC", " ASC"].choose(rng).unwrap();
            let collation = if has_collations && rng.random_bool(0.3) { " COLLATE NOCASE" } else { "" };
            format!("c0{collation}{order}{}", more.unwrap_or_default())
        }
        false => String::new(),
    };
    let count: i64 = *[0, 1, 2, 5, 40, 200, 400].choose(rng).unwrap();
    let ids_ascend = rng.random_bool(0.5);
    let has_unique = rng.random_bool(0.8);
    // Half of the columns have values of class 0.
    let classes: Vec<u32> = (0..width).map(|_| rng.random_range(0u32..6).saturating_sub(2)).collect();
    let class_of_type = |declaration: &str| match declaration.split(' ').next() {
        Some("INT" | "INTEGER") => 1,
        Some("TEXT") => 2,
        Some("BLOB") => 3,
        Some("REAL") => 4,
        _ => 0,
    };
    let classes = match is_strict && rng.random_bool(0.8) {
        true => columns.iter().map(|(_, declaration)| class_of_type(declaration)).collect(),
        false => classes,
    };
    let rows: Vec<Vec<_>> = (0..count)
        .map(|row: i64| {
            let mut row_values: Vec<_> =
                classes.iter().map(|class| value(rng, *class, page_bytes as usize)).collect();
            if has_unique && rowid != Some(0) {
                row_values[0] =
                    Value::Integer(row.wrapping_mul(if ids_ascend { 3 } else { 0x5851_f42d_4c95_7f2d }));
            }
            if let Some(rowid) = rowid {
                row_values[rowid] = match rng.random_range(0..10) {
                    0 => Value::Null,
                    1 if has_unique => Value::Text((row * 10 + 5).to_string()),
                    _ if ids_ascend => Value::Integer(row * 10 - 50),
                    _ => Value::Integer((row * 7919) % 10007),
                };
            }
            match &loaded {
                Some(loaded) => loaded.iter().map(|at| row_values[*at].clone()).collect(),
                None => row_values,
            }
        })
        .collect();
    let chunks = match rng.random_range(0..3) {
        0 => 1,
        1 => rng.random_range(1..20),
        _ => 1000,
    };
    let is_limited = rng.random_bool(0.15) && rowid.is_none() && primary_key.is_empty();
    let max_bytes = if is_limited { 10_000 } else { 1 << 30 };
    let mut case = Case::new(page_bytes, &[], rows, chunks);
    (case.columns, case.indexes, case.rejects) = (columns, indexes, rng.random_range(0..2));
    (case.encoding, case.is_strict, case.loaded, case.setup) = (encoding, is_strict, loaded, setup);
    (case.additions, case.primary_key) = (additions, primary_key);
    case.sorting = Sorting { max_bytes, jobs: 2 };
    case
}

/// The number of random tables.
fn cases() -> u64 {
    std::env::var("SQLOAD_TWINS").map_or(100, |cases| cases.parse().expect("a number of cases"))
}

/// The first seed.
fn first_seed() -> u64 {
    std::env::var("SQLOAD_TWINS_FROM").map_or(0, |from| from.parse().expect("a seed"))
}

#[test]
fn random_appends_match_sqlite() {
    let mut appended = 0;
    for seed in first_seed()..first_seed() + cases() {
        let case = case(seed);
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let first_chunk = rng.random_range(0..=case.chunks.len());
        let checked = std::panic::catch_unwind(|| case.check_append(first_chunk, seed % 3 == 0));
        appended += u64::from(checked.unwrap_or_else(|_| panic!("seed {seed}")));
    }
    assert!(appended > cases() / 2, "{appended} appends were tried");
}

#[test]
fn random_tables_match_sqlite() {
    for seed in first_seed()..first_seed() + cases() {
        let case = case(seed);
        let checked = std::panic::catch_unwind(|| case.check());
        assert!(checked.is_ok(), "seed {seed}");
    }
}
