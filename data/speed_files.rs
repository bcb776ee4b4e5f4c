//! Creates the input files of the speed measurements: `cargo run --release --example speed_files -- DIRECTORY [ORDERS]`.
//!
//! | file | records | size | content |
//! |---|---|---|---|
//! | `orders.csv` | 600 000 | 59 MB | numbers, and quoted notes that contain quotes, delimiters and line ends |
//! | `numbers.csv` | 200 000 | 59 MB | 40 columns of INTEGER and REAL |
//!
//! ORDERS is another number of orders; the numbers are a third as many. The files are the same in every run. The third input,
//! 2.5 million people, is created by `sqload create-file`.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const NOTES: [&str; 4] = [
    "leave at the door, please",
    "call first:\n+1 555 0100, or \"\"the neighbour\"\"",
    "gift; no invoice\nwrap it, add a card",
    "as discussed",
];

fn main() -> io::Result<()> {
    let directory = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("data"), PathBuf::from);
    let count: u64 = match std::env::args().nth(2) {
        Some(text) => {
            text.parse().map_err(|_| io::Error::other(format!("not a number of orders: {text:?}")))?
        }
        None => 600_000,
    };
    orders(&directory.join("orders.csv"), count)?;
    numbers(&directory.join("numbers.csv"), count / 3, 40)
}

fn orders(path: &Path, records: u64) -> io::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "order_id,customer,ordered_at,amount,status,note")?;
    for order in 1..=records {
        let (customer, cents): (u32, u32) =
            (random.random_range(1..50_000), random.random_range(100..500_000));
        let (day, second): (u32, u32) = (random.random_range(1..29), random.random_range(0..60));
        let (amount, rest) = (cents / 100, cents % 100);
        let status = ["open", "paid", "shipped", "returned"][random.random_range(0..4)];
        let note = NOTES[random.random_range(0..NOTES.len())];
        writeln!(
            file,
            "{order},customer-{customer:05},2026-03-{day:02}T12:30:{second:02},{amount}.{rest:02},{status},\"{note} ({order})\""
        )?;
    }
    file.flush()
}

fn numbers(path: &Path, records: u64, columns: u64) -> io::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut file = BufWriter::new(File::create(path)?);
    let names: Vec<_> = (1..=columns).map(|column| format!("n{column}")).collect();
    writeln!(file, "{}", names.join(","))?;
    for _ in 0..records {
        for column in 0..columns {
            let end = if column + 1 == columns { "\n" } else { "," };
            let number: u32 = random.random_range(0..1_000_000);
            match column % 2 {
                0 => write!(file, "{number}{end}")?,
                _ => write!(file, "{}.{:04}{end}", number / 10_000, number % 10_000)?,
            }
        }
    }
    file.flush()
}
