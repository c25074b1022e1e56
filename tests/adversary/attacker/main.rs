//! The attacks' program inside of containers: `attacker VERB ARGUMENTS`. Compiled by the tests, with nothing but std.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::io::Write as _;
use std::time::Duration;

unsafe extern "C" {
    fn renameat2(old_folder: c_int, old: *const c_char, new_folder: c_int, new: *const c_char, flags: c_uint) -> c_int;
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
}

const HERE: c_int = -100;
const EXCHANGE: c_uint = 2;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exchange", one, other] => exchange(one, other),
        ["exchange-all", folder] => exchange_all(folder),
        ["deep", folder, count] => deep(folder, count.parse().expect("a number")),
        ["grow", path, line] => grow(path, line),
        ["trace", path] => trace(path),
        ["socket", family] => open_socket(family.parse().expect("a number")),
        _ => panic!("what is {words:?}?"),
    }
}

/// Exchanges two names forever.
fn exchange(one: &str, other: &str) -> ! {
    exchange_pairs(&[[one, other].map(path)])
}

/// Exchanges each name that ends in `-a` with the same name ending in `-b`, forever.
fn exchange_all(folder: &str) -> ! {
    let names = std::fs::read_dir(folder).expect("it can be read").flatten().map(|entry| entry.path());
    let names = names.filter_map(|path| path.to_str()?.strip_suffix("-a").map(str::to_owned));
    let pairs: Vec<_> = names.map(|name| [path(&format!("{name}-a")), path(&format!("{name}-b"))]).collect();
    exchange_pairs(&pairs)
}

fn path(text: &str) -> CString {
    CString::new(text).expect("it has no zero bytes")
}

fn exchange_pairs(pairs: &[[CString; 2]]) -> ! {
    loop {
        for [one, other] in pairs {
            // SAFETY: both live longer than the call.
            unsafe { renameat2(HERE, one.as_ptr(), HERE, other.as_ptr(), EXCHANGE) };
        }
        std::thread::sleep(Duration::from_micros(150));
    }
}

/// Creates nested folders, far deeper than a path can name.
fn deep(folder: &str, count: u32) {
    std::env::set_current_dir(folder).expect("it is there");
    std::fs::create_dir("deep").expect("it can be made");
    std::env::set_current_dir("deep").expect("it is there");
    for _ in 0..count {
        std::fs::create_dir("d").expect("it can be made");
        std::env::set_current_dir("d").expect("it is there");
    }
}

/// Appends lines to a file forever.
fn grow(path: &str, line: &str) -> ! {
    let mut file = std::fs::File::options().append(true).create(true).open(path).expect("it can be opened");
    loop {
        writeln!(file, "{line}").expect("it can be written");
    }
}

/// Looks for a file in each new process's root, and for rights that this one lacks; prints what it finds, forever.
fn trace(path: &str) -> ! {
    let rights = |status: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap_or_default();
        u64::from_str_radix(line.trim(), 16).unwrap_or_default()
    };
    let own = rights(&std::fs::read_to_string("/proc/self/status").expect("it has a status"));
    println!("begun");
    let mut next = 2;
    loop {
        // PIDs increase, so a new process is among the next few.
        for number in next..next + 8 {
            if let Ok(status) = std::fs::read_to_string(format!("/proc/{number}/status")) {
                if number > next {
                    next = number;
                }
                let more = rights(&status) & !own;
                if more != 0 {
                    println!("more rights: {more:x}");
                }
                if let Ok(text) = std::fs::read_to_string(format!("/proc/{number}/root{path}")) {
                    println!("file: {text}");
                }
            }
        }
    }
}

/// Prints the result of creating a socket of that family: `made`, or the errno.
fn open_socket(family: c_int) {
    const STREAM: c_int = 1;
    const DATAGRAM: c_int = 2;
    const RAW: c_int = 3;
    const SEQUENCED: c_int = 5;
    for kind in [STREAM, DATAGRAM, RAW, SEQUENCED] {
        // SAFETY: plain numbers.
        let made = unsafe { socket(family, kind, 0) };
        let error = std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        println!("{}", if made < 0 { error.to_string() } else { "made".to_owned() });
    }
}
