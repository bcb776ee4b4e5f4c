//! Archives: their members are inputs, in any compression, unless they are no data.

use crate::common::{TestDir, rows_of, text};
use rusqlite::types::Value;
use std::io::Write;
use std::process::Command;

/// Files as an archive might have them.
const FILES: [(&str, &str); 8] = [
    ("a.csv", "id,name\n1,a\n2,b\n"),
    ("sub/", ""),
    ("sub/b.csv", "id,name\n9,z\n"),
    ("__MACOSX/._a.csv", "\0\u{5}Mac OS X"),
    (".DS_Store", "\0Bud1"),
    ("sub/ReadMe.txt", "hello, this is it\n"),
    ("empty.csv", ""),
    ("notes.md", "id,name\n8,n\n"),
];

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, content) in files {
        match name.strip_suffix('/') {
            Some(folder) => zip.add_directory(folder, options).unwrap(),
            None => zip.start_file(*name, options).unwrap(),
        }
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        if name.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        tar.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// The archive in each format, with the name of its file.
fn archives(files: &[(&str, &str)]) -> Vec<(&'static str, Vec<u8>)> {
    let tar = tar(files);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&tar).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&tar).unwrap();
    vec![
        ("in.zip", zip(files)),
        ("in.tar.gz", gzip(&tar)),
        ("in.tar.zst", zstd::encode_all(&tar[..], 0).unwrap()),
        ("in.tar.bz2", bzip2.finish().unwrap()),
        ("in.tar.xz", xz.finish().unwrap()),
        ("in.tar", tar),
    ]
}

/// Small members stay in memory as long as there is room, others are unpacked twice: 40 MB are more than there is room for.
#[test]
fn small_members_are_read_once_or_twice_with_the_same_result() {
    let dir = TestDir::new();
    let csv = |member: usize| {
        format!(
            "member,text\n{member},first\n{}{member},last\n",
            format!("{member},{}\n", "x".repeat(990)).repeat(100)
        )
    };
    let members: Vec<_> = (0..400).map(|member| (format!("{member:03}.csv"), csv(member))).collect();
    let members: Vec<_> = members.iter().map(|(name, csv)| (name.as_str(), csv.as_str())).collect();
    dir.write("in.zip", zip(&members));
    dir.run(&["load", "in.zip", "out.db", "-t", "t"]).expect_code(0);
    let database = dir.open("out.db");
    let sql = "SELECT count(*), sum(member = (rowid - 1) / 102 AND text = CASE (rowid - 1) % 102
        WHEN 0 THEN 'first' WHEN 101 THEN 'last' ELSE replace(hex(zeroblob(495)), '0', 'x') END) FROM t";
    assert_eq!(rows_of(&database, sql), [[40_800, 40_800].map(Value::Integer)]);
}

#[test]
fn members_that_are_no_data_are_skipped_with_a_note() {
    for (name, archive) in archives(&FILES) {
        let dir = TestDir::new();
        dir.write(name, archive);
        let outcome = dir.run(&["load", name, "out.db"]).expect_code(0);
        let note = format!(
            "{name}: skipped 5 members: \"sub/\", \"__MACOSX/._a.csv\", \".DS_Store\", \"sub/ReadMe.txt\", \
             \"empty.csv\"; {name}//NAME selects one"
        );
        assert!(outcome.stderr.contains(&note), "{outcome:?}");
        // The default name of the table is that of the archive.
        assert_eq!(
            rows_of(&dir.open("out.db"), "SELECT name FROM \"in\""),
            ["a", "b", "z", "n"].map(|name| [text(name)])
        );
    }
}

