//! Shards: receipts, commits, and loads that build a database for each key.

use crate::common::{Running, TestDir, rows_of};
use crate::faults::Call;
use rusqlite::Connection;
use sqload::Kind;
use sqload::shards::{MANIFEST, Manifest, Receipt, ShardJob, ShardKey};
use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::Path;

fn job(dir: &TestDir, id: &str) -> ShardJob {
    ShardJob::new(dir.path("out"), id, "t").unwrap().by(["c"])
}

fn key(value: Option<&str>) -> ShardKey {
    ShardKey::columns([("c", value)])
}

/// A staged shard with one row for each number.
fn shard(job: &ShardJob, value: Option<&str>, attempt: u64, numbers: &[i64]) -> Receipt {
    let writer = job.writer(key(value), attempt).unwrap();
    let connection = Connection::open(writer.path()).unwrap();
    connection.execute_batch("CREATE TABLE t (c, n INTEGER)").unwrap();
    for number in numbers {
        connection.execute("INSERT INTO t VALUES (?, ?)", rusqlite::params![value, number]).unwrap();
    }
    drop(connection);
    writer.finish(numbers.len() as u64).unwrap()
}

/// Asserts that the manifest in `directory` matches its shards. Returns their rows.
#[track_caller]
fn assert_valid(directory: &Path, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let manifest = Manifest::read(directory.join(MANIFEST)).unwrap();
    let mut all = Vec::new();
    for shard in &manifest.shards {
        Manifest::verify(directory, shard).unwrap();
        let rows = rows_of(&Connection::open(directory.join(&shard.path)).unwrap(), sql);
        assert_eq!(rows.len() as u64, shard.rows);
        all.extend(rows);
    }
    assert_eq!(all.len() as u64, manifest.rows);
    all
}

fn numbers(directory: &Path) -> Vec<i64> {
    let rows = assert_valid(directory, "SELECT n FROM t ORDER BY rowid");
    rows.iter()
        .map(|row| if let rusqlite::types::Value::Integer(n) = row[0] { n } else { panic!() })
        .collect()
}

#[track_caller]
fn assert_shard_error<T: std::fmt::Debug>(result: sqload::Result<T>, part: &str) {
    let error = result.unwrap_err();
    assert!(matches!(error.kind(), Kind::Shard { .. }) && error.to_string().contains(part), "{error}");
}

#[test]
fn attempts_never_share_a_staged_file() {
    let dir = TestDir::new();
    let job = job(&dir, "j");
    let receipts: Vec<_> = (0..20).map(|_| shard(&job, Some("x"), 1, &[1])).collect();
    let staged: BTreeSet<_> = receipts.iter().map(|receipt| &receipt.staged).collect();
    assert_eq!(staged.len(), 20);
    assert!(staged.iter().all(|path| path.starts_with("_staging/j/1-") && path.ends_with(".sqlite")));
}

#[test]
fn a_writer_without_a_receipt_leaves_no_file() {
    let dir = TestDir::new();
    let writer = job(&dir, "j").writer(key(None), 1).unwrap();
    std::fs::write(writer.path(), "part").unwrap();
    let path = writer.path().to_owned();
    drop(writer);
    assert!(!path.exists());
}

#[test]
fn final_names_come_from_the_key_and_null_differs_from_its_spelling() {
    let dir = TestDir::new();
    let job = job(&dir, "j");
    let values = [None, Some("__HIVE_DEFAULT_PARTITION__"), Some(""), Some("a/b"), Some("NULL")];
    let receipts: Vec<_> = values.iter().zip(1..).map(|(value, n)| shard(&job, *value, 1, &[n])).collect();
    let manifest = job.commit(&receipts).unwrap();
    let paths: Vec<_> = manifest.shards.iter().map(|shard| shard.path.as_str()).collect();
    let expected = [
        "c=__HIVE_DEFAULT_PARTITION__/data.sqlite",
        "c=/data.sqlite",
        "c=NULL/data.sqlite",
        "c=%5F_HIVE_DEFAULT_PARTITION__/data.sqlite",
        "c=a%2Fb/data.sqlite",
    ];
    assert_eq!(paths, expected);
    let rows = assert_valid(&dir.path("out"), "SELECT c FROM t");
    let keys: Vec<_> = manifest.shards.iter().map(|shard| shard.key.clone()).collect();
    for (row, key) in rows.iter().zip(&keys) {
        let value = if let rusqlite::types::Value::Text(text) = &row[0] { Some(text.as_str()) } else { None };
        assert_eq!(*key, self::key(value));
    }
}

