//! BLAKE2s-256 (RFC 7693), for cache keys and compilation unit ids.
//!
//! An implementation of our own, because the hot path links no library; it is checked against the RFC's example and
//! the reference implementation. The hash covers a compile's whole command line. BLAKE2s takes a third of SHA-256's
//! instructions and, unlike BLAKE3, little code. Every text is hashed with its length, so that no two lists of
//! texts produce the same input.

use crate::shared::machine::FileState;

/// Length of a digest in bytes.
pub const LEN: usize = 32;

const BLOCK: usize = 64;

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The order in which each round uses a block's words.
#[rustfmt::skip]
const ORDERS: [[u8; 16]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
    [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
    [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
    [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
    [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
    [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
    [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
    [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
    [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
];

/// The columns, then the diagonals.
#[rustfmt::skip]
static LANES: [[u8; 4]; 8] = [
    [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
    [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

/// An incremental hash.
#[derive(Clone)]
pub struct Hasher {
    state: [u32; 8],
    pending: [u8; BLOCK],
    /// Bytes hashed so far, including pending ones.
    len: u64,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// A hash with no input yet.
    #[must_use]
    pub fn new() -> Self {
        let mut state = INITIAL;
        // The only nonzero parameters are the digest's length and the tree's shape (sequential).
        state[0] ^= 0x0101_0000 | LEN as u32;
        Self {
            state,
            pending: [0; BLOCK],
            len: 0,
        }
    }

    /// Adds raw bytes.
    pub fn bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = (self.len % BLOCK as u64) as usize;
            if at == 0 && self.len != 0 {
                // The last block is compressed with a flag of its own, so a full block waits until more input
                // arrives.
                compress(&mut self.state, &self.pending, self.len, 0);
            }
            let (now, rest) = bytes.split_at(bytes.len().min(BLOCK - at));
            self.pending[at..at + now.len()].copy_from_slice(now);
            self.len += now.len() as u64;
            bytes = rest;
        }
    }

    /// Adds a number.
    pub fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }

    /// Adds a text with its length, so that its end is unambiguous.
    pub fn text(&mut self, text: &[u8]) {
        // No argument, variable or path is longer (`MAX_ARG_STRLEN`), nor is any file that is read.
        self.bytes(&(text.len() as u32).to_le_bytes());
        self.bytes(text);
    }

    /// Adds the state of a file, except its device number, which a reboot or another container changes. The caller
    /// also adds the path, which distinguishes the file systems of one machine.
    pub fn file_state(&mut self, file_state: &FileState) {
        let times = [file_state.mtime, file_state.mtime_nsec];
        let numbers = [file_state.ino, file_state.size].into_iter().chain(times);
        numbers.for_each(|number| self.number(number));
    }

    /// Finishes the hash and returns the digest.
    #[must_use]
    pub fn finish(mut self) -> [u8; LEN] {
        let used = match (self.len % BLOCK as u64) as usize {
            0 if self.len != 0 => BLOCK,
            used => used,
        };
        self.pending[used..].fill(0);
        compress(&mut self.state, &self.pending, self.len, u32::MAX);
        let mut digest = [0; LEN];
        for (out, word) in digest.chunks_exact_mut(4).zip(self.state) {
            out.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

/// Mixes in one block. `len` is the total length up to the block's end; `last` is all ones for the last block.
fn compress(state: &mut [u32; 8], block: &[u8; BLOCK], len: u64, last: u32) {
    let (words, _) = block.as_chunks::<4>();
    let mut v = [0_u32; 16];
    v[..8].copy_from_slice(state);
    v[8..].copy_from_slice(&INITIAL);
    v[12] ^= len as u32;
    v[13] ^= (len >> 32) as u32;
    v[14] ^= last;
    for order in &ORDERS {
        for (i, lanes) in LANES.iter().enumerate() {
            let [a, b, c, d] = lanes.map(usize::from);
            for (half, (right_d, right_b)) in [(16, 12), (8, 7)].into_iter().enumerate() {
                let word = u32::from_le_bytes(words[usize::from(order[2 * i + half])]);
                v[a] = v[a].wrapping_add(v[b]).wrapping_add(word);
                v[d] = (v[d] ^ v[a]).rotate_right(right_d);
                v[c] = v[c].wrapping_add(v[d]);
                v[b] = (v[b] ^ v[c]).rotate_right(right_b);
            }
        }
    }
    for (i, word) in state.iter_mut().enumerate() {
        *word ^= v[i] ^ v[i + 8];
    }
}

/// Appends the hexadecimal digits of `digest`.
pub fn push_hex(out: &mut alloc::vec::Vec<u8>, digest: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for byte in digest {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn hex(input: &[u8]) -> alloc::string::String {
        let mut hasher = Hasher::new();
        hasher.bytes(input);
        let mut out = alloc::vec::Vec::new();
        push_hex(&mut out, &hasher.finish());
        alloc::string::String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_examples_of_the_standard_and_of_its_reference() {
        let counting: Vec<u8> = (0..=255).collect();
        for (input, digest) in [
            (
                &b""[..],
                "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9",
            ),
            (
                b"abc",
                "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
            ),
            (
                &counting[..63],
                "e57cb79487dd57902432b250733813bd96a84efce59f650fac26e6696aefafc3",
            ),
            (
                &counting[..64],
                "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e",
            ),
            (
                &counting[..65],
                "1b53ee94aaf34e4b159d48de352c7f0661d0a40edff95a0b1639b4090e974472",
            ),
            (
                &counting[..128],
                "1fa877de67259d19863a2a34bcc6962a2b25fcbf5cbecd7ede8f1fa36688a796",
            ),
            (
                &counting,
                "5fdeb59f681d975f52c8e69c5502e02a12a3afcc5836ba58f42784c439228781",
            ),
            (
                &[b'a'; 1_000_000],
                "bec0c0e6cde5b67acb73b81f79a67a4079ae1c60dac9d2661af18e9f8b50dfa5",
            ),
        ] {
            assert_eq!(hex(input), digest, "{} bytes", input.len());
        }
    }

    #[test]
    fn a_text_in_pieces_is_the_same_text() {
        let text = [7; 300];
        for split in [0, 1, 63, 64, 65, 128, 299] {
            let mut hasher = Hasher::new();
            hasher.bytes(&text[..split]);
            hasher.bytes(&text[split..]);
            let mut whole = Hasher::new();
            whole.bytes(&text);
            assert_eq!(hasher.finish(), whole.finish(), "{split}");
        }
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        let digest = |texts: [&[u8]; 2]| {
            let mut hasher = Hasher::new();
            texts.iter().for_each(|text| hasher.text(text));
            hasher.finish()
        };
        assert_ne!(digest([b"ab", b"c"]), digest([b"a", b"bc"]));
    }
}
