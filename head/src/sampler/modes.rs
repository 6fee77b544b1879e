//! How far the smooth deformation modes vary: standard deviations measured on scans.
//!
//! Provenance: people drawn from the 100 scan modes of ICT-FaceKit Light (USC ICT, MIT) were registered with all columns
//! (`make identity-space`) and projected onto the modes. A mode gets what the targets' own variance lacks there,
//! `σ² = max(scans − local targets − half the macro targets, scans / 5)`, times 0.8: half of the macro targets' variance
//! is age and build, which the scanned adults have less of. Only these numbers come from the scans.

/// Millimetres at the place each mode moves most, by kind and axis, lowest frequency first.
const SPREAD_MM: [(&str, &[f32]); 6] = [
    ("ex", &[0.08, 0.11, 0.12, 0.12, 0.09, 0.18, 0.07, 0.13, 0.10, 0.15, 0.03, 0.09]),
    (
        "ey",
        &[
            1.38, 1.25, 0.95, 0.75, 0.91, 0.49, 0.50, 0.49, 0.32, 0.58, 0.77, 0.35, 0.29, 0.42, 0.26, 0.23, 0.38, 0.26,
            0.14, 0.17, 0.14, 0.25, 0.20, 0.21, 0.18, 0.28, 0.34, 0.61, 0.24, 0.61, 0.24, 0.32, 0.14, 0.31, 0.27, 0.10,
            0.11, 0.11, 0.42, 0.14, 0.23, 0.24, 0.17, 0.08,
        ],
    ),
    (
        "ez",
        &[
            0.94, 0.92, 1.56, 1.45, 1.07, 0.63, 0.65, 1.22, 1.46, 1.23, 0.37, 0.86, 0.93, 0.46, 0.32, 0.40, 0.32, 0.55,
            0.32, 0.25, 0.28, 0.17, 0.36, 0.41, 0.23, 0.51, 0.34, 0.85, 0.34, 0.73, 0.25, 0.41, 0.35, 0.30, 0.19, 0.13,
            0.27, 0.11, 0.16, 0.19, 0.10, 0.14, 0.07, 0.12,
        ],
    ),
    (
        "ox",
        &[
            1.70, 1.70, 0.88, 0.77, 0.57, 0.32, 0.87, 0.39, 0.29, 0.65, 0.18, 0.25, 0.46, 0.17, 0.69, 0.21, 0.27, 0.15,
            0.37, 0.34, 0.34, 0.41, 0.16, 2.11, 0.33, 0.19, 0.64, 0.36, 0.17, 0.22, 0.17, 0.23, 0.13, 0.18, 0.17, 0.15,
        ],
    ),
    ("oy", &[0.11, 0.11, 0.10, 0.05, 0.05, 0.05, 0.04, 0.09, 0.06, 0.11, 0.11, 0.09]),
    ("oz", &[0.29, 0.17, 0.14, 0.11, 0.12, 0.07, 0.08, 0.10, 0.06, 0.10, 0.11, 0.10]),
];

/// Standard deviation of a mode (`e07y`) at the place it moves most (millimetres).
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
