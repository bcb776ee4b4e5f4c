//! The directory of a tar archive has the members that the `tar` crate finds when it reads the archive as a stream, with the same
//! contents.
#![no_main]

use sqload::input::tar_members;
use std::io::{Cursor, Read};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(members) = tar_members(Cursor::new(data), data.len() as u64) else { return };
    let mut found = members.iter().filter(|member| member.is_file());
    for entry in tar::Archive::new(data).entries().unwrap() {
        // Padding that is missing at the end matters only to a stream.
        let Ok(mut entry) = entry else { return };
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = path.trim_start_matches("./");
        let entry_type = entry.header().entry_type();
        let is_file = entry_type.is_file() || entry_type.is_contiguous();
        if !is_file || name.is_empty() || name.ends_with('/') {
            continue;
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let member = found.next().unwrap();
        let range = member.content.start as usize..member.content.end as usize;
        assert_eq!((member.name.as_str(), &data[range]), (name, content.as_slice()));
    }
    assert_eq!(found.next(), None);
});