#[test]
fn buckets_are_shards() {
    let dir = TestDir::new();
    let job = job(&dir, "j").buckets(NonZeroU32::new(20).unwrap());
    let writer = job.writer(ShardKey::Bucket(17), 1).unwrap();
    std::fs::write(writer.path(), "x").unwrap();
    let manifest = job.commit(&[writer.finish(1).unwrap()]).unwrap();
    assert_eq!(manifest.shards[0].path, "bucket=00017/data.sqlite");
    assert_shard_error(job.writer(ShardKey::Bucket(20), 1), "not one of the 20 buckets");
    assert_shard_error(job.writer(key(None), 1), "not one of the 20 buckets");
}

#[test]
fn the_newest_attempt_of_a_key_wins_in_any_order() {
    let dir = TestDir::new();
    let job = job(&dir, "j").expected_rows(3);
    let old = shard(&job, Some("x"), 1, &[1, 2, 3, 4]);
    let new = shard(&job, Some("x"), 2, &[5, 6]);
    let other = shard(&job, Some("y"), 1, &[7]);
    let receipts = [new.clone(), old.clone(), other, new, old];
    job.commit(&receipts).unwrap();
    assert_eq!(numbers(&dir.path("out")), [5, 6, 7]);
    assert!(!dir.path("out/_staging").exists());
}

#[test]
fn receipts_that_contradict_each_other_are_errors() {
    let dir = TestDir::new();
    let job = job(&dir, "j");
    let one = shard(&job, Some("x"), 1, &[1]);
    let two = shard(&job, Some("x"), 1, &[2]);
    assert_shard_error(job.commit(&[one.clone(), two]), "attempt 1 has two different shards of c='x'");
    let mut changed = one.clone();
    changed.rows = 9;
    assert_shard_error(job.commit(&[one.clone(), changed]), "its receipts differ");
    let mut elsewhere = one.clone();
    elsewhere.staged = "_staging/j/../../x".to_owned();
    assert_shard_error(job.commit(&[elsewhere]), "not of the job");
    assert_shard_error(self::job(&dir, "k").commit(std::slice::from_ref(&one)), "not of the job");
    assert_shard_error(
        job.clone().expected_rows(2).commit(std::slice::from_ref(&one)),
        "1 shard with 1 row, expected 2 rows",
    );
    assert!(!dir.path("out/manifest.json").exists());
    job.commit(&[one]).unwrap();
}

#[test]
fn a_staged_file_that_is_missing_or_changed_is_an_error_and_nothing_moves() {
    let dir = TestDir::new();
    let job = job(&dir, "j");
    let receipts = [shard(&job, Some("a"), 1, &[1]), shard(&job, Some("b"), 1, &[2])];
    let path = dir.path("out").join(&receipts[1].staged);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bad).unwrap();
    assert_shard_error(job.commit(&receipts), "its hash is");
    std::fs::write(&path, &good[1..]).unwrap();
    assert_shard_error(job.commit(&receipts), "its size is");
    std::fs::remove_file(&path).unwrap();
    assert_shard_error(job.commit(&receipts), "the staged file is missing");
    assert!(!dir.path("out/c=a").exists());
    std::fs::write(&path, good).unwrap();
    job.commit(&receipts).unwrap();
    assert_eq!(numbers(&dir.path("out")), [1, 2]);
}

