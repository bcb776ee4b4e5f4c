//! Inputs other than plain UTF-8 files: pipes, compressed files, archives, other encodings.

use crate::common::{Running, TestDir, is_drained, rows_of, text};
use rusqlite::types::Value;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// More rows than fit in a buffer.
fn csv() -> String {
    (0..200_000).fold("id,name\n".to_owned(), |csv, row| csv + &format!("{row},\"naïve {row}\"\n"))
}

#[track_caller]
fn assert_holds_all_rows(dir: &TestDir, table: &str) {
    let connection = dir.open("out.db");
    let sql = format!("SELECT count(*), sum(id), sum(name = 'naïve ' || id) FROM \"{table}\"");
    let expected = [200_000, 19_999_900_000, 200_000].map(Value::Integer);
    assert_eq!(rows_of(&connection, &sql), [expected], "{table}");
}

type Compress = fn(&[u8]) -> Vec<u8>;
type BytesOf = fn(&u16) -> [u8; 2];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(bytes).unwrap();
    bzip2.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(bytes).unwrap();
    xz.finish().unwrap()
}

#[test]
fn compression_is_detected_by_content() {
    let csv = csv();
    // Two concatenated members, as written by tools that append.
    let (front, back) = csv.split_at(1_000_000);
    let compress: [(&str, Compress); 4] = [("gz", gzip), ("zst", zstd), ("bz2", bzip2), ("xz", xz)];
    let dir = TestDir::new();
    for (name, compress) in compress {
        for (file, members) in [
            ("one", vec![compress(csv.as_bytes())]),
            ("two", vec![front, back].into_iter().map(|part| compress(part.as_bytes())).collect()),
        ] {
            let file = format!("{file}_{name}.csv");
            dir.write(&file, members.concat());
            dir.run(&["load", &file, "out.db"]).expect_code(0);
            assert_holds_all_rows(&dir, file.trim_end_matches(".csv"));
        }
    }
}

#[test]
fn files_of_pzstd_are_decompressed() {
    let csv = csv();
    // Each frame follows a skippable one, which tells its size.
    let with_size = |part: &[u8]| {
        let frame = zstd(part);
        [&b"\x50\x2a\x4d\x18\x04\0\0\0"[..], &(frame.len() as u32).to_le_bytes(), &frame].concat()
    };
    let file: Vec<u8> = csv.as_bytes().chunks(1_000_000).flat_map(with_size).collect();
    let dir = TestDir::new();
    dir.write("in.csv", &file);
    for jobs in ["1", "2", "5"] {
        dir.run(&["load", "in.csv", "out.db", "--replace", "-j", jobs]).expect_code(0);
        assert_holds_all_rows(&dir, "in");
        let pipe = ["load", "-", "out.db", "-t", "in", "--replace", "-j", jobs];
        load_from(&dir, &pipe, std::fs::File::open(dir.path("in.csv")).unwrap()).wait().expect_code(0);
        assert_holds_all_rows(&dir, "in");
    }
}

