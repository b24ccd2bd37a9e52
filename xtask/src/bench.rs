//! `cargo xtask bench`: ratios taken in one run, written to BENCHMARKS.md.

mod fleet;
mod kernel;
mod page;
mod programs;
mod set_up;
mod subjects;

use anyhow::{Result, bail};

use crate::{Place, setup};

/// Which benchmarks.
#[derive(clap::Args, Debug)]
pub struct Options {
    /// Only this one (more than one: repeat it): kernel, setup, throughput, puts, counting, stored, agent, service, latency, detection, fleet
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Runs of each subject in the kernel, interleaved
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub rounds: usize,
}

type Work = fn(&Place, &Options) -> Result<String>;

/// In the order of the page.
const ALL: [(&str, Work); 11] = [
    ("kernel", kernel::measure),
    ("setup", set_up::measure),
    ("throughput", |place, _| programs::throughput(place)),
    ("puts", |place, _| programs::puts(place)),
    ("counting", |place, _| programs::counting(place)),
    ("stored", |place, _| programs::stored(place)),
    ("agent", |place, _| programs::agent(place)),
    ("service", |place, _| programs::service(place)),
    ("latency", |place, _| programs::latency(place)),
    ("detection", |place, _| programs::detection(place)),
    ("fleet", |place, _| fleet::measure(place)),
];

/// Left out unless they are named: each takes a quarter of an hour; the one needs the network, the other Java.
const ONLY_NAMED: [&str; 2] = ["setup", "fleet"];

/// Measures, and puts what was measured in place of what the page said before.
pub fn run(place: &Place, options: &Options) -> Result<()> {
    if let Some(unknown) = options.only.iter().find(|name| !ALL.iter().any(|bench| bench.0 == **name)) {
        bail!("no benchmark `{unknown}`; there are: {}", ALL.map(|bench| bench.0).join(", "));
    }
    // A fleet needs no kernel.
    if options.only.is_empty() || options.only.iter().any(|name| name != "fleet") {
        setup::run(place)?;
    }
    for (name, work) in ALL {
        let chosen = match options.only.is_empty() {
            true => !ONLY_NAMED.contains(&name),
            false => options.only.iter().any(|only| only == name),
        };
        if chosen {
            println!("\n=== {name}");
            let text = work(place, options)?;
            println!("{text}");
            page::replace(place, name, &text)?;
        }
    }
    println!("written to BENCHMARKS.md");
    Ok(())
}

/// The middle one of an odd number; the mean of the middle two of an even one.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(super::median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(super::median(&[]).is_nan());
    }
}
