//! Masks as COCO's compressed run lengths: columns first, runs of zeros and ones in turn.

/// The `counts` string of a mask `[height, width]`, row-major.
pub fn counts(mask: &[bool], width: usize, height: usize) -> String {
    let (mut runs, mut value, mut run) = (Vec::new(), false, 0i64);
    for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
        if mask[y * width + x] != value {
            runs.push(run);
            (value, run) = (!value, 0);
        }
        run += 1;
    }
    runs.push(run);
    text(&runs)
}

/// Each run, from the fourth on less the one two before, in groups of five bits from the lowest; the sixth bit says
/// that more follow; 48 makes it a character.
fn text(runs: &[i64]) -> String {
    let mut text = String::new();
    for (k, &run) in runs.iter().enumerate() {
        let mut rest = if k > 2 { run - runs[k - 2] } else { run };
        loop {
            let group = rest & 31;
            rest >>= 5;
            let more = if group & 16 != 0 { rest != -1 } else { rest != 0 };
            text.push(char::from((group | if more { 32 } else { 0 }) as u8 + 48));
            if !more {
                break;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_pycocotools_writes_them() {
        // From pycocotools 2.0.11: encode(asfortranarray(mask))["counts"].
        let corner = [true, false, false, false, false, false];
        assert_eq!(counts(&corner, 3, 2), "015");
        assert_eq!(counts(&[false; 6], 3, 2), "6");
        assert_eq!(counts(&[true; 6], 3, 2), "06");
        let disc: Vec<bool> = (0..64 * 64).map(|i| (i % 64 - 32i32).pow(2) + (i / 64 - 32).pow(2) < 400).collect();
        let expected = "jj0=a14L4M2M4M2N2O0O2N2O0O2O0O2O000000000000000000000001N101N101N2N101N2N3L3N3L4LXg0";
        assert_eq!(counts(&disc, 64, 64), expected);
    }
}
