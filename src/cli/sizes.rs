//! Sizes and durations in arguments.

use std::time::Duration;

/// The suffixes of sizes, in upper case, and their bytes. As in most tools, `M` is short for `MiB`.
const SIZES: [(&str, u64); 14] = [
    ("B", 1),
    ("K", 1 << 10),
    ("KIB", 1 << 10),
    ("KB", 1_000),
    ("M", 1 << 20),
    ("MIB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GIB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
    ("TIB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("BYTES", 1),
];

/// The suffixes of durations, in upper case, and their seconds.
const DURATIONS: [(&str, f64); 4] = [("", 1.0), ("MS", 0.001), ("S", 1.0), ("M", 60.0)];

/// A number, and its suffix in upper case.
fn split(text: &str) -> (&str, String) {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    (number, suffix.trim().to_uppercase())
}

/// Parses a size such as `4096`, `64M` or `1.5GiB`, in bytes. A number without suffix counts `unit` bytes.
///
/// # Errors
/// What is expected instead.
pub(super) fn parse_size(text: &str, unit: u64) -> Result<u64, String> {
    let expected = || "expected a size, such as 4096, 64K, 64M or 1GiB".to_owned();
    let (number, suffix) = split(text);
    let known = SIZES.iter().find(|(name, _)| *name == suffix).map(|(_, bytes)| *bytes);
    let factor = if suffix.is_empty() { unit } else { known.ok_or_else(expected)? };
    match number.parse::<u64>() {
        Ok(number) => number.checked_mul(factor).ok_or_else(|| "this size is too large".to_owned()),
        Err(_) => match number.parse::<f64>().map(|number| number * factor as f64) {
            Ok(bytes) if bytes < u64::MAX as f64 => Ok(bytes as u64),
            _ => Err(expected()),
        },
    }
}

/// Parses a duration such as `5`, `0.5`, `500ms` or `2m`, in seconds without suffix.
///
/// # Errors
/// What is expected instead.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a duration, such as 5, 0.5, 500ms or 2m".to_owned();
    let (number, suffix) = split(text);
    let (_, seconds) = DURATIONS.iter().find(|(name, _)| *name == suffix).ok_or_else(expected)?;
    let number: f64 = number.parse().map_err(|_| expected())?;
    // SQLite counts milliseconds in 32 bits.
    const MAX_SECONDS: f64 = 2_000_000.0;
    match number * seconds {
        seconds if seconds <= MAX_SECONDS => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("expected at most {MAX_SECONDS} seconds")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        let cases = [
            ("0", 1, Some(0)),
            ("4096", 1, Some(4096)),
            ("64", 1 << 20, Some(64 << 20)),
            ("64M", 1 << 10, Some(64 << 20)),
            ("64m", 1, Some(64 << 20)),
            ("64MB", 1, Some(64_000_000)),
            ("1GiB", 1 << 20, Some(1 << 30)),
            ("1 gib", 1, Some(1 << 30)),
            ("1.5K", 1, Some(1536)),
            ("10B", 1 << 20, Some(10)),
            ("18446744073709551615", 1, Some(u64::MAX)),
            ("18446744073709551615", 2, None),
            ("99999999999T", 1, None),
            ("", 1, None),
            ("M", 1, None),
            ("-1", 1, None),
            ("1X", 1, None),
            ("1.2.3", 1, None),
            ("inf", 1, None),
        ];
        for (text, unit, expected) in cases {
            assert_eq!(parse_size(text, unit).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations_have_suffixes() {
        let cases = [("5", 5_000), ("0", 0), ("0.5", 500), ("250ms", 250), ("2s", 2_000), ("1m", 60_000)];
        for (text, millis) in cases {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1", "1h", "99999999", "nan"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
