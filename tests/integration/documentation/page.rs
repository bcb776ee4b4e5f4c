//! A page of the documentation: what its tests need to know of the Markdown.

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) struct Page {
    /// The path in the repository.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) blocks: Vec<Block>,
    /// Line and target of each link and image.
    pub(crate) links: Vec<(usize, String)>,
    /// The anchors of the headings.
    pub(crate) anchors: Vec<String>,
    pub(crate) tables: Vec<Table>,
}

/// A fenced code block, or a comment that starts with `setup`.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) line: usize,
    /// The number of the section: a heading of level 1 or 2, and what follows it.
    pub(crate) section: usize,
    pub(crate) language: String,
    /// What follows the language in the info string, such as `file=sales.csv`.
    pub(crate) attributes: Vec<String>,
    pub(crate) text: String,
}

impl Block {
    /// The file that the block stands for.
    pub(crate) fn file(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| attribute.strip_prefix("file="))
    }

    /// The exit code of the script in the block.
    pub(crate) fn exit_code(&self) -> i32 {
        let code = self.attributes.iter().find_map(|attribute| attribute.strip_prefix("exit="));
        code.map_or(0, |code| code.parse().unwrap())
    }
}

/// The code in each cell of a table; the text in cells without code.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) header: Vec<String>,
    /// Each with its line.
    pub(crate) rows: Vec<(usize, Vec<String>)>,
}

impl Page {
    pub(crate) fn read(path: &str) -> Self {
        let text = std::fs::read_to_string(root().join(path));
        Self::parse(path, text.unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    pub(crate) fn parse(path: &str, text: String) -> Self {
        let mut reader = Reader::default();
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            let line = 1 + text[..range.start].matches('\n').count();
            reader.read(event, line);
        }
        let Reader { blocks, links, anchors, tables, .. } = reader;
        Self { path: path.into(), text, blocks, links, anchors, tables }
    }

    /// README and the other pages at the root, and the pages of the book.
    pub(crate) fn all() -> Vec<Self> {
        let mut pages: Vec<_> =
            ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "scripts/README.md"].map(Self::read).into();
        pages.extend(book_pages().iter().map(|name| Self::read(&format!("docs/{name}"))));
        pages
    }
}

/// The names of all pages in `docs`, sorted.
pub(crate) fn book_pages() -> Vec<String> {
    let entries = root().join("docs").read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut pages: Vec<_> = names.filter(|name| name.ends_with(".md")).collect();
    pages.sort();
    pages
}

#[derive(Default)]
struct Cell {
    text: String,
    code: String,
}

/// Collects the parts of a page from the events of the parser.
#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    links: Vec<(usize, String)>,
    anchors: Vec<String>,
    tables: Vec<Table>,
    section: usize,
    /// The block that is being read.
    block: Option<Block>,
    /// The text of the heading that is being read.
    heading: Option<String>,
    /// The table cell that is being read.
    cell: Option<Cell>,
    row: (usize, Vec<String>),
}

impl Reader {
    fn read(&mut self, event: Event<'_>, line: usize) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                self.heading = Some(String::new());
                self.section += usize::from(level <= HeadingLevel::H2);
            }
            Event::End(TagEnd::Heading(_)) => {
                let text = self.heading.take().unwrap_or_default();
                self.add_anchor(&text);
            }
            Event::Start(Tag::CodeBlock(kind)) => self.block = Some(self.fenced_block(kind, line)),
            Event::Start(Tag::HtmlBlock) => {
                self.block = Some(Block { line, section: self.section, ..Block::default() });
            }
            Event::End(TagEnd::CodeBlock) => self.blocks.extend(self.block.take()),
            Event::End(TagEnd::HtmlBlock) => {
                let block = self.block.take().unwrap_or_default();
                if let Some(script) = block.text.strip_prefix("<!-- setup\n") {
                    let text = script.trim_end().trim_end_matches("-->").to_owned();
                    self.blocks.push(Block { language: "setup".into(), text, ..block });
                }
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                self.links.push((line, dest_url.into_string()));
            }
            Event::Start(Tag::Table(_)) => self.tables.push(Table::default()),
            Event::Start(Tag::TableHead | Tag::TableRow) => self.row = (line, Vec::new()),
            Event::Start(Tag::TableCell) => self.cell = Some(Cell::default()),
            Event::End(TagEnd::TableCell) => {
                let Cell { text, code } = self.cell.take().unwrap_or_default();
                self.row.1.push(if code.is_empty() { text } else { code });
            }
            Event::End(TagEnd::TableHead) => {
                let header = std::mem::take(&mut self.row).1;
                self.tables.last_mut().unwrap().header = header;
            }
            Event::End(TagEnd::TableRow) => {
                let row = std::mem::take(&mut self.row);
                self.tables.last_mut().unwrap().rows.push(row);
            }
            Event::Text(text) | Event::Html(text) => self.add_text(&text, false),
            Event::Code(text) => self.add_text(&text, true),
            _ => {}
        }
    }

    fn add_text(&mut self, text: &str, is_code: bool) {
        if let Some(block) = &mut self.block {
            block.text.push_str(text);
        } else if let Some(heading) = &mut self.heading {
            heading.push_str(text);
        } else if let Some(cell) = &mut self.cell {
            if is_code { cell.code.push_str(text) } else { cell.text.push_str(text) }
        }
    }

    fn fenced_block(&self, kind: CodeBlockKind<'_>, line: usize) -> Block {
        let info = match kind {
            CodeBlockKind::Fenced(info) => info.into_string(),
            CodeBlockKind::Indented => String::new(),
        };
        let mut words = info.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned);
        let language = words.next().unwrap_or_default();
        Block { line, section: self.section, language, attributes: words.collect(), text: String::new() }
    }

    /// Adds the anchor of a heading, as GitHub and mdBook form it.
    fn add_anchor(&mut self, heading: &str) {
        let is_kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
        let slug =
            heading.trim().to_lowercase().chars().filter(is_kept).collect::<String>().replace(' ', "-");
        let repeated = self.anchors.iter().filter(|anchor| **anchor == slug).count();
        self.anchors.push(if repeated == 0 { slug } else { format!("{slug}-{repeated}") });
    }
}
