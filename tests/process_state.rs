//! Effects of a load on its process, which can be switched off. A separate binary with a single test, because other loads have
//! these effects as well.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sqload::Loader;
use sqload::plan::IfExists;

/// The address of the handler of SIGBUS.
fn sigbus_handler() -> usize {
    // SAFETY: A sigaction consists of integers and a nullable function pointer, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: Without a new action, the call only writes the current one.
    assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut action) }, 0);
    action.sa_sigaction
}

#[test]
fn effects_on_the_process_can_be_switched_off() {
    const FILES: u64 = 200;
    let directory = tempfile::tempdir().unwrap();
    let (input, database) = (directory.path().join("in.csv"), directory.path().join("out.db"));
    // Large enough to be mapped.
    let rows = 50_000;
    std::fs::write(&input, format!("a,b\n{}", "1,\"x\ny\"\n".repeat(rows))).unwrap();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), ..limit }).unwrap();
    let handler = sigbus_handler();
    let loader = Loader::new("t").if_exists(IfExists::Replace);

    let quiet = loader.clone().map_inputs(false).raise_file_limit(false);
    assert_eq!(quiet.load(&input, &database).unwrap().loaded, rows as u64);
    assert_eq!(getrlimit(Resource::Nofile).current, Some(FILES));
    assert_eq!(sigbus_handler(), handler);

    assert_eq!(loader.load(&input, &database).unwrap().loaded, rows as u64);
    assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
    assert_ne!(sigbus_handler(), handler);
}