#[test]
fn members_are_selected_by_name_or_pattern() {
    for (name, archive) in archives(&FILES) {
        let dir = TestDir::new();
        dir.write(name, &archive);
        let names = |selections: &[&str], options: &[&str]| {
            let inputs: Vec<_> = selections.iter().map(|selection| format!("{name}//{selection}")).collect();
            let inputs: Vec<_> = inputs.iter().map(String::as_str).collect();
            let outcome =
                dir.run(&[&["load"], &inputs[..], &["out.db", "--replace"], options].concat()).expect_code(0);
            assert!(!outcome.stderr.contains("skipped"), "{outcome:?}");
            let table = rows_of(&dir.open("out.db"), "SELECT name FROM sqlite_schema");
            let rows = format!("SELECT group_concat(name, '') FROM {:?}", text_of(&table[0][0]));
            let rows = text_of(&rows_of(&dir.open("out.db"), &rows)[0][0]);
            std::fs::remove_file(dir.path("out.db")).unwrap();
            (text_of(&table[0][0]), rows)
        };
        let found = |table: &str, rows: &str| (table.to_owned(), rows.to_owned());
        assert_eq!(names(&["a.csv"], &[]), found("a", "ab"));
        assert_eq!(names(&["sub/b.csv", "a.csv"], &[]), found("b", "zab"));
        assert_eq!(names(&["b.csv"], &["-t", "t"]), found("t", "z"));
        assert_eq!(names(&["[ab].csv"], &[]), found("in", "abz"));
        dir.run(&["load", &format!("{name}//c.csv"), "out.db"]).expect_code(1).assert_single_message(&[
            &format!("cannot read {name}//c.csv"),
            "no file in the archive matches \"c.csv\"; it contains \"a.csv\", \"sub/b.csv\"",
        ]);
        // Patterns for archives and for members.
        dir.run(&["load", "i*.*//a*.csv", "all.db", "-t", "t"]).expect_code(0);
        assert_eq!(
            rows_of(&dir.open("all.db"), "SELECT count(*) FROM t"),
            [[rusqlite::types::Value::Integer(2)]]
        );
    }
}

fn text_of(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_is_a_table_per_member() {
    let feed = [
        ("stops.txt", "stop_id,name\n1,Main\n"),
        ("feed/routes.txt", "route_id\nR1\n"),
        ("feed/stops.txt", "x\n1.5\n"),
    ];
    for (name, archive) in archives(&feed) {
        let dir = TestDir::new();
        dir.write(name, archive);
        let outcome =
            dir.run(&["load", "--table-per-input", name, "out.db", "--file-column", "f"]).expect_code(0);
        let database = dir.open("out.db");
        let sql = "SELECT name || sql FROM sqlite_schema ORDER BY name";
        let expected = [
            "routesCREATE TABLE \"routes\" (\"route_id\" TEXT, \"f\" TEXT)",
            "stopsCREATE TABLE \"stops\" (\"stop_id\" INTEGER, \"name\" TEXT, \"f\" TEXT)",
            "stops_2CREATE TABLE \"stops_2\" (\"x\" REAL, \"f\" TEXT)",
        ];
        assert_eq!(rows_of(&database, sql), expected.map(|sql| [text(sql)]));
        assert_eq!(rows_of(&database, "SELECT f FROM stops_2"), [[text(&format!("{name}//feed/stops.txt"))]]);
        let line = format!("stops_2 from {name}//feed/stops.txt: read 1 record: 1 loaded, 0 rejected");
        assert!(outcome.stderr.contains(&line), "{outcome:?}");
    }
}

#[test]
fn archives_arrive_through_pipes() {
    for (name, archive) in archives(&FILES) {
        let dir = TestDir::new();
        dir.write(name, &archive);
        for (number, load) in
            ["load - out.db -t t", "load -t t -- -//b.csv b.db", "load /dev/stdin out2.db -t t"]
                .iter()
                .enumerate()
        {
            let command = format!("cat {name} | {} {load}", env!("CARGO_BIN_EXE_sqload"));
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).current_dir(dir.path(""));
            assert!(shell.status().unwrap().success(), "{command}");
            let database = dir.open(["out.db", "b.db", "out2.db"][number]);
            let expected = if number == 1 { 1 } else { 4 };
            assert_eq!(
                rows_of(&database, "SELECT count(*) FROM t"),
                [[rusqlite::types::Value::Integer(expected)]]
            );
        }
    }
}

/// Long names, which GNU tar and pax archives write in members of their own, and a large file.
#[test]
fn tar_archives_of_other_programs_are_read() {
    let dir = TestDir::new();
    let long = format!("{}/{}.csv", "d".repeat(90), "n".repeat(120));
    std::fs::create_dir(dir.path(&"d".repeat(90))).unwrap();
    dir.write(&long, "n\n1\n");
    dir.write("big.csv", format!("n\n{}", "123456\n".repeat(100_000)));
    for format in ["gnu", "pax", "posix", "oldgnu"] {
        let tar = |arguments: &[&str]| {
            let mut tar = Command::new("tar");
            tar.arg(format!("--format={format}")).args(arguments).current_dir(dir.path(""));
            assert!(tar.status().unwrap().success());
        };
        tar(&["-cf", "in.tar", "./big.csv", &long]);
        dir.run(&["load", "in.tar", "out.db", "-t", "t", "--replace", "--file-column", "f"]).expect_code(0);
        let database = dir.open("out.db");
        let rows = rows_of(&database, "SELECT f, count(*) FROM t GROUP BY f ORDER BY 2");
        let expected = [(&*long, 1), ("big.csv", 100_000)];
        let expected = expected
            .map(|(name, rows)| [text(&format!("in.tar//{name}")), rusqlite::types::Value::Integer(rows)]);
        assert_eq!(rows, expected, "{format}");
    }
    // The oldest format, without a signature.
    let v7 = Command::new("tar")
        .args(["--format=v7", "-cf", "v7.tar", "big.csv"])
        .current_dir(dir.path(""))
        .status();
    assert!(v7.unwrap().success());
    dir.run(&["load", "v7.tar", "out.db", "--limit", "5"]).expect_code(0);
    assert_eq!(
        rows_of(&dir.open("out.db"), "SELECT count(*) FROM v7"),
        [[rusqlite::types::Value::Integer(5)]]
    );
}