/// A zip archive of these files.
fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn zip_members_are_inputs() {
    let csv = csv();
    let (front, back) = csv.split_at(csv.find("100000,").unwrap());
    let back = format!("id,name\n{back}");
    let dir = TestDir::new();
    dir.write("one.csv.zip", zip(&[("a/b.csv", csv.as_bytes())]));
    let two = zip(&[("x.csv", front.as_bytes()), ("__MACOSX/._x.csv", b"\0"), ("y.csv", back.as_bytes())]);
    dir.write("two.zip", &two);
    for (file, table) in [("one.csv.zip", "one"), ("two.zip", "two")] {
        dir.run(&["load", file, "out.db", "--file-column", "from"]).expect_code(0);
        assert_holds_all_rows(&dir, table);
    }
    let connection = dir.open("out.db");
    let from = rows_of(&connection, "SELECT \"from\", count(*) FROM two GROUP BY 1 ORDER BY 1");
    let expected = ["two.zip//x.csv", "two.zip//y.csv"].map(|name| [name.to_owned().into(), 100_000.into()]);
    assert_eq!(from, expected);

    let mut load = load_from(&dir, &["load", "-", "out.db", "-q"], Stdio::piped());
    load.take_stdin().write_all(&two).unwrap();
    load.wait().expect_code(0);
    assert_holds_all_rows(&dir, "stdin");

    let mut damaged = two.clone();
    damaged[two.len() / 4] ^= 1;
    for (name, bytes) in [("cut", &two[..two.len() - 9]), ("damaged", &damaged), ("empty", &zip(&[]))] {
        dir.write("in.csv", bytes);
        let before = dir.snapshot();
        // Damaged data can give a bad record before it is known to be damaged.
        let load = ["load", "in.csv", "bad.db", "--on-error", "skip", "-q"];
        dir.run(&load).expect_code(1).assert_single_message(&["cannot read in.csv"]);
        assert!(dir.snapshot() == before, "{name}");
    }
}

#[test]
fn a_load_does_not_wait_for_the_end_of_a_pipe() {
    let dir = TestDir::new();
    let mut load = load_from(&dir, &["load", "-", "out.db", "-q", "--limit", "3"], Stdio::piped());
    let mut stdin = load.take_stdin();
    // The pipe delivers more than the limit and then stays open: the load must not wait for its end.
    let rows = (0..400_000).fold("a,b\n".to_owned(), |rows, row| rows + &format!("{row},x\n"));
    let _ = stdin.write_all(rows.as_bytes());
    load.wait().expect_code(0);
    drop(stdin);
    let connection = dir.open("out.db");
    assert_eq!(rows_of(&connection, "SELECT count(*), sum(a) FROM stdin"), [[3, 3].map(Value::Integer)]);
}

#[test]
fn an_interrupt_does_not_wait_for_a_pipe() {
    let dir = TestDir::new();
    let mut load = load_from(&dir, &["load", "-", "out.db"], Stdio::piped());
    let mut stdin = load.take_stdin();
    stdin.write_all(b"a,b\n1,2\n").unwrap();
    assert!(load.wait_until(|load| load.handles_interrupts() && is_drained(&stdin)));
    load.signal("INT");
    load.wait().expect_code(130);
    assert!(!dir.path("out.db").exists());
    drop(stdin);
}

#[test]
fn a_glob_pattern_loads_many_inputs() {
    let dir = TestDir::new();
    for number in 0..1_500 {
        dir.write(&format!("part-{number:04}.csv"), format!("n,file\n{number},\"{number}\"\n"));
    }
    dir.run(&["load", "part-*.csv", "out.db", "-t", "parts"]).expect_code(0);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT count(*), sum(n = rowid - 1 AND file = n) FROM parts");
    assert_eq!(rows, [[1_500, 1_500].map(Value::Integer)]);
    dir.run(&["load", "none-*.csv", "out.db"]).expect_code(1).assert_single_message(&["none-*.csv"]);
}

#[test]
fn reads_any_encoding_that_is_named() {
    let dir = TestDir::new();
    let csv = "name,note\ncafé,5 €\n\"a\nb\",\"\"\n";
    let rows = [["café", "5 €"], ["a\nb", ""]].map(|row| row.map(text).to_vec());
    for name in ["windows-1252", "utf-16le", "UTF-8", "macintosh", "gb18030"] {
        let encoding = encoding_rs::Encoding::for_label(name.as_bytes()).unwrap();
        let bytes = match name {
            "utf-16le" => csv.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            _ => encoding.encode(csv).0.into_owned(),
        };
        for bytes in [bytes.clone(), gzip(&bytes)] {
            dir.write("in.csv", bytes);
            dir.run(&["load", "in.csv", "out.db", "--replace", "--encoding", name]).expect_code(0);
            let connection = dir.open("out.db");
            assert_eq!(rows_of(&connection, "SELECT * FROM \"in\""), rows, "{name}");
        }
    }
    dir.run(&["load", "in.csv", "new.db", "--encoding", "klingon"])
        .expect_code(2)
        .assert_single_message(&["klingon"]);
}

