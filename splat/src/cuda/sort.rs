//! Scan and radix sort on the device; the kernels are in `rasterize/sort.cu`.
use super::Error;
use super::engine::{self, Address, Engine, Launch};
use super::pool::{Buffer, Pool};
use super::program::Program;

/// Threads a block, values a block of the scan, keys a block of a sort, digits; as in sort.cu.
const THREADS: usize = 256;
const SCAN_BLOCK: usize = 2048;
const SORT_BLOCK: usize = 2048;
const DIGITS: usize = 256;
/// Bits a pass.
const DIGIT_BITS: u32 = 8;
/// Most blocks that count digits: enough for every processor, few enough that their sums cost nothing.
const MOST_HISTOGRAM_BLOCKS: usize = 512;
/// Most keys: a block's status has 30 bits for its count.
pub const MOST_KEYS: usize = (1 << 30) - 1;

/// Words that start at zero, cleared in one go.
pub struct Zeros {
    buffer: Buffer,
    words: usize,
    used: usize,
}

impl Zeros {
    pub fn new(pool: &Pool, words: usize) -> Result<Self, Error> {
        let buffer = pool.take::<u32>(words)?;
        // SAFETY: the buffer has that many words and nobody else has it.
        unsafe { pool.engine().clear(buffer.address(), 4 * words)? };
        Ok(Zeros { buffer, words, used: 0 })
    }

    /// The next `words`, which must be even so that all are aligned to 8 bytes.
    pub fn take(&mut self, words: usize) -> Address {
        let at = self.used;
        self.used += words;
        assert!(words.is_multiple_of(2) && self.used <= self.words, "as many words as were counted");
        self.buffer.address().offset(4 * at)
    }
}

/// Passes that sort keys under `keys`.
pub fn passes_for(keys: usize) -> usize {
    (usize::BITS - keys.saturating_sub(1).leading_zeros()).div_ceil(DIGIT_BITS).max(1) as usize
}

/// Words of [`Zeros`] that a scan takes.
pub fn scan_words(n: usize) -> usize {
    2 * n.div_ceil(SCAN_BLOCK) + 2
}

/// Words of [`Zeros`] that a sort takes.
pub fn sort_words(most: usize, passes: usize) -> usize {
    passes * (DIGITS + 2 + DIGITS * most.div_ceil(SORT_BLOCK))
}

#[repr(C)]
struct ScanArgs {
    values: Address,
    index: Address,
    sums: Address,
    status: Address,
    ticket: Address,
    total: Address,
    n: u32,
    limit: u32,
}

/// What a scan reads.
pub struct Scanned {
    /// `[n]`
    pub values: Address,
    /// `[n]` or none: `values` is read through it.
    pub index: Address,
    pub n: usize,
}

/// Exclusive sums of `from` into `sums`, and `[2]` into `total`: their total, at most `limit`; and their total.
///
/// # Safety
/// The addresses have the sizes said.
pub unsafe fn scan(
    engine: &dyn Engine,
    from: &Scanned,
    sums: Address,
    (total, limit): (Address, usize),
    zeros: &mut Zeros,
) -> Result<(), Error> {
    let blocks = from.n.div_ceil(SCAN_BLOCK);
    let (ticket, status) = (zeros.take(2), zeros.take(2 * blocks));
    let (n, limit) = (from.n as u32, limit as u32);
    let args = ScanArgs { values: from.values, index: from.index, sums, status, ticket, total, n, limit };
    // SAFETY: passed on to the caller; status and ticket are sized as sort.cu says.
    unsafe { run(engine, "scan", blocks, &args) }
}

#[repr(C)]
struct HistogramArgs {
    keys: Address,
    n: Address,
    histograms: Address,
    passes: u32,
}

#[repr(C)]
struct SortArgs {
    keys_in: Address,
    values_in: Address,
    keys_out: Address,
    values_out: Address,
    n: Address,
    starts: Address,
    status: Address,
    ticket: Address,
    shift: u32,
}

/// Where keys are sorted, to and fro; the result is in the first of each.
pub struct Room {
    pub keys: [Address; 2],
    pub values: [Address; 2],
}

impl Room {
    /// Where the keys must be before a sort of so many passes.
    pub fn unsorted(&self, passes: usize) -> Address {
        self.keys[passes % 2]
    }
}

/// Sorts the first `*n` keys in `room`, of which there are at most `most`, by their lowest 8·`passes` bits. Then its first
/// keys are in ascending order, and its first values say where each was before; equal keys keep their order.
///
/// # Safety
/// All of `room` has `most` words, `n` holds no more than that.
pub unsafe fn sort(
    engine: &dyn Engine,
    room: &Room,
    (n, most): (Address, usize),
    passes: usize,
    zeros: &mut Zeros,
) -> Result<(), Error> {
    let blocks = most.div_ceil(SORT_BLOCK);
    let histograms = zeros.take(DIGITS * passes);
    let args = HistogramArgs { keys: room.unsorted(passes), n, histograms, passes: passes as u32 };
    // SAFETY: passed on to the caller.
    unsafe { run(engine, "sort_histogram", most.div_ceil(THREADS).min(MOST_HISTOGRAM_BLOCKS), &args)? };
    // SAFETY: as above; every pass has its 256 words.
    unsafe { run(engine, "sort_starts", passes, &args)? };
    for pass in 0..passes {
        let from = (passes - pass) % 2;
        let args = SortArgs {
            keys_in: room.keys[from],
            values_in: if pass == 0 { Address::NONE } else { room.values[from] },
            keys_out: room.keys[1 - from],
            values_out: room.values[1 - from],
            n,
            starts: histograms.offset(4 * DIGITS * pass),
            ticket: zeros.take(2),
            status: zeros.take(DIGITS * blocks),
            shift: DIGIT_BITS * pass as u32,
        };
        // SAFETY: as above.
        unsafe { run(engine, "sort_pass", blocks, &args)? };
    }
    Ok(())
}

/// # Safety
/// As [`Engine::launch`].
unsafe fn run<A>(engine: &dyn Engine, kernel: &'static str, blocks: usize, args: &A) -> Result<(), Error> {
    if blocks == 0 {
        return Ok(());
    }
    let program = program();
    // SAFETY: passed on to the caller.
    unsafe { engine::launch(engine, Launch { program, kernel, blocks, threads: THREADS }, args) }
}

/// The program, put together once.
pub fn program() -> &'static Program {
    static PROGRAM: std::sync::OnceLock<Program> = std::sync::OnceLock::new();
    PROGRAM.get_or_init(Program::sort)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_cover_every_key() {
        assert_eq!([1, 2, 256, 257, 65536, 65537].map(passes_for), [1, 1, 1, 2, 2, 3]);
    }
}