/// Copies a directory with everything in it.
fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_all(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A crash after each rename, with and without the shards of an older manifest at the same names.
#[test]
fn a_commit_after_a_crash_anywhere_gives_the_same_manifest() {
    for has_older in [false, true] {
        let dir = TestDir::new();
        let out = dir.path("out");
        if has_older {
            let older = job(&dir, "older");
            older.commit(&["a", "b", "c"].map(|value| shard(&older, Some(value), 1, &[-1]))).unwrap();
        }
        let job = job(&dir, "j").durable(true);
        let receipts = ["a", "b", "c"].map(|value| shard(&job, Some(value), 1, &[1, 2]));
        copy_all(&out, &dir.path("before"));
        let expected = job.commit(&receipts).unwrap();
        copy_all(&out, &dir.path("after"));
        assert_eq!(job.commit(&receipts).unwrap(), expected);
        for moved in 0..=expected.shards.len() {
            for is_published in [false, true] {
                std::fs::remove_dir_all(&out).unwrap();
                copy_all(&dir.path("before"), &out);
                for (receipt, shard) in receipts.iter().zip(&expected.shards).take(moved) {
                    let to = out.join(&shard.path);
                    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
                    assert!(!to.exists());
                    std::fs::rename(out.join(&receipt.staged), to).unwrap();
                }
                if has_older {
                    assert_eq!(numbers(&out), [-1, -1, -1]);
                }
                if is_published && moved == expected.shards.len() {
                    std::fs::copy(dir.path("after").join(MANIFEST), out.join(MANIFEST)).unwrap();
                }
                assert_eq!(job.commit(&receipts).unwrap(), expected, "after {moved} renames");
                assert_eq!(numbers(&out), [1, 2, 1, 2, 1, 2]);
                assert!(!out.join("_staging").exists());
            }
        }
    }
}

#[test]
fn shards_of_an_earlier_manifest_stay_until_they_are_cleaned() {
    let dir = TestDir::new();
    let out = dir.path("out");
    let first = job(&dir, "first");
    let old = first.commit(&[shard(&first, Some("x"), 1, &[1]), shard(&first, Some("y"), 1, &[2])]).unwrap();
    let second = job(&dir, "second");
    second.commit(&[shard(&second, Some("x"), 1, &[3])]).unwrap();
    old.shards.iter().for_each(|shard| Manifest::verify(&out, shard).unwrap());
    assert_eq!(numbers(&out), [3]);

    let live = shard(&job(&dir, "live"), Some("z"), 1, &[4]);
    shard(&job(&dir, "dead"), Some("z"), 1, &[5]);
    std::fs::write(out.join("c=x/notes.txt"), "kept").unwrap();
    // A job that may be in its commit keeps everything that no manifest names.
    let removed = ShardJob::clean(&out, &["live"]).unwrap();
    assert_eq!(removed, [out.join("_staging/dead")]);
    job(&dir, "live").abort().unwrap();
    assert!(!out.join(live.staged).exists());
    let removed = ShardJob::clean(&out, &[] as &[&str]).unwrap();
    assert_eq!(removed, [out.join("c=x/data.sqlite"), out.join("c=y/data.sqlite")]);
    assert!(out.join("c=x/notes.txt").exists() && !out.join("c=y").exists());
    assert_eq!(numbers(&out), [3]);
}

#[test]
fn abort_removes_the_staging_area_of_its_job_alone() {
    let dir = TestDir::new();
    let (one, other) = (job(&dir, "one"), job(&dir, "other"));
    let receipts = [&one, &other].map(|job| shard(job, None, 1, &[1]));
    one.abort().unwrap();
    assert_shard_error(one.commit(&receipts[..1]), "the staged file is missing");
    other.commit(&receipts[1..]).unwrap();
    one.abort().unwrap();
    assert_eq!(numbers(&dir.path("out")), [1]);
    for id in ["", "..", "a/b", ".hidden", "ä"] {
        assert!(matches!(ShardJob::new("x", id, "t").unwrap_err().kind(), Kind::Usage(_)), "{id:?}");
    }
}

#[test]
fn receipts_and_jobs_travel_as_json_and_no_receipts_are_an_empty_manifest() {
    let dir = TestDir::new();
    let job = job(&dir, "j");
    let receipt = shard(&job, None, 3, &[1]);
    let text = serde_json::to_string(&(&job, &receipt)).unwrap();
    assert_eq!(serde_json::from_str::<(ShardJob, Receipt)>(&text).unwrap(), (job.clone(), receipt));
    let manifest = job.expected_rows(0).commit(&[]).unwrap();
    assert!(manifest.shards.is_empty() && !dir.path("out/_staging").exists());
    assert_eq!(Manifest::read(dir.path("out/manifest.json")).unwrap(), manifest);
    dir.write(
        "out/manifest.json",
        serde_json::to_string(&manifest).unwrap().replace("\"version\":1", "\"version\":2"),
    );
    assert_shard_error(Manifest::read(dir.path("out/manifest.json")), "version 2");
}

/// Loads `t.csv` into shards and into one database, and compares the rows of each key.
#[track_caller]
fn assert_shards_equal_a_load(dir: &TestDir, key: &str, options: &[&str]) -> Manifest {
    dir.run(&[&["load", "t.csv", "one.db"], options].concat()).expect_code(0);
    dir.run(&[&["load", "t.csv", "--shards-by", key, "--into", "out"], options].concat()).expect_code(0);
    let one = dir.open("one.db");
    let manifest = Manifest::read(dir.path("out/manifest.json")).unwrap();
    for shard in &manifest.shards {
        Manifest::verify(&dir.path("out"), shard).unwrap();
        let ShardKey::Columns(columns) = &shard.key else { panic!("{}", shard.key) };
        let mut statement =
            one.prepare(&format!("SELECT *, typeof({key}) FROM t WHERE CAST({key} AS TEXT) IS ?")).unwrap();
        let width = statement.column_count();
        let values =
            |row: &rusqlite::Row<'_>| (0..width).map(|at| row.get(at)).collect::<Result<Vec<_>, _>>();
        let expected: Vec<Vec<rusqlite::types::Value>> =
            statement.query_map([&columns[0].1], values).unwrap().map(Result::unwrap).collect();
        let database = Connection::open(dir.path("out").join(&shard.path)).unwrap();
        assert_eq!(rows_of(&database, &format!("SELECT *, typeof({key}) FROM t")), expected);
        assert_eq!(expected.len() as u64, shard.rows);
        let schema = "SELECT sql FROM sqlite_schema ORDER BY name";
        assert_eq!(rows_of(&database, schema), rows_of(&one, schema));
        assert_eq!(rows_of(&database, "PRAGMA integrity_check")[0][0], "ok".to_owned().into());
    }
    let count = rows_of(&one, "SELECT count(*) FROM t")[0][0].clone();
    assert_eq!(count, rusqlite::types::Value::Integer(manifest.rows as i64));
    assert!(!dir.path("out/_staging").exists());
    manifest
}

#[test]
fn a_load_builds_a_shard_for_each_value() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\nb,1\na/x,2\n,3\nb,4.5\n__HIVE_DEFAULT_PARTITION__,\nb,6\n");
    let manifest = assert_shards_equal_a_load(&dir, "c", &["--empty-null", "--index", "n", "--auto-id"]);
    assert_eq!(manifest.shards.len(), 4);
    assert_eq!(manifest.shards[0].path, "c=__HIVE_DEFAULT_PARTITION__/data.sqlite");
}

