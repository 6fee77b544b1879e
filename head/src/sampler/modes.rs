//! How far the smooth deformation modes vary: standard deviations measured on scans.
//!
//! Provenance: 50 people drawn from the 100 scan modes of ICT-FaceKit Light (USC ICT, MIT) were registered with all
//! columns free and projected onto the modes by least squares. A mode gets what the targets' own variance lacks there,
//! `σ² = max(scans − local targets − half the macro targets, scans / 5)`, with σ times 0.6: half of the macro targets'
//! variance is age and build, which the scanned adults have less of, and modes drawn independently overshoot simple
//! distances. Only these numbers come from the scans. The example `identity_space --modes` measures such a table again.

/// Millimeters at the place each mode moves most, by kind and axis, lowest frequency first.
const SPREAD_MM: [(&str, &[f32]); 6] = [
    ("ex", &[0.06, 0.08, 0.09, 0.09, 0.07, 0.14, 0.05, 0.10, 0.08, 0.12, 0.03, 0.07]),
    (
        "ey",
        &[
            1.04, 0.93, 0.71, 0.56, 0.69, 0.37, 0.38, 0.37, 0.24, 0.43, 0.58, 0.26, 0.22, 0.32, 0.19, 0.17, 0.28, 0.20,
            0.10, 0.13, 0.11, 0.19, 0.15, 0.16, 0.13, 0.21, 0.25, 0.46, 0.18, 0.46, 0.18, 0.24, 0.10, 0.23, 0.20, 0.08,
            0.08, 0.08, 0.31, 0.10, 0.17, 0.18, 0.13, 0.06,
        ],
    ),
    (
        "ez",
        &[
            0.70, 0.69, 1.17, 1.09, 0.81, 0.47, 0.49, 0.92, 1.09, 0.92, 0.28, 0.65, 0.70, 0.35, 0.24, 0.30, 0.24, 0.41,
            0.24, 0.19, 0.21, 0.13, 0.27, 0.31, 0.17, 0.38, 0.26, 0.63, 0.26, 0.55, 0.19, 0.31, 0.26, 0.23, 0.14, 0.10,
            0.20, 0.08, 0.12, 0.14, 0.07, 0.10, 0.05, 0.09,
        ],
    ),
    (
        "ox",
        &[
            1.28, 1.28, 0.66, 0.57, 0.43, 0.24, 0.65, 0.29, 0.22, 0.49, 0.14, 0.19, 0.35, 0.13, 0.52, 0.16, 0.20, 0.11,
            0.28, 0.26, 0.26, 0.31, 0.12, 1.58, 0.25, 0.14, 0.48, 0.27, 0.13, 0.17, 0.13, 0.18, 0.10, 0.13, 0.13, 0.12,
        ],
    ),
    ("oy", &[0.08, 0.09, 0.08, 0.04, 0.04, 0.04, 0.03, 0.07, 0.04, 0.08, 0.09, 0.07]),
    ("oz", &[0.22, 0.13, 0.10, 0.08, 0.09, 0.05, 0.06, 0.08, 0.04, 0.08, 0.08, 0.07]),
];

/// Standard deviation of a mode (`e07y`) at the place it moves most (millimeters).
pub(super) fn spread_mm(mode: &str) -> f32 {
    let (Some(kind), Some(axis)) = (mode.get(..1), mode.get(3..)) else { return 0.0 };
    let index: Option<usize> = mode.get(1..3).and_then(|digits| digits.parse().ok());
    let row = SPREAD_MM.iter().find(|(name, _)| name.starts_with(kind) && name.ends_with(axis));
    row.zip(index).and_then(|((_, row), i)| row.get(i)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_a_spread() {
        assert_eq!(spread_mm("e00x"), SPREAD_MM[0].1[0]);
        assert_eq!(spread_mm("o03z"), SPREAD_MM[5].1[3]);
        assert_eq!(SPREAD_MM.map(|(_, row)| row.len()), [12, 44, 44, 36, 12, 12]);
        assert!(["e44y", "q00x", "", "e0"].iter().all(|mode| spread_mm(mode) == 0.0));
    }
}
