//! Bytes and numbers as text.

use alloc::vec::Vec;

/// The first `byte` of `text`. Eight at a time: every call looks through all witnesses, and some through
/// whole sources.
#[must_use]
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // A byte of this is 0 where `byte` stands; the lowest high bit that is left marks the first.
        let differs = u64::from_le_bytes(*word) ^ (LOW * u64::from(byte));
        let found = differs.wrapping_sub(LOW) & !differs & HIGH;
        if found != 0 {
            return Some(8 * i + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|other| *other == byte)?;
    Some(8 * words.len() + at)
}

/// Appends `number` in decimal digits.
pub fn push_decimal(text: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    text.push(b'0' + (number % 10) as u8);
}
