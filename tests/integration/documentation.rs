//! README and the book in `docs` are correct: code blocks run, links lead somewhere, and the function reference is complete.

mod page;
mod runner;

use crate::common::{TestDir, rows_of};
use page::{Page, Table, book_pages, root};
use runner::Runner;
use rusqlite::types::Value;
use std::collections::BTreeSet;
use std::io::Write;

#[test]
fn code_blocks_run() {
    let mut runner = Runner::new();
    for page in Page::all() {
        runner.run_page(&page);
    }
    let Runner { failures, skipped, run, .. } = runner;
    // Not captured, unlike `eprintln`: the list is to be seen.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{run} code blocks run, {} skipped:", skipped.len()).unwrap();
    skipped.iter().for_each(|block| writeln!(stderr, "  {block}").unwrap());
    assert!(failures.is_empty(), "{} failures\n\n{}", failures.len(), failures.join("\n\n"));
    assert!(run > 20, "only {run} code blocks found");
}

#[test]
fn links_resolve() {
    let mut broken = Vec::new();
    for page in Page::all() {
        for (line, link) in &page.links {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) =
                link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let target = match path {
                "" => page.path.clone(),
                path => page.path.parent().unwrap().join(path),
            };
            // The book is built without the rest of the repository.
            let leaves_the_book = page.path.starts_with("docs") && path.starts_with("..");
            let has_anchor = |anchor: &str| {
                let anchors = Page::read(target.to_str().unwrap()).anchors;
                anchors.iter().any(|known| known == anchor)
            };
            if leaves_the_book || !root().join(&target).exists() || !anchor.is_none_or(has_anchor) {
                broken.push(format!("{}:{line}: {link}", page.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let contents = Page::read("docs/SUMMARY.md");
    let mut listed: Vec<_> = contents.links.into_iter().map(|(_, link)| link).collect();
    listed.push("SUMMARY.md".to_owned());
    listed.sort();
    assert_eq!(listed, book_pages());
}

#[test]
fn all_options_are_documented() {
    let pages = book_pages();
    let text: String = pages.iter().map(|name| Page::read(&format!("docs/{name}")).text).collect();
    let mut missing: Vec<_> =
        Runner::new().options.into_iter().filter(|option| !text.contains(option.as_str())).collect();
    missing.sort();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_readme_is_short() {
    let words = Page::read("README.md").text.split_whitespace().count();
    assert!(words <= 900, "{words} words");
}

/// The tables with an example and its result in each row.
fn example_tables(page: &Page) -> impl Iterator<Item = &Table> {
    page.tables.iter().filter(|table| table.header.ends_with(&["example".into(), "result".into()]))
}

#[test]
fn examples_of_functions_have_their_results() {
    let page = Page::read("docs/functions.md");
    let input = page.blocks.iter().find(|block| block.file().is_some()).unwrap();
    let dir = TestDir::new();
    dir.write(input.file().unwrap(), &input.text);
    let mut count = 0;
    for table in example_tables(&page) {
        let examples = table.rows.iter().map(|(line, cells)| match cells.as_slice() {
            [.., example, result] => (line, example, result),
            _ => panic!("docs/functions.md:{line}: no example"),
        });
        let examples: Vec<_> = examples.collect();
        let select: Vec<_> = examples
            .iter()
            .enumerate()
            .map(|(index, (_, example, _))| format!("{example} AS c{index}"))
            .collect();
        let database = format!("{count}.db");
        let load = ["load", input.file().unwrap(), &database, "-t", "t", "--select", &select.join(", ")];
        dir.run(&load).expect_code(0);
        for (index, (line, example, result)) in examples.iter().enumerate() {
            let rows = rows_of(
                &dir.open(&database),
                &format!("SELECT quote(c{index}), quote({result}) FROM t LIMIT 1"),
            );
            let [actual, expected] = &rows[0][..] else { unreachable!() };
            assert_eq!(actual, expected, "docs/functions.md:{line}: {example}");
            assert!(matches!(actual, Value::Text(_)));
        }
        count += examples.len();
    }
    assert!(count > 30, "only {count} examples");
}

#[test]
fn all_functions_are_documented() {
    let is_part_of_name = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    let page = Page::read("docs/functions.md");
    let rows = example_tables(&page).flat_map(|table| &table.rows);
    let before_parentheses = rows.flat_map(|(_, cells)| cells[0].split('('));
    let names = before_parentheses.filter_map(|text| text.rsplit(|char| !is_part_of_name(char)).next());
    let documented: BTreeSet<_> = names.collect();
    let sources = [
        // How each file names its functions: what precedes the name, and what follows it.
        (include_str!("../../src/eval/sqlite/functions.rs"), "c\"", "\""),
        (include_str!("../../src/types/math_functions.rs"), "(c\"", "\""),
        (include_str!("../../src/sql/names.rs"), "        \"", "\" => Some("),
        (include_str!("../../src/sql/compile.rs"), "        (\"", "\""),
    ];
    for (source, before, after) in sources {
        let code = source.split("#[cfg(test)]").next().unwrap();
        let is_name = |name: &&str| name.chars().all(is_part_of_name);
        let names: Vec<_> =
            code.split(before).skip(1).filter_map(|rest| rest.split(after).next()).filter(is_name).collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert!(documented.contains(name), "{name}() is not in docs/functions.md");
        }
    }
}