#[test]
fn malformed_text_of_any_encoding_is_treated_as_invalid_utf8() {
    let dir = TestDir::new();
    dir.write("sjis.csv", b"a,b\n1,2\n3,\x82\xa0\x81\n4,\x83\x41\n");
    let units = |text: &[u16]| text.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>();
    let start: Vec<u16> = "\u{feff}a,b\n1,2\n3,あ".encode_utf16().collect();
    let end: Vec<u16> = "\n4,ア\n".encode_utf16().collect();
    dir.write("utf16.csv", units(&[&start[..], &[0xd800], &end].concat()));
    for (input, encoding) in [("sjis.csv", &["--encoding", "shift_jis"][..]), ("utf16.csv", &[])] {
        let load = |options: &[&str]| {
            dir.run(
                &[&["load", input, "out.db", "-t", "t", "--replace", "--all-text"], encoding, options]
                    .concat(),
            )
        };
        load(&[]).expect_code(1).assert_single_message(&[
            "line 3 (record 2",
            "field 2",
            "--encoding",
            "--invalid-utf8 replace",
        ]);
        let rows = || rows_of(&dir.open("out.db"), "SELECT a, b FROM t");
        let expected = |rows: &[[&str; 2]]| -> Vec<Vec<Value>> {
            rows.iter().map(|row| row.map(text).to_vec()).collect()
        };
        load(&["--on-error", "skip", "--rejects", "bad.csv"]).expect_code(3);
        assert_eq!(rows(), expected(&[["1", "2"], ["4", "ア"]]), "{input}");
        let loaded = load(&["--invalid-utf8", "replace"]).expect_code(0);
        assert_eq!(rows(), expected(&[["1", "2"], ["3", "あ\u{fffd}"], ["4", "ア"]]), "{input}");
        assert!(loaded.stderr.contains("replaced with U+FFFD"), "{}", loaded.stderr);
    }
}

#[test]
fn a_truncated_or_damaged_compressed_file_is_an_error() {
    let csv = csv();
    let dir = TestDir::new();
    for (name, packed) in [
        ("gz", gzip(csv.as_bytes())),
        ("zst", zstd(csv.as_bytes())),
        ("bz2", bzip2(csv.as_bytes())),
        ("xz", xz(csv.as_bytes())),
    ] {
        let mut damaged = packed.clone();
        for byte in &mut damaged[packed.len() / 2..][..64] {
            *byte ^= 0x5a;
        }
        for bytes in [&packed[..packed.len() - 5], &packed[..packed.len() / 2], &damaged] {
            dir.write("in.csv", bytes);
            let before = dir.snapshot();
            dir.run(&["load", "in.csv", "out.db"])
                .expect_code(1)
                .assert_single_message(&["cannot read in.csv", "damaged or incomplete"]);
            assert!(dir.snapshot() == before, "{name}");
        }
    }
}

/// Starts the program with this standard input.
fn load_from(dir: &TestDir, arguments: &[&str], stdin: impl Into<Stdio>) -> Running {
    Running::start_with_stdin(dir.command(arguments), stdin)
}

#[test]
fn stdin_may_be_a_pipe_or_a_file() {
    let csv = csv();
    let dir = TestDir::new();
    for (packed, table) in [(csv.as_bytes().to_vec(), "stdin"), (gzip(csv.as_bytes()), "packed")] {
        let mut load = load_from(&dir, &["load", "-", "out.db", "-t", table, "-q"], Stdio::piped());
        load.take_stdin().write_all(&packed).unwrap();
        load.wait().expect_code(0);
        assert_holds_all_rows(&dir, table);
    }
    dir.write("in.csv", &csv);
    let file = std::fs::File::open(dir.path("in.csv")).unwrap();
    load_from(&dir, &["load", "-", "out.db", "-q", "--replace"], file).wait().expect_code(0);
    assert_holds_all_rows(&dir, "stdin");
    // A file whose first line has already been read.
    dir.write("read.csv", format!("a line before\n{csv}"));
    let mut file = std::fs::File::open(dir.path("read.csv")).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(14)).unwrap();
    load_from(&dir, &["load", "-", "out.db", "-q", "--replace"], file).wait().expect_code(0);
    assert_holds_all_rows(&dir, "stdin");
}

