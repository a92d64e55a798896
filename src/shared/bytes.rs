//! Bytes and numbers as text.

use alloc::vec::Vec;

/// Finds the first `byte` in `text`. Compares eight bytes at a time, because every call scans all witnesses, and
/// some calls scan whole sources.
#[must_use]
pub fn find(text: &[u8], byte: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = text.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        // A byte of this word is 0 where `byte` occurs; the lowest high bit that remains marks the first match.
        let differs = u64::from_le_bytes(*word) ^ (LOW * u64::from(byte));
        let found = differs.wrapping_sub(LOW) & !differs & HIGH;
        if found != 0 {
            return Some(8 * i + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|other| *other == byte)?;
    Some(8 * words.len() + at)
}

/// Parses decimal digits; `None` if `digits` is not a number or is too large.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    let number = digits.iter().try_fold(0_u64, |number, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        number
            .checked_mul(10)?
            .checked_add(digit)
            .filter(|_| digit < 10)
    });
    number.filter(|_| !digits.is_empty())
}

/// Appends `number` in decimal digits.
pub fn push_decimal(text: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        push_decimal(text, number / 10);
    }
    text.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_it_is_written() {
        for number in [0, 7, 10, 4226, u64::from(u32::MAX), u64::MAX] {
            let mut text = Vec::new();
            push_decimal(&mut text, number);
            assert_eq!(text, number.to_string().into_bytes());
            assert_eq!(decimal(&text), Some(number));
        }
    }

    #[test]
    fn what_is_no_number_is_not_read_as_one() {
        for text in ["", "-1", "+1", "1 ", "1.5", "x", "18446744073709551616"] {
            assert_eq!(decimal(text.as_bytes()), None, "{text:?}");
        }
    }
}
