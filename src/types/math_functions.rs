//! SQL's mathematical functions (<https://sqlite.org/lang_mathfunc.html>), for builds of SQLite that lack them.
//!
//! SQLite has these functions only if it was compiled with `SQLITE_ENABLE_MATH_FUNCTIONS`. The implementations here follow
//! `func.c` of SQLite and call the same functions of the C library, so the results are identical.
//!
//! This needs `unsafe`: no safe wrapper gives access to `sqlite3_value_numeric_type`, which decides whether an argument is
//! a number. The callback touches only the context and the arguments that SQLite passes to it, and only during the call.

use rusqlite::{Connection, Result, ffi};
use std::f64::consts::PI;
use std::ffi::{CStr, c_int};

/// How a function computes its result. The result is NULL if an argument is not a number, or if it is out of domain.
#[derive(Clone, Copy)]
enum MathFunction {
    Constant(f64),
    Unary(extern "C" fn(f64) -> f64),
    Binary(extern "C" fn(f64, f64) -> f64),
    /// Returns an INTEGER unchanged, and applies the function to a REAL.
    Rounding(extern "C" fn(f64) -> f64),
    /// The argument must be positive.
    Logarithm(extern "C" fn(f64) -> f64),
    /// `log(B, X)`, the logarithm of X to the base B.
    LogarithmToBase,
}

/// The functions of the C library that SQLite uses (C99, section 7.12). Several of those in the standard library of Rust are
/// implemented differently, and round differently.
mod libm {
    // SAFETY: These are the declarations of C99. The functions have no preconditions.
    unsafe extern "C" {
        pub(super) safe fn acos(x: f64) -> f64;
        pub(super) safe fn acosh(x: f64) -> f64;
        pub(super) safe fn asin(x: f64) -> f64;
        pub(super) safe fn asinh(x: f64) -> f64;
        pub(super) safe fn atan(x: f64) -> f64;
        pub(super) safe fn atan2(y: f64, x: f64) -> f64;
        pub(super) safe fn atanh(x: f64) -> f64;
        pub(super) safe fn ceil(x: f64) -> f64;
        pub(super) safe fn cos(x: f64) -> f64;
        pub(super) safe fn cosh(x: f64) -> f64;
        pub(super) safe fn exp(x: f64) -> f64;
        pub(super) safe fn floor(x: f64) -> f64;
        pub(super) safe fn fmod(x: f64, y: f64) -> f64;
        pub(super) safe fn log(x: f64) -> f64;
        pub(super) safe fn log10(x: f64) -> f64;
        pub(super) safe fn log2(x: f64) -> f64;
        pub(super) safe fn pow(x: f64, y: f64) -> f64;
        pub(super) safe fn sin(x: f64) -> f64;
        pub(super) safe fn sinh(x: f64) -> f64;
        pub(super) safe fn sqrt(x: f64) -> f64;
        pub(super) safe fn tan(x: f64) -> f64;
        pub(super) safe fn tanh(x: f64) -> f64;
        pub(super) safe fn trunc(x: f64) -> f64;
    }
}

extern "C" fn degrees(radians: f64) -> f64 {
    radians * (180.0 / PI)
}

extern "C" fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

/// The functions by name, with their number of arguments.
static FUNCTIONS: [(&CStr, c_int, MathFunction); 30] = [
    (c"acos", 1, MathFunction::Unary(libm::acos)),
    (c"acosh", 1, MathFunction::Unary(libm::acosh)),
    (c"asin", 1, MathFunction::Unary(libm::asin)),
    (c"asinh", 1, MathFunction::Unary(libm::asinh)),
    (c"atan", 1, MathFunction::Unary(libm::atan)),
    (c"atan2", 2, MathFunction::Binary(libm::atan2)),
    (c"atanh", 1, MathFunction::Unary(libm::atanh)),
    (c"ceil", 1, MathFunction::Rounding(libm::ceil)),
    (c"ceiling", 1, MathFunction::Rounding(libm::ceil)),
    (c"cos", 1, MathFunction::Unary(libm::cos)),
    (c"cosh", 1, MathFunction::Unary(libm::cosh)),
    (c"degrees", 1, MathFunction::Unary(degrees)),
    (c"exp", 1, MathFunction::Unary(libm::exp)),
    (c"floor", 1, MathFunction::Rounding(libm::floor)),
    (c"ln", 1, MathFunction::Logarithm(libm::log)),
    (c"log", 1, MathFunction::Logarithm(libm::log10)),
    (c"log", 2, MathFunction::LogarithmToBase),
    (c"log10", 1, MathFunction::Logarithm(libm::log10)),
    (c"log2", 1, MathFunction::Logarithm(libm::log2)),
    (c"mod", 2, MathFunction::Binary(libm::fmod)),
    (c"pi", 0, MathFunction::Constant(PI)),
    (c"pow", 2, MathFunction::Binary(libm::pow)),
    (c"power", 2, MathFunction::Binary(libm::pow)),
    (c"radians", 1, MathFunction::Unary(radians)),
    (c"sin", 1, MathFunction::Unary(libm::sin)),
    (c"sinh", 1, MathFunction::Unary(libm::sinh)),
    (c"sqrt", 1, MathFunction::Unary(libm::sqrt)),
    (c"tan", 1, MathFunction::Unary(libm::tan)),
    (c"tanh", 1, MathFunction::Unary(libm::tanh)),
    (c"trunc", 1, MathFunction::Rounding(libm::trunc)),
];