#[test]
fn a_pipe_is_read_once_even_if_a_type_changes_late() {
    let dir = TestDir::new();
    let csv = format!("a\n{}007\n", "1\n".repeat(1_000_000));
    let mut load = load_from(&dir, &["load", "-", "out.db", "-q"], Stdio::piped());
    load.take_stdin().write_all(csv.as_bytes()).unwrap();
    load.wait().expect_code(0);
    let connection = dir.open("out.db");
    let rows = rows_of(&connection, "SELECT count(*), max(rowid), max(a = '007'), max(typeof(a)) FROM stdin");
    let expected = [1_000_001.into(), 1_000_001.into(), 1.into(), text("text")];
    assert_eq!(rows, [expected]);
}

#[test]
fn a_fifo_is_read_to_its_end() {
    let dir = TestDir::new();
    let fifo = dir.path("in.csv");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let writer = std::thread::spawn(move || std::fs::write(fifo, csv()).unwrap());
    dir.run(&["load", "in.csv", "out.db"]).expect_code(0);
    writer.join().unwrap();
    assert_holds_all_rows(&dir, "in");
}

#[test]
fn utf_16_is_detected_by_its_byte_order_mark() {
    let csv = csv();
    let units: Vec<u16> = format!("\u{feff}{csv}").encode_utf16().collect();
    let dir = TestDir::new();
    let bytes: [(&str, BytesOf); 2] = [("le", |unit| unit.to_le_bytes()), ("be", |unit| unit.to_be_bytes())];
    for (name, bytes) in bytes {
        let text: Vec<u8> = units.iter().flat_map(bytes).collect();
        for (file, content) in
            [(format!("{name}.csv"), text.clone()), (format!("{name}_gz.csv"), gzip(&text))]
        {
            dir.write(&file, content);
            dir.run(&["load", &file, "out.db"]).expect_code(0);
            assert_holds_all_rows(&dir, Path::new(&file).file_stem().unwrap().to_str().unwrap());
        }
        // Half a code unit, a lone high surrogate, and a lone low surrogate.
        for rest in [&[0x61][..], &bytes(&0xd800), &[bytes(&0xdc00), bytes(&0x61)].concat()] {
            let fields: Vec<u8> = "1,".encode_utf16().flat_map(|unit| bytes(&unit)).collect();
            dir.write("bad.csv", [text.as_slice(), &fields, rest].concat());
            dir.run(&["load", "bad.csv", "bad.db"])
                .expect_code(1)
                .assert_single_message(&["bad.csv", "--encoding"]);
        }
    }
}

#[test]
fn utf_16_without_a_byte_order_mark_is_an_error_that_names_the_encoding() {
    let csv = "id\tname\r\n1\tJosé\r\n2\tЮля\r\n";
    let encoded = [
        ("utf-16le", csv.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        ("utf-16be", csv.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    for (encoding, bytes) in encoded {
        let dir = TestDir::new();
        dir.write("in.csv", bytes);
        let load = ["load", "in.csv", "out.db", "-t", "t"];
        let advice = format!("use --encoding {encoding}");
        dir.run(&load).expect_code(1).assert_single_message(&["UTF-16 without a byte order mark", &advice]);
        dir.run(&[&load[..], &["--encoding", encoding]].concat()).expect_code(0);
        let rows = rows_of(&dir.open("out.db"), "SELECT name FROM t");
        assert_eq!(rows, [[text("José")], [text("Юля")]]);
    }
}
