//! What is measured beside what: a crate (or several) to name in `:dep`, and the cells of a notebook.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::Place;

/// Cells that need nothing but the crate; every subject runs them.
pub(super) const PLAIN: [&str; 7] = [
    "let n: i32 = 5;",
    "n + 1",
    "format!(\"{t:?}\").len() > 1",
    "let text = String::from(\"a\");",
    "println!(\"{text}\")",
    "fn twice(n: i32) -> i32 { 2 * n }",
    "twice(n)",
];

/// A notebook to time.
pub(super) struct Subject {
    pub(super) name: &'static str,
    /// Names the crate and uses it.
    pub(super) dep: String,
    /// The first variable: rust-analyzer loads the graph for its type.
    pub(super) first_value: String,
    /// From a stream to a chart; each says `own SECONDS` when it waited for a service.
    pub(super) story: Vec<String>,
}

/// All, each crate written below `folder`. `endpoint`: a Kinesis for the one that has none of its own.
pub(super) fn all(place: &Place, folder: &Path, endpoint: &str) -> Result<Vec<Subject>> {
    let empty = folder.join("empty");
    write_crate(&empty, "empty", "")?;
    let sdk_version = locked(place, "aws-sdk-kinesis")?;
    let sdk = folder.join("sdk");
    write_crate(&sdk, "sdk", &format!("aws-sdk-kinesis = \"={sdk_version}\"\n"))?;
    let value = "let t = Timestamp::now();".to_owned();
    Ok(vec![
        Subject {
            name: "empty crate",
            dep: dep("empty", &empty),
            first_value: value.clone(),
            story: Vec::new(),
        },
        Subject {
            name: "the face of kinesis-lab",
            dep: dep("kinesis-lab-face", &place.notebooks().join("face")),
            first_value: value.clone(),
            story: face_story(),
        },
        Subject {
            name: "crate with aws-sdk-kinesis alone",
            dep: dep("sdk", &sdk),
            first_value: value,
            story: Vec::new(),
        },
        Subject {
            name: "notebook that awaits the SDK",
            dep: sdk_deps(place, &sdk_version)?,
            first_value: "let t = std::time::SystemTime::now();".to_owned(),
            story: sdk_story(endpoint),
        },
    ])
}

fn dep(package: &str, path: &Path) -> String {
    format!(":dep {package} = {{ path = {:?} }}\nuse kinesis_lab::*;", path.display().to_string())
}

fn write_crate(folder: &Path, name: &str, dependencies: &str) -> Result<()> {
    fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n[lib]\nname = \"kinesis_lab\"\n[dependencies]\n\
         {dependencies}[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    let source = "#[derive(Debug)] pub struct Timestamp;\n\
                  impl Timestamp { pub fn now() -> Timestamp { Timestamp } }\n";
    fs::write(folder.join("src/lib.rs"), source).with_context(|| folder.display().to_string())
}

/// The version that everything here is built with.
fn locked(place: &Place, package: &str) -> Result<String> {
    let lock = fs::read_to_string(place.checkout.join("Cargo.lock"))?;
    let after = lock.split(&format!("name = \"{package}\"\nversion = \"")).nth(1);
    let version = after.and_then(|rest| rest.split('"').next());
    Ok(version.with_context(|| format!("{package} is not in Cargo.lock"))?.to_owned())
}

fn face_story() -> Vec<String> {
    [
        "let kinesis = Kinesis::local()?;",
        "let stream = kinesis.create_stream(\"bench\", 1)?;",
        "let sent = stream.producer(\"192.0.2.10\").interval(secs(2)).at_once().limit(100).start().join();",
        "let mut counter = Counter::per_minute();",
        "let report = stream.consumer().trim_horizon().run_until_caught_up(&mut counter)?;",
    ]
    .map(own_time)
    .into_iter()
    .chain(["counter.chart()".to_owned()])
    .map(|cell| cell.replace("secs(2)", "std::time::Duration::from_secs(2)"))
    .collect()
}

/// What the cell waits for: the service, its own pauses. Not the compiler.
fn own_time(cell: &str) -> String {
    format!(
        "let began = std::time::Instant::now();\n{cell}\nprintln!(\"own {{}}\", began.elapsed().as_secs_f64());"
    )
}

fn sdk_deps(place: &Place, sdk: &str) -> Result<String> {
    let (tokio, plotters) = (locked(place, "tokio")?, locked(place, "plotters")?);
    Ok(format!(
        ":dep aws-sdk-kinesis = \"={sdk}\"\n\
         :dep tokio = {{ version = \"={tokio}\", features = [\"full\"] }}\n\
         :dep plotters = {{ version = \"={plotters}\", default-features = false, features = [\"evcxr\", \"all_series\"] }}\n\
         use aws_sdk_kinesis as sdk;"
    ))
}

/// What one writes without this crate. A client of one cell panics or hangs in the next, also behind a
/// function (evcxr issue 245), so each cell makes its own and drops it.
fn sdk_story(endpoint: &str) -> Vec<String> {
    let client = format!(
        "    let client = sdk::Client::from_conf(sdk::Config::builder()\n        \
         .behavior_version(sdk::config::BehaviorVersion::latest())\n        .endpoint_url(\"{endpoint}\")\n        \
         .region(sdk::config::Region::new(\"us-east-1\"))\n        \
         .credentials_provider(sdk::config::Credentials::new(\"local\", \"local\", None, None, \"bench\"))\n        \
         .build());"
    );
    let name = "let name = format!(\"bench-{}\", std::process::id());".to_owned();
    let create = format!(
        "{{\n{client}\n    client.create_stream().stream_name(&name).shard_count(1).send().await?;\n    \
         loop {{\n        let found = client.describe_stream_summary().stream_name(&name).send().await?;\n        \
         let active = sdk::types::StreamStatus::Active;\n        \
         if found.stream_description_summary().is_some_and(|s| s.stream_status() == &active) {{ break }}\n        \
         tokio::time::sleep(std::time::Duration::from_millis(100)).await;\n    }}\n}}"
    );
    let put = format!(
        "{{\n{client}\n    for n in 0..100 {{\n        \
         let data = format!(\"2018-09-06T08:{{:02}}:{{:02}}Z\", n / 30, n % 30 * 2);\n        \
         client.put_record().stream_name(&name).partition_key(\"192.0.2.10\")\n            \
         .data(sdk::primitives::Blob::new(data)).send().await?;\n    }}\n}}"
    );
    let count = format!(
        "let mut counts: std::collections::BTreeMap<String, u64> = Default::default();\n\
         {{\n{client}\n    \
         let iterator = client.get_shard_iterator().stream_name(&name).shard_id(\"shardId-000000000000\")\n        \
         .shard_iterator_type(sdk::types::ShardIteratorType::TrimHorizon).send().await?;\n    \
         let page = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await?;\n    \
         for record in page.records() {{\n        \
         let data = String::from_utf8_lossy(record.data().as_ref()).into_owned();\n        \
         *counts.entry(data[..16].to_owned()).or_default() += 1;\n    }}\n}}"
    );
    let chart = "use plotters::prelude::*;\n\
                 evcxr_figure((640, 360), |root| {\n    \
                 let mut chart = ChartBuilder::on(&root).build_cartesian_2d(0..counts.len(), 0u64..40u64)?;\n    \
                 chart.draw_series(counts.values().enumerate().map(|(n, c)| Rectangle::new([(n, 0), (n + 1, *c)], BLUE.filled())))?;\n    \
                 Ok(())\n})";
    let waiting = [create, put, count].map(|cell| own_time(&cell));
    [name].into_iter().chain(waiting).chain([chart.to_owned()]).collect()
}