/// Registers the mathematical functions on `connection`, unless SQLite was compiled with them.
///
/// # Errors
/// If SQLite runs out of memory.
pub(crate) fn register_math_functions(connection: &Connection) -> Result<()> {
    // SAFETY: The argument is a C string.
    if unsafe { ffi::sqlite3_compileoption_used(c"ENABLE_MATH_FUNCTIONS".as_ptr()) } != 0 {
        return Ok(());
    }
    let mut functions = FUNCTIONS.iter();
    functions.try_for_each(|(name, arguments, function)| register(connection, name, *arguments, function))
}

/// Registers a function, with the flags of SQLite's built-in ones.
fn register(
    connection: &Connection,
    name: &CStr,
    arguments: c_int,
    function: &'static MathFunction,
) -> Result<()> {
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
    // SAFETY: The connection is open, `name` is a C string, and `call` gets the user data that it expects, which is static.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            arguments,
            flags,
            std::ptr::from_ref(function).cast_mut().cast(),
            Some(call),
            None,
            None,
            None,
        )
    };
    match code {
        ffi::SQLITE_OK => Ok(()),
        code => Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)),
    }
}

/// Calls the function that is the user data.
///
/// # Safety
/// The user data must be a `&'static MathFunction`, and the number of arguments the one in [`FUNCTIONS`].
unsafe extern "C" fn call(
    context: *mut ffi::sqlite3_context,
    _: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) {
    // SAFETY: By the contract of this function.
    let function = unsafe { &*ffi::sqlite3_user_data(context).cast::<MathFunction>() };
    // SAFETY: Only arguments that the function has are read below, and SQLite keeps them until the call ends.
    let argument = |index: usize| Argument(unsafe { *arguments.add(index) });
    let result = match function {
        MathFunction::Constant(constant) => Some(*constant),
        MathFunction::Unary(function) => argument(0).real_if_number().map(|x| function(x)),
        MathFunction::Binary(function) => {
            let numbers = argument(0).real_if_number().zip(argument(1).real_if_number());
            numbers.map(|(x, y)| function(x, y))
        }
        MathFunction::Rounding(function) => match argument(0).numeric_type() {
            ffi::SQLITE_INTEGER => {
                // SAFETY: The context is valid during the call.
                return unsafe { ffi::sqlite3_result_int64(context, argument(0).integer()) };
            }
            _ => argument(0).real_if_number().map(|x| function(x)),
        },
        MathFunction::Logarithm(function) => {
            argument(0).real_if_number().filter(|x| *x > 0.0).map(|x| function(x))
        }
        MathFunction::LogarithmToBase => log_to_base(&argument(0), &argument(1)),
    };
    if let Some(result) = result {
        // SAFETY: The context is valid during the call. SQLite turns NaN into NULL.
        unsafe { ffi::sqlite3_result_double(context, result) }
    }
}

/// Follows SQLite's `logFunc`, which does not check the type of the second argument.
fn log_to_base(base: &Argument, x: &Argument) -> Option<f64> {
    let log_of_base = libm::log(base.real_if_number().filter(|base| *base > 0.0)?);
    if log_of_base <= 0.0 || x.real() <= 0.0 {
        return None;
    }
    Some(libm::log(x.real()) / log_of_base)
}

/// An argument of the function that SQLite is calling.
struct Argument(*mut ffi::sqlite3_value);

impl Argument {
    /// The storage class, that of the number if the argument is a text that is one.
    fn numeric_type(&self) -> c_int {
        // SAFETY: The argument is valid and belongs to the call.
        unsafe { ffi::sqlite3_value_numeric_type(self.0) }
    }