#[test]
fn a_load_shards_by_numbers_and_keeps_other_kinds_of_tables() {
    let rows: String = (0..300).map(|n| format!("{},{n}\n", n % 7)).collect();
    for options in
        [&["--strict", "--pk", "n"][..], &["--without-rowid", "--pk", "n"], &["--page-size", "1024"]]
    {
        let dir = TestDir::new();
        dir.write("t.csv", format!("c,n\n{rows}"));
        assert_eq!(assert_shards_equal_a_load(&dir, "C", options).shards.len(), 7);
    }
}

#[test]
fn a_load_without_rows_publishes_an_empty_manifest() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\n");
    assert_eq!(assert_shards_equal_a_load(&dir, "c", &[]).shards.len(), 0);
}

#[test]
fn a_load_builds_ten_thousand_shards() {
    let dir = TestDir::new();
    let rows: String = (0..20_000).map(|n| format!("k{},{n}\n", n % 10_000)).collect();
    dir.write("t.csv", format!("c,n\n{rows}"));
    dir.run(&["load", "t.csv", "--shards-by", "c", "--into", "out"]).expect_code(0);
    let manifest = Manifest::read(dir.path("out/manifest.json")).unwrap();
    assert_eq!((manifest.shards.len(), manifest.rows), (10_000, 20_000));
    let mut numbers = numbers(&dir.path("out"));
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..20_000));
}

