//! Builds with `lto = true` and `panic = "abort"`, which a dylib dependency would not allow.

fn main() {
    let start = kinesis_lab::Timestamp::from_secs(1_536_220_800);
    println!("downstream: built and run, {start}");
}
