//! Reproducible damage: bytes of a valid file, changed at random.
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// Lengths and counts that readers stumble over.
const EXTREMES: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, i64::MAX as u64, u64::MAX];

/// A copy of one of `seeds` with one to eight changes.
pub fn mutant(seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seeds[below(rng, seeds.len())].clone();
    for _ in 0..=below(rng, 8) {
        change(&mut bytes, seeds, rng);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.push(rng.next_u32() as u8);
    }
    let at = place(bytes.len(), rng);
    let run = (below(rng, 16) + 1).min(bytes.len() - at);
    match below(rng, 10) {
        0..=2 => bytes[at] ^= 1 << below(rng, 8),
        3 => bytes[at] = rng.next_u32() as u8,
        4 => bytes.truncate(at),
        5 => drop(bytes.drain(at..at + run)),
        6 => {
            let copy = bytes[at..at + run].to_vec();
            let to = place(bytes.len(), rng);
            bytes.splice(to..to, copy);
        }
        7 => {
            let number = EXTREMES[below(rng, EXTREMES.len())].to_le_bytes();
            let width = [1, 2, 4, 8][below(rng, 4)].min(bytes.len() - at);
            bytes[at..at + width].copy_from_slice(&number[..width]);
        }
        8 => {
            // A number as Parquet's footer has it: seven bits a byte, the highest tells that more follow.
            let varint = varint(EXTREMES[below(rng, EXTREMES.len())]);
            bytes.splice(at..at + 1, varint);
        }
        _ => {
            let other = &seeds[below(rng, seeds.len())];
            let from = below(rng, other.len().max(1));
            let piece = other[from..(from + run).min(other.len())].to_vec();
            let end = (at + piece.len()).min(bytes.len());
            bytes.splice(at..end, piece);
        }
    }
}

/// Half of the changes hit the last kilobytes, where footers are.
fn place(length: usize, rng: &mut ChaCha8Rng) -> usize {
    let tail = length.saturating_sub(6000);
    match below(rng, 2) {
        0 => tail + below(rng, length - tail),
        _ => below(rng, length),
    }
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn below(rng: &mut ChaCha8Rng, end: usize) -> usize {
    (rng.next_u64() % end.max(1) as u64) as usize
}