#[test]
fn damaged_archives_are_errors() {
    let tar = tar(&[("a.csv", "n\n1\n"), ("b.csv", &format!("n\n{}", "1\n".repeat(1_000)))]);
    let double = self::tar(&[("a.csv", "n\n1\n"), ("a.csv", "n\n2\n")]);
    let nothing = self::tar(&[("README.md", "hello")]);
    let cases = [
        ("cut.tar", tar[..2_500].to_vec(), "cannot read cut.tar"),
        ("cut.tar.gz", gzip(&tar[..2_500]), "cannot read cut.tar.gz"),
        (
            "packed-cut.tar.gz",
            {
                let gz = gzip(&tar);
                gz[..gz.len() - 20].to_vec()
            },
            "cannot read packed-cut.tar.gz",
        ),
        ("double.tar", double, "two files in the archive have the same name, \"a.csv\""),
        ("nothing.tar", nothing, "no files to load; it contains \"README.md\""),
    ];
    for (name, archive, message) in cases {
        let dir = TestDir::new();
        dir.write(name, archive);
        dir.run(&["load", name, "out.db", "-t", "t"]).expect_code(1).assert_single_message(&[message]);
        assert_eq!(dir.file_names(), [name]);
    }
    let dir = TestDir::with_input("a\n1\n");
    let outcome = dir.run(&["load", "people.csv//a.csv", "out.db"]).expect_code(1);
    outcome.assert_single_message(&["cannot read people.csv//a.csv", "the file is not an archive"]);
    dir.write("in.zip", zip(&FILES));
    for path in ["in.zip/sub/b.csv", "in.zip:sub/b.csv"] {
        let outcome = dir.run(&["load", path, "out.db"]).expect_code(1);
        outcome.assert_single_message(&[
            &format!("cannot read {path}"),
            "a member of an archive is written in.zip//sub/b.csv",
        ]);
    }
    // Two slashes in a path mean one, as everywhere.
    let path = format!("{}//people.csv", dir.path("").to_string_lossy().trim_end_matches('/'));
    dir.run(&["load", &path, "out.db"]).expect_code(0);
    dir.run(&["load", &path.replace("people", "p*"), "out.db", "-t", "glob"]).expect_code(0);
}

#[test]
fn what_follows_a_gzip_stream_is_ignored_as_by_gunzip() {
    let csv = format!("n\n{}", "123456\n".repeat(100_000));
    let packed = gzip(csv.as_bytes());
    let note = "in.csv.gz: ignored what follows the compressed data, which is not gzip";
    let cases: [(&[u8], bool); 3] = [(&[0; 512], false), (b"JUNKJUNK", true), (b"\0\0\0a", true)];
    for (rest, is_reported) in cases {
        let dir = TestDir::new();
        dir.write("in.csv.gz", [&packed, rest].concat());
        let outcome = dir.run(&["load", "in.csv.gz", "out.db", "--report", "-"]).expect_code(0);
        assert_eq!(outcome.stderr.contains(note), is_reported, "{outcome:?}");
        assert_eq!(outcome.report()["loaded"], 100_000);
        let notes = outcome.report()["notes"].to_string();
        assert_eq!(notes.matches("ignored what follows").count(), usize::from(is_reported));
    }
    let tar = gzip(&tar(&FILES));
    let dir = TestDir::new();
    dir.write("in.tar.gz", [&tar[..], b"JUNK"].concat());
    let outcome = dir.run(&["load", "in.tar.gz", "out.db", "-t", "t"]).expect_code(0);
    assert_eq!(outcome.stderr.matches("in.tar.gz: ignored what follows").count(), 1, "{outcome:?}");
}
