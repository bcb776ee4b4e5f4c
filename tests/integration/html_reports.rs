//! `--report FILE.html`: one page that needs nothing else.

use crate::common::{Running, TWO_PEOPLE, TestDir, people_csv};
use std::fmt::Write;
use std::process::{Command, Stdio};

/// The column names and values that a page must escape, with records that are rejected.
const HOSTILE: &str = concat!(
    "id,<script>alert(1)</script>,code,\"\"\"quoted\"\" & 'more'\"\n",
    "1,<b>,0.50,\"\"\"><img src=x onerror=alert(2)>\"\n",
    "<i>x</i>\n",
    "2,</pre></td>,n/a,'&amp;'\n",
    "3,\u{1b}[31m,1,\"a\nb\",\"<style>\"\n",
);

/// Runs a load that writes `run.html`, and returns the page.
fn page(dir: &TestDir, arguments: &[&str], code: i32) -> String {
    dir.write("run.html", "of yesterday");
    dir.run(&[arguments, &["--report", "run.html"]].concat()).expect_code(code);
    let page = String::from_utf8(dir.read("run.html")).unwrap();
    assert_self_contained(&page);
    page
}

/// The parts of a page: names of start tags and texts, in order.
#[derive(Debug, Default)]
struct Parts {
    tags: Vec<String>,
    texts: Vec<String>,
}

impl Parts {
    /// Parses a page strictly: elements are nested and closed, attributes are quoted, and entities are known.
    fn parse(page: &str) -> Self {
        let (mut parts, mut open) = (Self::default(), Vec::new());
        let mut rest = page.strip_prefix("<!DOCTYPE html>").unwrap();
        while let Some(start) = rest.find('<') {
            let text = unescape(&rest[..start]);
            if !text.trim().is_empty() {
                assert!(!open.is_empty(), "text outside the page: {text}");
                parts.texts.push(text);
            }
            let end = start + rest[start..].find('>').unwrap();
            let tag = &rest[start + 1..end];
            rest = &rest[end + 1..];
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "a closing tag without its opening tag");
                continue;
            }
            let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "<{tag}>");
            assert_attributes(attributes);
            parts.tags.push(name.to_lowercase());
            if !is_empty {
                open.push(name);
            }
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "the page ends in {open:?} with {rest:?}");
        parts
    }

    /// The texts of the cells of the row that starts with `first`.
    fn row(&self, first: &str) -> Vec<&str> {
        let at = self.texts.iter().position(|text| text == first);
        let at = at.unwrap_or_else(|| panic!("{first:?} is not in {:?}", self.texts));
        self.texts[at..].iter().take(5).map(String::as_str).collect()
    }

    #[track_caller]
    fn assert_text(&self, part: &str) {
        assert!(self.texts.iter().any(|text| text.contains(part)), "{part:?} is not in {:?}", self.texts);
    }
}

fn assert_attributes(attributes: &str) {
    let mut rest = attributes.trim_start();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("attributes {attributes:?}"));
        assert!(name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-'), "attribute {name:?}");
        assert!(!name.starts_with("on") && !["src", "href", "style"].contains(&name), "attribute {name:?}");
        rest = value.split_once('"').unwrap().1.trim_start();
    }
}

/// The text without entities, which must be well-formed and known.
fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap().to_owned();
    for part in parts {
        let (entity, text) = part.split_once(';').unwrap();
        let char = match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => panic!("the entity {entity:?}"),
        };
        write!(plain, "{char}{text}").unwrap();
    }
    plain
}

/// Asserts that a page is well-formed, and that it neither loads nor runs anything.
fn assert_self_contained(page: &str) {
    let Parts { tags, .. } = Parts::parse(page);
    for tag in ["script", "link", "img", "iframe", "object", "form", "a"] {
        assert!(!tags.iter().any(|other| other == tag), "<{tag}> is in {page}");
    }
    let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    assert!(
        !page.contains(|char: char| char.is_control() && char != '\n'),
        "a control character is in {page}"
    );
}