    fn integer(&self) -> i64 {
        // SAFETY: As above.
        unsafe { ffi::sqlite3_value_int64(self.0) }
    }

    fn real(&self) -> f64 {
        // SAFETY: As above.
        unsafe { ffi::sqlite3_value_double(self.0) }
    }

    /// The number as a REAL; `None` for NULL, a BLOB, or a text that is not a number.
    fn real_if_number(&self) -> Option<f64> {
        matches!(self.numeric_type(), ffi::SQLITE_INTEGER | ffi::SQLITE_FLOAT).then(|| self.real())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::types::Value;

    /// Values of all storage classes, at and around the limits of the domains.
    fn values() -> Vec<Value> {
        let integers = [0, 1, -1, 2, 3, 10, 64, 100, -7, 9_007_199_254_740_993, i64::MAX, i64::MIN];
        let reals = [
            0.0,
            -0.0,
            0.1,
            0.5,
            -0.5,
            1.0,
            -1.0,
            1.5,
            -1.5,
            2.5,
            1e-3,
            1e-300,
            5e-324,
            1e15,
            1e300,
            PI,
            -PI / 2.0,
            std::f64::consts::E,
            709.9,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let texts = [
            "",
            " ",
            "abc",
            "1",
            "-1",
            " 2 ",
            "2.5",
            "-.5",
            "1e3",
            "5.",
            "0x10",
            "3abc",
            "1e400",
            "-0",
            "inf",
            "9223372036854775808",
            "9007199254740993",
            "0.12345678901234567890",
            "0.99999999999999999",
        ];
        let blobs = [&b""[..], b"1", b"2.5", b"abc"];
        std::iter::once(Value::Null)
            .chain(integers.map(Value::Integer))
            .chain(reals.map(Value::Real))
            .chain(texts.map(|text| Value::Text(text.to_owned())))
            .chain(blobs.map(|blob| Value::Blob(blob.to_vec())))
            .collect()
    }

    fn evaluate(connection: &Connection, sql: &str, arguments: &[&Value]) -> Value {
        let mut statement = connection.prepare_cached(sql).unwrap();
        statement.query_row(rusqlite::params_from_iter(arguments), |row| row.get(0)).unwrap()
    }

    /// The storage class and all bits, which tell the two zeros apart.
    fn bits(value: &Value) -> (rusqlite::types::Type, Option<u64>) {
        let bits = match value {
            Value::Integer(integer) => Some(integer.cast_unsigned()),
            Value::Real(real) => Some(real.to_bits()),
            _ => None,
        };
        (value.data_type(), bits)
    }

    #[test]
    fn functions_return_what_the_built_in_ones_do() {
        let connection = Connection::open_in_memory().unwrap();
        register_math_functions(&connection).unwrap();
        let values = values();
        let ones: Vec<_> = values.iter().map(|value| vec![value]).collect();
        let twos: Vec<_> = values.iter().flat_map(|x| values.iter().map(move |y| vec![x, y])).collect();
        for (name, arguments, function) in &FUNCTIONS {
            let name = name.to_str().unwrap();
            let ours = std::ffi::CString::new(format!("our_{name}")).unwrap();
            register(&connection, &ours, *arguments, function).unwrap();
            let (parameters, all) = match arguments {
                0 => ("", &vec![Vec::new()]),
                1 => ("?1", &ones),
                _ => ("?1, ?2", &twos),
            };
            for arguments in all {
                let built_in = evaluate(&connection, &format!("SELECT {name}({parameters})"), arguments);
                let our = evaluate(&connection, &format!("SELECT our_{name}({parameters})"), arguments);
                assert_eq!(bits(&our), bits(&built_in), "{name}{arguments:?}: {our:?}, not {built_in:?}");
            }
        }
    }

    #[test]
    fn functions_can_be_used_in_a_schema() {
        let connection = Connection::open_in_memory().unwrap();
        for (name, arguments, function) in FUNCTIONS.iter().filter(|(_, arguments, _)| *arguments == 1) {
            register(&connection, name, *arguments, function).unwrap();
        }
        let sql =
            "CREATE TABLE t (a CHECK (sqrt(a) < 3), b AS (floor(a)) STORED); CREATE INDEX i ON t (exp(a));
            INSERT INTO t VALUES (7.5)";
        connection.execute_batch(sql).unwrap();
        assert_eq!(evaluate(&connection, "SELECT b FROM t", &[]), Value::Real(7.0));
        connection.execute_batch("INSERT INTO t VALUES (9)").unwrap_err();
    }
}
