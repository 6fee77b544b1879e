//! Numbers as ranges: `0,3-5,9`.
use std::collections::BTreeSet;

/// The runs of following numbers, first and last, ascending.
pub fn runs(numbers: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// `0,3-5,9`, as array jobs take it (`sbatch --array`, `qsub -J`, `bsub -J`).
pub fn text(numbers: &BTreeSet<u64>) -> String {
    let word = |(first, last): (u64, u64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    runs(numbers).into_iter().map(word).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn following_numbers_are_one_range() {
        for (numbers, expected) in [(&[][..], ""), (&[7], "7"), (&[9, 0, 4, 3, 5], "0,3-5,9"), (&[1, 0], "0-1")] {
            assert_eq!(text(&numbers.iter().copied().collect()), expected);
        }
    }
}