#[test]
fn a_page_has_the_summary_columns_rejects_writer_and_plan() {
    let dir = TestDir::with_input(HOSTILE);
    let load = ["load", "people.csv", "out.db", "-t", "<t>", "--on-error", "skip", "--limit", "9"];
    let page = Parts::parse(&page(&dir, &load, 3));
    assert_eq!(page.texts[0], "sqload: loaded out.db");
    page.assert_text("people.csv -> out.db, table <t>");
    page.assert_text("read 4 records: 2 loaded, 2 rejected");
    assert_eq!(page.row("<t>"), ["<t>", "4", "2", "2", "0"]);
    // The column, its declaration, and why it is TEXT.
    assert_eq!(page.row("code")[..3], ["code", "TEXT", "a value that is not a number at line 4: \"n/a\""]);
    page.assert_text("\"quoted\" & 'more'");
    page.assert_text("First rejected records");
    let rejected = page.row("1 field, 4 expected, separated by ','");
    assert_eq!(rejected[1], "<i>x</i>");
    page.assert_text("3,\\u{1b}[31m,1,\"a\nb\",\"<style>\"");
    assert_eq!(page.row("direct")[1], "the rows can be written as finished pages");
    assert_eq!(page.row("a record that does not fit")[1], "skip");
    assert_eq!(page.row("records to read")[1], "9");
    for stage in ["split", "parse", "write", "finish", "whole load"] {
        page.row(stage);
    }
    assert_eq!(dir.file_names(), ["out.db", "people.csv", "run.html"]);
}

#[test]
fn a_page_names_the_reason_for_the_writer() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    let page = |options: &[&str]| Parts::parse(&page(&dir, &[&["load", "people.csv"], options].concat(), 0));
    let asked = page(&["a.db", "--writer", "statements"]);
    assert_eq!(asked.row("statements")[1], "the plan asks for it");
    dir.open("b.db").execute_batch("PRAGMA auto_vacuum = FULL; CREATE TABLE other (a)").unwrap();
    let unable = page(&["b.db"]);
    assert_eq!(unable.row("statements")[1], "the database is vacuumed automatically");
}

#[test]
fn a_page_has_a_section_for_each_table() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    dir.write("prices.csv", "price\n1.50\n2.25\n");
    let page =
        Parts::parse(&page(&dir, &["load", "people.csv", "prices.csv", "out.db", "--table-per-input"], 0));
    assert_eq!(page.row("people"), ["people", "2", "2", "2", "0"]);
    assert_eq!(page.row("all tables"), ["all tables", "4", "4", "4", "0"]);
    page.assert_text("Columns of people, from people.csv");
    assert_eq!(page.row("price")[..3], ["price", "REAL", "fixed(2)"]);
}

#[test]
fn a_failed_load_has_a_page_with_advice_and_rejects() {
    let dir = TestDir::with_input("first_name,last_name,age\n<bad>\nAda,Lovelace,36\n");
    let failed = Parts::parse(&page(&dir, &["load", "people.csv", "out.db"], 1));
    assert_eq!(failed.texts[0], "sqload: failed out.db");
    failed.assert_text("people.csv: line 2 (record 1, byte 25): 1 field, 3 expected");
    failed.assert_text("use --on-error skip");
    failed.assert_text("First rejected records");
    failed.assert_text("<bad>");
    assert_eq!(failed.row("exit code")[1], "1");
    // Before there is a plan.
    for (arguments, code) in [
        (&["load", "people.csv", "out.db", "--where", "<"][..], 1),
        (&["load", "none.csv", "out.db"], 1),
        (&["load", "people.csv", "out.db", "--page-size", "3"], 2),
        (&["run-pipeline", "<none>.sql"], 1),
    ] {
        assert_eq!(Parts::parse(&page(&dir, arguments, code)).row("exit code")[1], code.to_string());
    }
    assert_eq!(dir.file_names(), ["people.csv", "run.html"]);
}

