//! The names of encodings.
//!
//! The labels of the Encoding Standard are known as they are. Python and iconv use other names for the same encodings, and write
//! them with hyphens, underscores or blanks as they please.

use super::Charset;
use encoding_rs::Encoding;
use oem_cp::code_table::DECODING_TABLE_CP_MAP;

/// Names that are not spelled like a label of the Encoding Standard, without punctuation, each with such a label.
const ALIASES: [(&str, &str); 27] = [
    ("utf8sig", "utf-8"),
    ("utf8bom", "utf-8"),
    ("u8", "utf-8"),
    ("macroman", "macintosh"),
    ("maccyrillic", "x-mac-cyrillic"),
    ("cp949", "euc-kr"),
    ("ms949", "euc-kr"),
    ("uhc", "euc-kr"),
    ("cp932", "shift_jis"),
    ("mskanji", "shift_jis"),
    ("cp936", "gbk"),
    ("ms936", "gbk"),
    ("cp950", "big5"),
    ("ms950", "big5"),
    ("cp65001", "utf-8"),
    ("cp1200", "utf-16le"),
    ("cp1201", "utf-16be"),
    ("cp819", "latin1"),
    ("utf16", "utf-16"),
    ("utf16le", "utf-16le"),
    ("utf16be", "utf-16be"),
    ("eucjp", "euc-jp"),
    ("euckr", "euc-kr"),
    ("latin7", "iso-8859-13"),
    ("latin8", "iso-8859-14"),
    ("latin9", "iso-8859-15"),
    ("latin10", "iso-8859-16"),
];

/// The encoding with this name.
pub(super) fn find(name: &str) -> Option<Charset> {
    let standard = |label: &str| Encoding::for_label_no_replacement(label.as_bytes()).map(Charset::Standard);
    // Without punctuation: ISO_8859-15 is iso885915, and latin-1 is latin1.
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|char| char.to_ascii_lowercase()).collect();
    let hyphenated = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let page = plain.strip_prefix("cp").or(plain.strip_prefix("ibm")).unwrap_or(&plain);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == plain).map(|(_, label)| *label);
    alias
        .and_then(standard)
        .or_else(|| standard(name))
        .or_else(|| standard(&hyphenated))
        .or_else(|| standard(&plain))
        .or_else(|| {
            standard(&format!("iso-8859-{}", plain.strip_prefix("iso8859").or(plain.strip_prefix("8859"))?))
        })
        .or_else(|| DECODING_TABLE_CP_MAP.get(&page.parse().ok()?).map(Charset::CodePage))
        .or_else(|| standard(&format!("windows-{page}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_python_and_iconv_are_known() {
        let cases = [
            ("UTF-8 utf8 U8 utf_8 utf-8-sig UTF8 cp65001", "UTF-8"),
            (
                "latin-1 latin1 iso8859-1 ISO-8859-1 iso_8859_1 L1 cp1252 windows-1252 8859-1 1252 cp819",
                "windows-1252",
            ),
            ("iso8859-15 ISO_8859-15 latin-9 iso8859_15 l9", "ISO-8859-15"),
            ("iso8859-2 latin2 ISO-8859-2", "ISO-8859-2"),
            ("cp1250 windows-1250 windows_1250 CP1250", "windows-1250"),
            ("mac-roman macroman macintosh MAC mac_roman", "macintosh"),
            ("cp949 euc-kr euc_kr uhc ms949 ks_c_5601-1987", "EUC-KR"),
            ("cp932 shift_jis shift-jis sjis MS_KANJI windows-31j", "Shift_JIS"),
            ("cp936 gbk GB2312", "GBK"),
            ("cp950 big5", "Big5"),
            ("gb18030", "gb18030"),
            ("euc_jp eucjp", "EUC-JP"),
            ("koi8-r koi8_r", "KOI8-R"),
            ("utf-16 utf16 utf_16_le UTF-16LE", "UTF-16LE"),
            ("utf_16_be", "UTF-16BE"),
            ("cp866 ibm866", "IBM866"),
            ("mac_cyrillic", "x-mac-cyrillic"),
        ];
        for (names, expected) in cases {
            for name in names.split(' ') {
                match find(name) {
                    Some(Charset::Standard(encoding)) => assert_eq!(encoding.name(), expected, "{name}"),
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
        for name in
            ["cp437", "CP437", "IBM437", "437", "cp850", "ibm850", "cp-850", "cp852", "cp858", "cp737"]
        {
            assert!(matches!(find(name), Some(Charset::CodePage(_))), "{name}");
        }
        for name in ["", "utf-32", "utf-7", "cp1", "none", "latin"] {
            assert!(find(name).is_none(), "{name}");
        }
    }
}
