//! How fast members are found and missed, and what that costs: in processes, in virtual time and in a coarse model.
//!
//! Run by `run` in this folder, with the parts to run as arguments. Prints tables.

mod coarse;
mod real;
mod simulated;

/// A part of the measurements, by its name.
type Part = (&'static str, fn());

const PARTS: &[Part] = &[
    ("real", real::run),
    ("simulated", simulated::run),
    ("coarse", coarse::run),
    ("hours", simulated::hours),
];

fn main() {
    // Cargo adds `--bench`.
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    for unknown in wanted.iter().filter(|name| PARTS.iter().all(|(part, _)| part != name)) {
        eprintln!("there is no part {unknown:?}");
    }
    for (name, run) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|part| part == name) {
            println!("\n== {name}");
            run();
        }
    }
}

/// Prints cells under their heads, each right-aligned.
fn row(cells: &[String]) {
    let line: Vec<String> = cells.iter().map(|cell| format!("{cell:>11}")).collect();
    println!("{}", line.join(" "));
}

fn head(cells: &[&str]) {
    row(&cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
}