#[test]
fn only_the_first_hundred_rejects_are_on_the_page() {
    let dir = TestDir::with_input(format!("a,b\n1,2\n{}", "x\n".repeat(250)));
    let page = Parts::parse(&page(&dir, &["load", "people.csv", "out.db", "--on-error", "skip"], 3));
    page.assert_text("First rejected records");
    page.assert_text("250 rejected");
    assert_eq!(
        page.texts.iter().filter(|text| *text == "1 field, 2 expected, separated by ','").count(),
        100
    );
}

#[test]
fn other_ends_have_a_page() {
    let dir = TestDir::with_input(format!("{TWO_PEOPLE}bad\n"));
    let load = ["load", "people.csv", "out.db", "--on-error", "skip"];
    let checked = Parts::parse(&page(&dir, &[&load[..], &["--dry-run"]].concat(), 3));
    assert_eq!(checked.texts[0], "sqload: checked out.db");
    checked.assert_text("nothing was changed");
    checked.assert_text("First rejected records");
    let explained =
        Parts::parse(&page(&dir, &[&load[..], &["--where", "age < 50", "--explain"]].concat(), 0));
    assert_eq!(explained.texts[0], "sqload: explained out.db");
    explained.assert_text("\"age\" < 50");
    assert_eq!(dir.file_names(), ["people.csv", "run.html"]);
}

#[test]
fn an_interrupted_load_has_a_page() {
    for signals in [1, 2] {
        let dir = TestDir::new();
        assert!(Command::new("mkfifo").arg(dir.path("in.csv")).status().unwrap().success());
        dir.write("run.html", "of yesterday");
        let load = dir.command(&["load", "in.csv", "out.db", "--report", "run.html"]);
        let mut load = Running::start_with_stdin(load, Stdio::null());
        assert!(load.wait_until(|load| load.handles_interrupts() && load.has_open(&dir.path("in.csv"))));
        (0..signals).for_each(|_| load.signal("INT"));
        load.wait().expect_code(130);
        let page = String::from_utf8(dir.read("run.html")).unwrap();
        assert_eq!(Parts::parse(&page).texts[0], "sqload: interrupted out.db");
    }
}

#[test]
fn other_names_are_json() {
    let dir = TestDir::with_input(TWO_PEOPLE);
    for (number, name) in ["run.json", "run.HTML", "run.html.txt", "html"].into_iter().enumerate() {
        let table = format!("t{number}");
        dir.run(&["load", "people.csv", "out.db", "-t", &table, "--report", name]).expect_code(0);
        let report: serde_json::Value = serde_json::from_slice(&dir.read(name)).unwrap();
        assert_eq!(report["loaded"], 2);
    }
}

/// A browser sees the elements that were written, and no others: no text of the input became markup.
#[test]
fn a_browser_shows_the_page() {
    let Some(browser) = browser() else {
        println!("skipped: neither chromium, chromium-browser nor google-chrome is installed");
        return;
    };
    let dir = TestDir::with_input(HOSTILE);
    dir.write("many.csv", people_csv(200_000));
    for arguments in
        [&["load", "people.csv", "out.db", "--on-error", "skip"][..], &["load", "many.csv", "out.db"]]
    {
        let code = if arguments[1] == "many.csv" { 0 } else { 3 };
        let written = Parts::parse(&page(&dir, arguments, code));
        let mut command = Command::new(browser);
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]);
        command.arg(format!("--user-data-dir={}", dir.path("profile").display()));
        let shown = command.arg(dir.path("run.html")).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        let tags: Vec<_> = shown
            .split('<')
            .skip(1)
            .filter(|part| part.starts_with(|char: char| char.is_ascii_alphabetic()))
            .map(|part| part.split([' ', '>', '/']).next().unwrap().to_lowercase())
            .collect();
        assert_eq!(tags, written.tags, "{shown}");
    }
}

fn browser() -> Option<&'static str> {
    let is_installed = |name: &&str| Command::new(name).arg("--version").output().is_ok();
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_installed)
}