#[test]
fn a_load_builds_hash_buckets() {
    let dir = TestDir::new();
    let rows: String = (0..300).map(|n| format!("k{},{},{n}\n", n % 7, n % 5)).collect();
    dir.write("t.csv", format!("c,d,n\n{rows},,7\n"));
    let load = ["load", "t.csv", "--shards-by", "c,d", "--into", "out", "--shards", "4", "--empty-null"];
    dir.run(&load).expect_code(0);
    let manifest = Manifest::read(dir.path("out/manifest.json")).unwrap();
    assert_eq!((manifest.buckets, manifest.rows), (Some(4), 301));
    let buckets = NonZeroU32::new(4).unwrap();
    for shard in &manifest.shards {
        let database = Connection::open(dir.path("out").join(&shard.path)).unwrap();
        let rows = rows_of(&database, "SELECT c, CAST(d AS TEXT) FROM t");
        assert!(!rows.is_empty() && rows.len() as u64 == shard.rows);
        for row in rows {
            let texts = row.iter().map(|value| match value {
                rusqlite::types::Value::Text(text) => Some(text.as_str()),
                _ => None,
            });
            assert_eq!(ShardKey::hashed(texts, buckets), shard.key);
        }
    }
    assert_eq!(assert_valid(&dir.path("out"), "SELECT n FROM t").len(), 301);
    dir.run(&["load", "t.csv", "t.db", "--shards", "4"]).expect_code(2);
}

#[test]
fn shards_are_replaced_only_on_request() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\nx,1\n");
    let load = ["load", "t.csv", "--shards-by", "c", "--into", "out"];
    dir.run(&load).expect_code(0);
    dir.write("t.csv", "c,n\nx,2\n");
    let outcome = dir.run(&load).expect_code(1);
    outcome.assert_single_message(&["out already contains shards", "--replace"]);
    assert_eq!(numbers(&dir.path("out")), [1]);
    dir.run(&[&load[..], &["--replace"]].concat()).expect_code(0);
    assert_eq!(numbers(&dir.path("out")), [2]);
    assert_eq!(dir.path("out/c=x").read_dir().unwrap().count(), 1);
}

#[test]
fn a_failed_load_publishes_nothing_and_removes_what_a_killed_one_left() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\nx,1\nx\n");
    let load = ["load", "t.csv", "--shards-by", "c", "--into", "out"];
    dir.run(&load).expect_code(1);
    assert_eq!(dir.path("out").read_dir().unwrap().count(), 0);
    // Before the record that fails the load.
    let outcome = dir.run(&["load", "t.csv", "--shards-by", "c,z", "--into", "out"]).expect_code(1);
    outcome.assert_single_message(&["no column \"z\" to build shards by", "correct --shards-by"]);
    std::fs::create_dir_all(dir.path("out/_staging/load-1")).unwrap();
    dir.write("out/_staging/load-1/lock", "");
    std::fs::create_dir_all(dir.path("out/_staging/other")).unwrap();
    dir.run(&[&load[..], &["--on-error", "skip"]].concat()).expect_code(3);
    assert!(!dir.path("out/_staging/load-1").exists() && dir.path("out/_staging/other").exists());
}

