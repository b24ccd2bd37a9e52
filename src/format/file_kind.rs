//! What a file is that is no log: packed, or of another encoding. Pure.

use std::fmt;

/// It is another kind of file, and this says what to do.
#[derive(Debug)]
pub(super) struct NoLog(pub(super) String);

impl fmt::Display for NoLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoLog {}

/// What packed a file that begins like this, and what unpacks it.
pub(super) fn packing(start: &[u8]) -> Option<(&'static str, &'static str)> {
    if start.get(257..262) == Some(b"ustar") {
        return Some(("tar", "tar -xf FILE.tar"));
    }
    let packers: [(&[u8], _, _); 8] = [
        (b"\x1f\x8b", "gzip", "gunzip -k FILE.gz"),
        (b"BZh", "bzip2", "bunzip2 -k FILE.bz2"),
        (b"\xfd7zXZ\0", "xz", "unxz -k FILE.xz"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unzstd FILE.zst"),
        (b"PK\x03\x04", "zip", "unzip FILE.zip"),
        (b"\x04\x22\x4d\x18", "lz4", "unlz4 FILE.lz4"),
        (b"\x1f\x9d", "compress", "uncompress FILE.Z"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x FILE.7z"),
    ];
    packers
        .iter()
        .find(|(magic, ..)| start.starts_with(magic))
        .map(|(_, packer, command)| (*packer, *command))
}

/// With its byte order mark, or two ASCII characters as it writes them.
pub(super) fn is_utf16(start: &[u8]) -> bool {
    matches!(start, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
        || matches!(start, [1..=0x7f, 0, 1..=0x7f, 0, ..] | [0, 1..=0x7f, 0, 1..=0x7f, ..])
}
