//! Dates and times as text, in the formats that SQLite's date functions read.
//!
//! ```text
//! 2024-01-31
//! 18:30:00.250
//! 2024-01-31 18:30:00.250
//! 2024-01-31 18:30:00.250+00:00
//! ```
//!
//! A fraction has 3, 6 or 9 digits, as few as give it back; it is absent if it is zero. Texts of one column therefore sort as
//! the times do.

use crate::batch::{Arena, ArenaVec, Value};
use crate::plan::Type;
use arrow_schema::TimeUnit;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

/// What a number of units means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Temporal {
    /// Days since 1970.
    Date,
    /// Since midnight.
    Time(TimeUnit),
    /// Since 1970, in UTC.
    Timestamp(TimeUnit, Zone),
    Duration(TimeUnit),
}

/// Whether times have a time zone. They are in UTC then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    None,
    Utc,
}

impl Temporal {
    fn units_per_second(self) -> i64 {
        match self {
            Self::Date => 1,
            Self::Time(unit) | Self::Timestamp(unit, _) | Self::Duration(unit) => match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            },
        }
    }

    /// The value of a number of units for a column of type `to`: the number itself, a number of seconds, or a text.
    pub(super) fn value<'a>(self, units: i64, to: Type, arena: &'a Arena) -> Value<'a> {
        match to {
            Type::Integer | Type::ExactNumeric => Value::Integer(units),
            Type::Real => {
                let seconds_per_unit = if matches!(self, Self::Date) { SECONDS_PER_DAY } else { 1 };
                let seconds = units as f64 / self.units_per_second() as f64;
                Value::Real(seconds * seconds_per_unit as f64)
            }
            Type::Text | Type::Blob | Type::NumericAffinity => Value::Text(self.text(units, arena)),
        }
    }

    /// The text of a number of units.
    fn text(self, units: i64, arena: &Arena) -> &[u8] {
        const MAX_BYTES: usize = 48;
        let mut text = arena.vec(MAX_BYTES);
        let per_second = self.units_per_second();
        let (seconds, fraction) = (units.div_euclid(per_second), units.rem_euclid(per_second));
        let nanos = fraction * (1_000_000_000 / per_second);
        match self {
            Self::Date => push_date(units, &mut text),
            Self::Time(_) => push_time(seconds, nanos, &mut text),
            Self::Timestamp(_, zone) => {
                push_date(seconds.div_euclid(SECONDS_PER_DAY), &mut text);
                text.push(b' ');
                push_time(seconds.rem_euclid(SECONDS_PER_DAY), nanos, &mut text);
                if zone == Zone::Utc {
                    text.extend_from_slice_copy(b"+00:00");
                }
            }
            Self::Duration(_) => {
                let units = units.unsigned_abs();
                let per_second = per_second.unsigned_abs();
                let is_negative = seconds < 0;
                text.extend_from_slice_copy(if is_negative { b"-PT" } else { b"PT" });
                push_number((units / per_second).into(), 1, &mut text);
                push_fraction((units % per_second * (1_000_000_000 / per_second)) as i64, &mut text);
                text.push(b'S');
            }
        }
        text.into_bump_slice()
    }
}

/// The text of an interval, as ISO 8601 writes durations: `P14M3DT4.5S`.
pub(super) fn interval_text(months: i32, days: i32, nanos: i64, arena: &Arena) -> &[u8] {
    const NANOS_PER_SECOND: u64 = 1_000_000_000;
    let mut text = String::from("P");
    for (number, unit) in [(months, 'M'), (days, 'D')] {
        if number != 0 {
            text += &format!("{number}{unit}");
        }
    }
    if nanos != 0 || text == "P" {
        let sign = if nanos < 0 { "-" } else { "" };
        let mut fraction = arena.vec(10);
        push_fraction((nanos.unsigned_abs() % NANOS_PER_SECOND) as i64, &mut fraction);
        let seconds = nanos.unsigned_abs() / NANOS_PER_SECOND;
        text += &format!("T{sign}{seconds}{}S", String::from_utf8_lossy(&fraction));
    }
    arena.copy(text.as_bytes())
}

