//! Which frames of a clip are measured.

/// At most `most` of `n` places, in order: all if there are no more, otherwise `most / run` runs (at least one) of `run`
/// consecutive places, the first at the beginning and the last at the end.
pub fn evenly(n: usize, most: usize, run: usize) -> Vec<usize> {
    if n <= most {
        return (0..n).collect();
    }
    let (runs, last) = ((most / run).max(1), n.saturating_sub(run));
    let start = |k: usize| if runs == 1 { last / 2 } else { k * last / (runs - 1) };
    (0..runs).flat_map(|k| start(k)..(start(k) + run).min(n)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_spread_and_do_not_overlap() {
        assert_eq!(evenly(4, 8, 3), [0, 1, 2, 3]);
        assert_eq!(evenly(10, 4, 1), [0, 3, 6, 9]);
        assert_eq!(evenly(30, 6, 3), [0, 1, 2, 27, 28, 29]);
        assert_eq!(evenly(9, 3, 3), [3, 4, 5]);
        assert!(evenly(0, 8, 1).is_empty());
        for n in 49..400 {
            let chosen = evenly(n, 48, 3);
            assert_eq!(chosen.len(), 48);
            assert!(chosen.windows(2).all(|w| w[0] < w[1]) && chosen[47] == n - 1, "{n}: {chosen:?}");
        }
    }
}