/// The path of the staged database of a load into shards, once its rows are there.
fn staged_rows(dir: &TestDir) -> Option<std::path::PathBuf> {
    let areas = dir.path("out/_staging").read_dir().ok()?;
    areas.map(|area| area.unwrap().path().join("rows.sqlite")).find(|path| path.exists())
}

#[test]
fn a_load_that_is_interrupted_while_shards_are_built_leaves_nothing() {
    let dir = TestDir::new();
    let rows: String = (0..20_000).map(|n| format!("k{n},{n}\n")).collect();
    dir.write("t.csv", format!("c,n\n{rows}"));
    let mut load = Running::start(dir.command(&["load", "t.csv", "--shards-by", "c", "--into", "out"]));
    assert!(load.wait_until(|_| staged_rows(&dir).is_some()));
    load.signal("INT");
    load.wait().expect_code(130).assert_single_message(&["interrupted; nothing was changed"]);
    assert_eq!(dir.path("out").read_dir().unwrap().count(), 0);
}

#[test]
fn a_load_that_is_interrupted_while_records_are_read_leaves_nothing() {
    use std::io::Write;
    let dir = TestDir::new();
    let load = dir.command(&["load", "-", "--shards-by", "c", "--into", "out", "-t", "t"]);
    let mut load = Running::start_with_stdin(load, std::process::Stdio::piped());
    let mut stdin = load.take_stdin();
    stdin.write_all(b"c,n\nx,1\n").unwrap();
    assert!(load.wait_until(|load| load.handles_interrupts() && dir.path("out/_staging").exists()));
    load.signal("INT");
    load.wait().expect_code(130);
    assert_eq!(dir.path("out").read_dir().unwrap().count(), 0);
}

#[test]
fn a_load_that_is_killed_in_its_commit_keeps_the_old_manifest() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\nx,1\ny,2\n");
    let load = ["load", "t.csv", "--shards-by", "c", "--into", "out", "--replace"];
    dir.run(&load).expect_code(0);
    dir.write("t.csv", "c,n\nx,3\nz,4\n");
    let mut command = dir.command(&load);
    Call { name: "write", file: "manifest.json", number: 1 }.kill(&mut command);
    assert_eq!(Running::start(command).wait().signal, Some(libc::SIGKILL));
    assert_eq!(numbers(&dir.path("out")), [1, 2]);
    dir.run(&load).expect_code(0);
    assert_eq!(numbers(&dir.path("out")), [3, 4]);
    assert!(!dir.path("out/_staging").exists() && !dir.path("out/c=y").exists());
}

#[test]
fn a_durable_commit_fails_if_a_file_cannot_be_synced() {
    let dir = TestDir::new();
    dir.write("t.csv", "c,n\nx,1\n");
    for file in ["data.sqlite", "c=x", "manifest.json"] {
        for (synchronous, code) in [("full", 1), ("off", 0)] {
            let options = ["--synchronous", synchronous, "--replace"];
            let load = [&["load", "t.csv", "--shards-by", "c", "--into", "out"], &options[..]].concat();
            let mut command = dir.command(&load);
            Call { name: "fsync", file, number: 1 }.fail(&mut command);
            let outcome = Running::start(command).wait().expect_code(code);
            if code == 1 {
                outcome.assert_single_message(&["Input/output error"]);
                assert!(!dir.path("out/manifest.json").exists(), "{file}");
            }
            let _ = std::fs::remove_dir_all(dir.path("out"));
        }
    }
}
