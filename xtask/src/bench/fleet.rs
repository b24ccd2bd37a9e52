//! What a fleet costs, and how quickly it mends.

use anyhow::Result;

use crate::{Place, fleet};

/// The prototype's numbers are facts of before, which no run of today measures; the rest is of one run.
pub(super) fn measure(place: &Place) -> Result<String> {
    Ok(format!("{HEAD}```\n{}```", fleet::measure(place)?))
}

const HEAD: &str = "\
## A fleet

Workers of the Kinesis Client Library (KCL 3.1.3, MultiLangDaemon) on this machine, each a Java process with a child of \
`kinesis_lab::kcl` for each shard; the embedded Kinesis, dynoxide in DynamoDB's place and PostgreSQL, which syncs each \
commit to its disk, are on the same cores. So three workers are not to be faster here than one: they are three more \
processes on the same cores.

- *Records a second*: 100-byte records of 1,000 keys, an hour of event time; windows of 60 s, lateness 60 s; there before the \
workers are, whose children wait until each shard has its child, then begin at once. From the first batch to the end of the \
last; two rounds, interleaved. The protocol alone: a child that notes a line a batch, and does no more; the daemon asks for \
at most 10,000 records every 250 ms, which is 40,000 a second and shard. In one process: `Counter::stored_in(postgres://…)` \
reads the same stream. Commits are those that wrote, by PostgreSQL's numbering of them. Memory: resident, of a daemon (Java, \
`-Xmx192m`) and of its largest child.
- *Batches a second*: without the KCL, whose own pace would hide it; each worker is a thread with a shard of its own, and an \
event is a line of JSON. A counter's batches are written side by side, those of a detection (one playbook) one after another.
- *Takeover*: seconds until another worker has processed records of the last of the lost worker's shards, and how many it \
had. Two fleets of three workers read one stream of four shards, at 200 records a second, and lose theirs at the same \
moments. `failoverTimeMillis` 3000, `leaseAssignmentIntervalMillis` 1000, `shutdownGraceMillis` 10000. The KCL's lock of its \
leader lasts 120 s, whatever the properties say. A worker that is stopped does not hear of it, and goes on 18 s later.

Beside it, the prototype by which the fleet was designed (a child in Python, the same intervals): 5–7 s after `kill -9` of a \
worker, 132 s of the one that leads (10 s with `CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X`); 200,000 small records of \
one shard through the protocol in 4.7 s, which is 42,000 a second.

";
