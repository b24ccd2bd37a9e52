//! The protobuf messages of an aggregate.
//!
//! Source: awslabs/amazon-kinesis-producer, aggregation-format.md. Fields that it calls required are optional
//! here, so that their absence shows.

/// Keys are in tables, because many user records share one.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct AggregatedMessage {
    #[prost(string, repeated, tag = "1")]
    pub(super) partition_keys: Vec<String>,
    /// Decimal numbers of 128 bits.
    #[prost(string, repeated, tag = "2")]
    pub(super) explicit_hash_keys: Vec<String>,
    #[prost(message, repeated, tag = "3")]
    pub(super) records: Vec<RecordMessage>,
}

/// Its `tags` (4) nobody uses yet, says the format; they are passed over.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct RecordMessage {
    #[prost(uint64, optional, tag = "1")]
    pub(super) partition_key: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) explicit_hash_key: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "3")]
    pub(super) data: Option<Vec<u8>>,
}
