//! Lines of bounded length, of whatever can be read.

use std::io::{self, BufRead, Read as _};

/// The longest line that is read, in bytes: 512 MiB. The KCL gives a page of GetRecords in one line, which is 10 MiB and
/// in base64 a third more; taken apart, an aggregate of the shortest records can become fifty times as long. Java needs
/// more memory than that to write it, so a longer one comes from somewhere else.
pub(crate) const LONGEST: u64 = 512 << 20;

/// The next line, without its end; nothing at the end, where half a line is none: whoever wrote it died of it.
///
/// # Errors
/// Those of the reader; `InvalidData` for a line that is longer than `longest`, of which no more is read than that.
pub(crate) fn next_line(reader: &mut impl BufRead, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(longest + 1).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 >= longest => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!(
                "a line is longer than {} MiB: set maxRecords in the daemon's properties to less than 10000",
                longest >> 20
            ),
        )),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn lines_come_one_after_the_other_and_half_a_line_is_none() {
        let mut reader = Cursor::new(b"one\n\ntwo\r\n\xff\nhal".to_vec());
        for line in [&b"one"[..], b"", b"two\r", b"\xff"] {
            assert_eq!(next_line(&mut reader, 5).unwrap().as_deref(), Some(line));
        }
        assert_eq!(next_line(&mut reader, 5).unwrap(), None);
    }

    #[test]
    fn a_line_may_be_as_long_as_it_may_and_no_longer() {
        assert_eq!(next_line(&mut Cursor::new(b"12345\n"), 5).unwrap().as_deref(), Some(&b"12345"[..]));
        let error = next_line(&mut Cursor::new(b"123456\n"), 5).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        // No more is read of it than that: it may have no end.
        struct Endless(u64);
        impl io::Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                self.0 += buffer.len() as u64;
                Ok(buffer.len())
            }
        }
        let mut reader = io::BufReader::with_capacity(64, Endless(0));
        assert_eq!(next_line(&mut reader, 1_000).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(reader.get_ref().0 <= 1_064, "{}", reader.get_ref().0);
    }
}