/// A date of the Gregorian calendar. Years outside 0 to 9999 have a sign.
fn push_date(days_since_1970: i64, text: &mut ArenaVec<'_, u8>) {
    // Years are counted from 1 March 0000, in eras of 400 years.
    const DAYS_PER_ERA: i128 = 146_097;
    let days = i128::from(days_since_1970) + 719_468;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i128::from(month <= 2);
    if year < 0 {
        text.push(b'-');
    } else if year > 9_999 {
        text.push(b'+');
    }
    push_number(year.unsigned_abs(), 4, text);
    for number in [month, day] {
        text.push(b'-');
        push_number(number.unsigned_abs(), 2, text);
    }
}

fn push_time(seconds: i64, nanos: i64, text: &mut ArenaVec<'_, u8>) {
    if seconds < 0 {
        text.push(b'-');
    }
    let seconds = u128::from(seconds.unsigned_abs());
    push_number(seconds / 3_600, 2, text);
    for number in [seconds / 60 % 60, seconds % 60] {
        text.push(b':');
        push_number(number, 2, text);
    }
    push_fraction(nanos, text);
}

fn push_fraction(nanos: i64, text: &mut ArenaVec<'_, u8>) {
    let nanos = u128::from(nanos.unsigned_abs());
    let (number, digits) = match nanos {
        0 => return,
        nanos if nanos % 1_000_000 == 0 => (nanos / 1_000_000, 3),
        nanos if nanos % 1_000 == 0 => (nanos / 1_000, 6),
        nanos => (nanos, 9),
    };
    text.push(b'.');
    push_number(number, digits, text);
}

/// Appends a number with at least this many digits.
fn push_number(number: u128, min_digits: usize, text: &mut ArenaVec<'_, u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    text.extend(std::iter::repeat_n(b'0', min_digits.saturating_sub(digits.len())));
    text.extend_from_slice_copy(digits);
}

#[cfg(test)]
mod tests {
    use super::*;
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};

    fn text(temporal: Temporal, units: i64) -> String {
        let arena = Arena::default();
        String::from_utf8_lossy(temporal.text(units, &arena)).into_owned()
    }

    #[test]
    fn dates_are_those_of_sqlite() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let sql = "SELECT date(? * 86400, 'unixepoch')";
        let mut statement = connection.prepare(sql).unwrap();
        // From the year 0 to the year 9999.
        for days in (-719_528..2_932_897).step_by(97).chain([-719_528, 2_932_896, 11_016, 19_782]) {
            let expected: String = statement.query_row([days], |row| row.get(0)).unwrap();
            assert_eq!(text(Temporal::Date, days), expected);
        }
        assert_eq!(text(Temporal::Date, 2_932_897), "+10000-01-01");
        assert_eq!(text(Temporal::Date, -719_529), "-0001-12-31");
    }

    #[test]
    fn fractions_have_as_few_digits_as_give_them_back() {
        let timestamp = |unit| Temporal::Timestamp(unit, Zone::None);
        assert_eq!(text(timestamp(Second), 0), "1970-01-01 00:00:00");
        assert_eq!(text(timestamp(Millisecond), -1), "1969-12-31 23:59:59.999");
        assert_eq!(text(timestamp(Microsecond), 1_500_000), "1970-01-01 00:00:01.500");
        assert_eq!(text(timestamp(Nanosecond), 1_000_001_000), "1970-01-01 00:00:01.000001");
        assert_eq!(text(timestamp(Nanosecond), i64::MIN), "1677-09-21 00:12:43.145224192");
        assert_eq!(text(Temporal::Timestamp(Second, Zone::Utc), 1), "1970-01-01 00:00:01+00:00");
        assert_eq!(text(timestamp(Second), i64::MAX), "+292277026596-12-04 15:30:07");
        assert_eq!(text(Temporal::Time(Microsecond), 3_723_000_001), "01:02:03.000001");
        assert_eq!(text(Temporal::Duration(Millisecond), -1_500), "-PT1.500S");
        assert_eq!(text(Temporal::Duration(Nanosecond), i64::MIN), "-PT9223372036.854775808S");
    }

    #[test]
    fn intervals_are_iso_8601_durations() {
        let arena = Arena::default();
        let text = |months, days, nanos| String::from_utf8_lossy(interval_text(months, days, nanos, &arena));
        assert_eq!(text(14, 0, 0), "P14M");
        assert_eq!(text(0, -1, 2_500_000_000), "P-1DT2.500S");
        assert_eq!(text(0, 0, 0), "PT0S");
        assert_eq!(text(1, 2, -1), "P1M2DT-0.000000001S");
    }
}
