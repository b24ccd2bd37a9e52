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

/// All, each crate written below `folder`.
pub(super) fn all(place: &Place, folder: &Path) -> Result<Vec<Subject>> {
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
            name: "no face: cells await the SDK",
            dep: format!(
                ":dep kinesis-lab-engine = {{ path = {:?} }}\nuse kinesis_lab_engine::*;\n\
                 use kinesis_lab_engine::aws_sdk_kinesis as sdk;",
                place.notebooks().join("engine").display().to_string()
            ),
            first_value: "let t = Timestamp::now();".to_owned(),
            story: sdk_story(),
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

/// The same story with the SDK's own calls. Behind an ordinary dependency on the engine's crate, because in
/// a stock notebook it fails: there a client of one cell panics or hangs in the next (evcxr issue 245), and
/// even one made anew in each cell got no further than its second cell (`dispatch failure`).
fn sdk_story() -> Vec<String> {
    let awaiting = |body: &str| {
        format!(
            "{{\n    let client = client.clone();\n    block_on(async move {{\n{body}\n        Ok::<_, sdk::Error>(())\n    }})?;\n}}"
        )
    };
    let create = awaiting(
        "        client.create_stream().stream_name(\"bench\").shard_count(1).send().await?;
        loop {
            let found = client.describe_stream_summary().stream_name(\"bench\").send().await?;
            let active = sdk::types::StreamStatus::Active;
            if found.stream_description_summary().is_some_and(|s| s.stream_status() == &active) { break }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }",
    );
    let put = awaiting(
        "        for n in 0..100 {
            let data = format!(\"2018-09-06T08:{:02}:{:02}Z\", n / 30, n % 30 * 2);
            client.put_record().stream_name(\"bench\").partition_key(\"192.0.2.10\")
                .data(sdk::primitives::Blob::new(data)).send().await?;
        }",
    );
    let count = "let counts: std::collections::BTreeMap<String, u64> = {
    let client = client.clone();
    block_on(async move {
        let iterator = client.get_shard_iterator().stream_name(\"bench\").shard_id(\"shardId-000000000000\")
            .shard_iterator_type(sdk::types::ShardIteratorType::TrimHorizon).send().await?;
        let page = client.get_records().set_shard_iterator(iterator.shard_iterator).send().await?;
        let mut counts = std::collections::BTreeMap::new();
        for record in page.records() {
            let data = String::from_utf8_lossy(record.data().as_ref()).into_owned();
            *counts.entry(format!(\"{}:00Z\", &data[..16])).or_default() += 1;
        }
        Ok::<_, sdk::Error>(counts)
    })?
};";
    // In braces, as evcxr can't keep an iterator from cell to cell.
    let chart = "{
    let rows = counts.iter().map(|(minute, n)| Ok((minute.parse()?, vec![(\"192.0.2.10\".to_owned(), *n)])));
    Chart::bars(\"Requests per minute\", rows.collect::<std::result::Result<Vec<_>, TimestampError>>()?)
}";
    let mut cells = vec![
        own_time("let kinesis = Kinesis::local()?;"),
        "let client: sdk::Client = kinesis.client().clone();".to_owned(),
    ];
    cells.extend([create.as_str(), &put, count].map(own_time));
    cells.push(chart.to_owned());
    cells
}
