//! gzip, unpacked within bounds. Pure.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use crate::text::grouped;

/// What a record may unpack to: 16 MiB. A megabyte of gzip can be a gigabyte of zeros, and whoever may write to
/// the stream may send it.
pub(crate) const GUNZIPPED: usize = 16 << 20;

/// Whether it begins as gzip does: two bytes of magic, and 8 for the one method that there is (RFC 1952).
pub(crate) fn is_gzip(data: &[u8]) -> bool {
    data.starts_with(&[0x1f, 0x8b, 8])
}

/// What was packed, all members of it one after the other.
///
/// # Errors
/// The reason, when it is broken, cut short, or more than `limit` bytes: no more than these are unpacked.
pub(crate) fn gunzip(data: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let mut packed = MultiGzDecoder::new(data).take(limit as u64 + 1);
    match packed.read_to_end(&mut unpacked) {
        Ok(_) if unpacked.len() > limit => {
            Err(format!("packed by gzip, and more than {} bytes when unpacked", grouped(limit)))
        }
        Ok(_) => Ok(unpacked),
        Err(error) => Err(format!("packed by gzip, and broken: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_was_packed_comes_back_all_members_of_it() {
        let both = [gzip(b"one, "), gzip(b"two")].concat();
        assert!(is_gzip(&both));
        assert_eq!(gunzip(&both, 8).unwrap(), b"one, two");
        assert_eq!(gunzip(&gzip(b""), 0).unwrap(), b"");
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 70_000);
        assert!(gunzip(&gzip(&[0; 100]), 100).is_ok());
        let reason = gunzip(&bomb, GUNZIPPED).unwrap_err();
        assert_eq!(reason, "packed by gzip, and more than 16,777,216 bytes when unpacked");
        // Many small members are a bomb, too.
        let many: Vec<u8> = std::iter::repeat_n(gzip(&[0; 1_000]), 100).flatten().collect();
        assert!(gunzip(&many, 99_999).is_err() && gunzip(&many, 100_000).is_ok());
    }

    #[test]
    fn what_is_broken_is_no_data() {
        let whole = gzip(b"192.0.2.10");
        for cut in 0..whole.len() {
            assert!(gunzip(&whole[..cut], 100).is_err() || cut == 0, "{cut}");
        }
        let mut bent = whole.clone();
        let at = bent.len() - 6; // in the checksum
        bent[at] ^= 1;
        let reason = gunzip(&bent, 100).unwrap_err();
        assert!(reason.starts_with("packed by gzip, and broken: "), "{reason}");
        assert!(gunzip(&[&whole[..], b"behind it"].concat(), 100).is_err());
    }
}
