//! Messages of every length, and those that are none.

use super::*;

fn forget() -> Command {
    Command::Forget { policy: Digest::sha256(b"x") }
}

#[test]
fn a_message_is_read_as_it_was_written() {
    let mut wire = Vec::new();
    write(&mut wire, &forget()).unwrap();
    write(&mut wire, &Command::Body(Ok(Some("\u{1f642}".to_owned())))).unwrap();
    let mut reader = wire.as_slice();
    assert!(
        matches!(read::<Command>(&mut reader).unwrap(), Command::Forget { policy } if policy == Digest::sha256(b"x"))
    );
    assert!(
        matches!(read::<Command>(&mut reader).unwrap(), Command::Body(Ok(Some(text))) if text == "\u{1f642}")
    );
    assert!(reader.is_empty());
}

#[tokio::test]
async fn both_ways_of_reading_and_writing_agree() {
    let mut wire = Vec::new();
    write(&mut wire, &forget()).unwrap();
    let mut sent = Vec::new();
    send(&mut sent, &forget()).await.unwrap();
    assert_eq!(sent, wire);
    assert!(matches!(receive::<Command>(&mut wire.as_slice()).await.unwrap(), Command::Forget { .. }));
}

#[test]
fn what_is_too_long_broken_or_cut_off_is_an_error() {
    let mut wire = Vec::new();
    write(&mut wire, &forget()).unwrap();
    wire.pop();
    let kind = |bytes: &[u8]| read::<Command>(&mut &*bytes).unwrap_err().kind();
    assert_eq!(kind(&wire), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(&[]), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(&u32::MAX.to_be_bytes()), io::ErrorKind::InvalidData);
    assert_eq!(kind(b"\0\0\0\x02{}"), io::ErrorKind::InvalidData);
    let long = Command::Body(Ok(Some("x".repeat(FRAME_BYTES_MAX))));
    assert_eq!(write(&mut Vec::new(), &long).unwrap_err().kind(), io::ErrorKind::InvalidData);
}
