//! The cost of the hot paths: what one frame costs when nothing is to be done, and what lies between
//! a dangerous frame and the signed bytes of an order.
//!
//! `tick` prints wall times of all cases; `tick wall NAME…` of some; `tick count NAME N MAX` prepares
//! `MAX` operations and runs the first `N`, for a tool that counts instructions: the difference
//! between two runs of the same `MAX` is free of start-up and preparation. `tick list` names the cases
//! with the `N` to count with. Network, disk and clocks are not touched.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: it prints, divides wall times, and stops at the first surprise"
)]

mod cases;
mod world;

use std::ops::Range;
use std::time::Instant;

/// Batches per case; the fastest and the middle one are told.
const BATCHES: usize = 21;

/// One operation, called with its number.
type Operation = Box<dyn FnMut(usize)>;

struct Case {
    name: &'static str,
    /// What one operation is.
    about: &'static str,
    /// Operations to count with, and to time per batch.
    size: usize,
    /// Makes ready for this many operations.
    prepare: fn(usize) -> Operation,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtime");
    // Entered, never driven: the adapter may spawn its connections, but none of them ever runs.
    let _inside = runtime.enter();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["list"] => {
            for case in cases::ALL {
                println!("{} {}", case.name, case.size);
            }
        }
        ["count", name, count, most] => {
            let most = most.parse().expect("MAX is a number");
            let mut operation = (find(name).prepare)(most);
            let count: usize = count.parse().expect("N is a number");
            operations(&mut operation, 0..count.min(most));
        }
        ["wall", names @ ..] => names.iter().for_each(|name| time(find(name))),
        // `cargo bench` adds an argument of its own.
        [] | ["--bench"] => {
            println!("{}", machine());
            cases::ALL.iter().for_each(time);
        }
        other => println!("unknown arguments {other:?}: list | wall NAME… | count NAME N MAX"),
    }
}

/// A function of its own, so that a profile can be limited to what it calls.
#[inline(never)]
fn operations(operation: &mut Operation, numbers: Range<usize>) {
    numbers.for_each(operation);
}

fn find(name: &str) -> &'static Case {
    let found = cases::ALL.iter().find(|case| case.name == name);
    found.unwrap_or_else(|| panic!("no case is named {name}; see `list`"))
}

fn time(case: &Case) {
    // Beside every count stands a time: counts are blind to slow instructions.
    let mut operation = (case.prepare)(case.size * BATCHES);
    let mut spans: Vec<u128> = (0..BATCHES)
        .map(|batch| {
            let began = Instant::now();
            operations(&mut operation, batch * case.size..(batch + 1) * case.size);
            began.elapsed().as_nanos()
        })
        .collect();
    spans.sort_unstable();
    let per = |nanos: u128| nanos as f64 / case.size as f64;
    println!(
        "{:<16} {:>10.0} ns min {:>10.0} ns median   {}",
        case.name,
        per(spans[0]),
        per(spans[BATCHES / 2]),
        case.about
    );
}

fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("an unnamed processor", |text| {
        text.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} x {model}, load {load}; {BATCHES} batches, per operation:")
}
