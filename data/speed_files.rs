//! Creates the input files of the speed measurements: `cargo run --release --example speed_files -- DIRECTORY [ORDERS [USERS]]`.
//!
//! | file | records | size | content |
//! |---|---|---|---|
//! | `orders.csv` | 600 000 | 59 MB | numbers, and quoted notes that contain quotes, delimiters and line ends |
//! | `numbers.csv` | 200 000 | 59 MB | 40 columns of INTEGER and REAL |
//! | `users.csv` | USERS | 12 bytes each | an area of six digits, an age, and 0 or 1; only if USERS is given |
//!
//! ORDERS is another number of orders; the numbers are a third as many. The files are the same in every run. Another input,
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
    let count = |argument| {
        let text = std::env::args().nth(argument);
        let number =
            text.map(|text| text.parse::<u64>().map_err(|_| format!("not a number of records: {text:?}")));
        number.transpose().map_err(io::Error::other)
    };
    let (order_count, user_count) = (count(2)?.unwrap_or(600_000), count(3)?);
    orders(&directory.join("orders.csv"), order_count)?;
    numbers(&directory.join("numbers.csv"), order_count / 3, 40)?;
    user_count.map_or(Ok(()), |count| users(&directory.join("users.csv"), count))
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

fn users(path: &Path, records: u64) -> io::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(file, "area,age,active")?;
    for _ in 0..records {
        let number: u64 = random.random_range(0..1_000_000 * 90 * 2);
        let (area, age, is_active) = (number / 180, 10 + number / 2 % 90, number % 2);
        let mut line = *b"000000,00,0\n";
        put_digits(&mut line[..6], area);
        put_digits(&mut line[7..9], age);
        put_digits(&mut line[10..11], is_active);
        file.write_all(&line)?;
    }
    file.flush()
}

/// Fills `to` with the last digits of a number.
fn put_digits(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
