//! What packed some data, by its first bytes. Pure.

/// The first bytes of what records are packed by and can't be read here, as far as they have such.
const PACKERS: &[(&[u8], &str)] = &[
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x82SNAPPY\0", "snappy"),
    (b"\xfd7zXZ\0", "xz"),
    (b"LZIP", "lzip"),
    (b"PK\x03\x04", "zip"),
    // Three levels of zlib's four; the first bytes of the other (`x^`) are text.
    (b"\x78\x01", "zlib"),
    (b"\x78\x9c", "zlib"),
    (b"\x78\xda", "zlib"),
    (b"Obj\x01", "Avro"),
    // With a fingerprint of its schema (Avro's "single object encoding").
    (b"\xc3\x01", "Avro"),
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"\xe0\x01\x00\xea", "Ion"),
    (b"\xd9\xd9\xf7", "CBOR"),
    (b"\xac\xed\x00\x05", "Java"),
    // gzip's first bytes, once more.
    (b"H4sI", "gzip as base64"),
    // `{"`, once more.
    (b"eyJ", "base64"),
    (&super::aggregate::MAGIC, "the Kinesis Producer Library, and broken, or in another aggregate"),
];

/// What is wrong with data that are no text, where their first bytes say so: `packed by zstd`, `UTF-16, …`.
pub(crate) fn packing(data: &[u8]) -> Option<String> {
    match data {
        // With its byte order mark, or two ASCII characters as it writes them.
        [0xff, 0xfe, _, _, ..] | [0xfe, 0xff, _, _, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..] => {
            Some("UTF-16, where UTF-8 is read: have it written so, or converted".to_owned())
        }
        data => packer(data).map(|packer| format!("packed by {packer}")),
    }
}

/// What packed the data: `zstd`, `Avro`, … Brotli, MessagePack and bare protobuf have no first bytes of their own.
fn packer(data: &[u8]) -> Option<&'static str> {
    if super::is_gzip(data) {
        return Some("gzip");
    }
    if let Some((_, packer)) = PACKERS.iter().find(|(magic, _)| data.starts_with(magic)) {
        return Some(packer);
    }
    match data {
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..] => Some("bzip2"),
        // The number of a schema: one byte, 0, and four. (Confluent, "Wire format".)
        [0, _, _, _, _, _, ..] => Some("a schema of Confluent's registry"),
        // Version 3, packed (5) or not (0), and an UUID of 16 bytes. (AWS Glue Schema Registry's serde library.)
        [3, 0 | 5, rest @ ..] if rest.len() >= 16 => Some("a schema of Glue's registry"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packed_it_is_named() {
        let cases: [(&[u8], _); 13] = [
            (b"\x28\xb5\x2f\xfd\x24\x05", "zstd"),
            (b"\x04\x22\x4d\x18\x64\x40", "lz4"),
            (b"\xff\x06\x00\x00sNaPpY\x01", "snappy"),
            (b"\xfd7zXZ\0\x00\x04", "xz"),
            (b"BZh91AY&SY\xb5", "bzip2"),
            (b"\x78\x9c\x33\xb4", "zlib"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"H4sIAAAAAAAA", "gzip as base64"),
            (b"PAR1\x15\x04", "Parquet"),
            (b"Obj\x01\x04\x16", "Avro"),
            (b"\0\0\0\0\x07\x02\x06", "a schema of Confluent's registry"),
            (b"eyJ0aW1lIjox", "base64"),
            (b"\xf3\x89\x9a\xc2\x0a", "the Kinesis Producer Library, and broken, or in another aggregate"),
        ];
        for utf_16 in [&b"\xff\xfe{\0"[..], b"\xfe\xff\0{", b"{\0\"\0t\0"] {
            assert!(packing(utf_16).unwrap().starts_with("UTF-16"), "{utf_16:?}");
        }
        for (data, packed_by) in cases {
            assert_eq!(packing(data), Some(format!("packed by {packed_by}")), "{data:?}");
        }
    }

    #[test]
    fn text_is_packed_by_nobody() {
        let texts = [
            "",
            "{}",
            "[1]",
            "2018-09-06T08:04:56Z",
            "192.0.2.10 - - ",
            "x^2",
            "xz",
            "BZh",
            "Obj",
            "::1 - -",
            "tomorrow",
        ];
        for text in texts {
            assert_eq!(packing(text.as_bytes()), None, "{text}");
        }
        assert_eq!(packer(&[0; 100]), Some("a schema of Confluent's registry"));
    }
}
