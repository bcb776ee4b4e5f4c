//! Inputs that are not CSV.

use crate::common::{TestDir, assert_contains, rows_of, text};
use std::io::Write;

/// Asserts that `load` refuses the input with a message that contains all `parts`, and that no database is created.
#[track_caller]
fn assert_refused(name: &str, bytes: &[u8], parts: &[&str]) {
    let dir = TestDir::new();
    dir.write(name, bytes);
    let outcome = dir.run(&["load", name, "out.db"]).expect_code(1);
    outcome.assert_single_message(&[parts, &["--force"]].concat());
    assert_eq!(dir.file_names(), [name]);
}

#[test]
fn inputs_in_another_format_are_refused_with_advice() {
    let cases: [(&str, &[u8], [&str; 2]); 13] = [
        ("p.parquet", b"PAR1\x15\x04\nabc\nPAR1", ["Parquet", "DuckDB"]),
        ("h.csv", b"<!DOCTYPE html>\n<html><body>404</body></html>\n", ["HTML", "error page"]),
        ("j.json", b"[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]", ["JSON", "jq"]),
        ("j.jsonl", b"[1,2]\n[3,4]\n", ["JSON Lines", "jq -r @csv"]),
        ("j.json", b"{\"a\":1}{\"a\":2}{\"a\":3}", ["one valid object on each line", "jq -c ."]),
        ("nan.json", b"{\"a\":NaN}\n{\"a\":1}\n", ["one valid object on each line", "jq -c ."]),
        ("j.seq", b"\x1e{\"a\":1}\n\x1e{\"a\":2}\n", ["record separator", "tr -d '\\036'"]),
        ("u.csv", b"\xff\xfe\0\0a\0\0\0,\0\0\0b\0\0\0", ["UTF-32", "iconv"]),
        ("u.csv", b"\0\0\0a\0\0\0,\0\0\0b\0\0\0\n", ["UTF-32", "iconv"]),
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\n1,2\n", ["Excel", "as CSV"]),
        (
            "lfs.csv",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\n",
            ["Git LFS", "git lfs pull"],
        ),
        ("a.xml", b"<?xml version=\"1.0\"?>\n<a>1</a>\n", ["XML", "convert"]),
        ("a.pdf", b"%PDF-1.4\n1 0 obj\n", ["PDF", "convert"]),
    ];
    // With this feature, it is a broken Parquet file.
    let is_refused = |name: &str| !cfg!(feature = "parquet") || name != "p.parquet";
    for (name, bytes, parts) in cases.into_iter().filter(|(name, ..)| is_refused(name)) {
        assert_refused(name, bytes, &[&[name][..], &parts].concat());
    }
}

#[test]
fn a_database_as_input_is_refused() {
    let dir = TestDir::new();
    dir.open("in.db").execute_batch("CREATE TABLE t (a)").unwrap();
    assert_refused("in.db", &dir.read("in.db"), &["in.db", "SQLite database"]);
}

#[test]
fn workbooks_are_refused_although_they_are_zip_archives() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in ["[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"<?xml version=\"1.0\"?><x/>").unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    assert_refused("book.xlsx", &bytes, &["book.xlsx is an Excel workbook", "save its sheet as CSV"]);
    assert_refused("report.csv", &bytes, &["report.csv is an Excel workbook"]);
}

/// A tar archive with a file of one line.
fn tar() -> Vec<u8> {
    let mut archive = vec![0; 2_048];
    archive[..8].copy_from_slice(b"word.txt");
    archive[124..135].copy_from_slice(b"00000000005");
    archive[257..263].copy_from_slice(b"ustar\0");
    archive[148..156].fill(b' ');
    let sum: u32 = archive[..512].iter().copied().map(u32::from).sum();
    archive[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    archive[512..517].copy_from_slice(b"word\n");
    archive
}

#[test]
fn the_content_of_compressed_inputs_is_recognized() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar()).unwrap();
    let compressed = gzip.finish().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&compressed).unwrap();
    assert_refused("w.csv.gz", &gzip.finish().unwrap(), &["gzip data inside another compressed file"]);
}

#[test]
fn pipelines_and_standard_input_are_recognized_too() {
    let dir = TestDir::with_input("[{\"first_name\": \"Ada\"}]\n");
    dir.assert_load_fails(&[], &["people.csv is a JSON document"]);
    let mut load = dir.command(&["load", "-", "out.db"]);
    load.stdin(std::fs::File::open(dir.path("people.csv")).unwrap());
    let stderr = String::from_utf8(load.output().unwrap().stderr).unwrap();
    assert_contains(&stderr, ["- is a JSON document"]);
}

#[test]
fn another_format_is_loaded_by_force() {
    let dir = TestDir::new();
    dir.write("in.csv", "[1]\n[2]\n");
    dir.run(&["load", "in.csv", "out.db", "-t", "t", "--force"]).expect_code(0);
    assert_eq!(rows_of(&dir.open("out.db"), "SELECT \"[1]\" FROM t"), [[text("[2]")]]);
}

#[test]
fn a_url_is_refused_with_a_command_that_reads_it() {
    let dir = TestDir::new();
    let cases = [
        ("https://example.org/data.csv", "curl -fsS https://example.org/data.csv | sqload load -"),
        ("https://example.org/?a=b&c=*", "curl -fsS 'https://example.org/?a=b&c=*' | sqload load -"),
        ("s3://b/k.csv", "aws s3 cp 's3://b/k.csv' - | sqload load -"),
    ];
    for (url, advice) in cases {
        dir.run(&["load", url, "out.db"]).expect_code(1).assert_single_message(&[url, advice]);
    }
    assert!(dir.file_names().is_empty());
}
