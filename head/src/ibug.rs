//! The 68 landmarks of iBUG (Sagonas et al. 2013, "300 Faces in-the-Wild Challenge"), by name.
//!
//! Right and left are the person's own: right stands left in a frontal picture. Every list of landmarks starts with these;
//! dense ones follow.
use std::ops::Range;

/// How many there are.
pub const COUNT: usize = 68;

/// Jaw line, from the right ear over the chin to the left ear.
pub const JAW: Range<usize> = 0..17;
/// End of the jaw line at the right ear.
pub const JAW_RIGHT: usize = 0;
/// Lowest point of the chin.
pub const CHIN: usize = 8;
/// End of the jaw line at the left ear.
pub const JAW_LEFT: usize = 16;

/// Both brows, each from the person's right to left.
pub const BROWS: Range<usize> = 17..27;
/// The right brow, from its outer end.
pub const RIGHT_BROW: Range<usize> = 17..22;
/// The left brow, from its inner end.
pub const LEFT_BROW: Range<usize> = 22..27;
/// Middle of the right brow.
pub const RIGHT_BROW_MIDDLE: usize = 19;
/// Inner end of the right brow.
pub const RIGHT_BROW_INNER: usize = 21;
/// Inner end of the left brow.
pub const LEFT_BROW_INNER: usize = 22;
/// Middle of the left brow.
pub const LEFT_BROW_MIDDLE: usize = 24;

/// Root of the nose, between the eyes.
pub const NASION: usize = 27;
/// Tip of the nose.
pub const NOSE_TIP: usize = 30;
/// Base of the right wing of the nose.
pub const NOSE_RIGHT: usize = 31;
/// Base of the nose in the middle (subnasale).
pub const NOSE_BASE: usize = 33;
/// Base of the left wing of the nose.
pub const NOSE_LEFT: usize = 35;

/// Both eyes.
pub const EYES: Range<usize> = 36..48;
/// The right eye, from its outer corner over the upper lid.
pub const RIGHT_EYE: Range<usize> = 36..42;
/// The left eye, from its inner corner over the upper lid.
pub const LEFT_EYE: Range<usize> = 42..48;
/// Outer corner of the right eye.
pub const RIGHT_EYE_OUTER: usize = 36;
/// Inner corner of the right eye.
pub const RIGHT_EYE_INNER: usize = 39;
/// Inner corner of the left eye.
pub const LEFT_EYE_INNER: usize = 42;
/// Outer corner of the left eye.
pub const LEFT_EYE_OUTER: usize = 45;

/// Outer and inner border of the lips.
pub const MOUTH: Range<usize> = 48..68;
/// Outer border of the lips, from the right corner over the upper lip.
pub const OUTER_LIPS: Range<usize> = 48..60;
/// Right corner of the mouth.
pub const MOUTH_RIGHT: usize = 48;
/// Middle of the upper lip's outer border.
pub const UPPER_LIP_OUTER: usize = 51;
/// Left corner of the mouth.
pub const MOUTH_LEFT: usize = 54;
/// Middle of the lower lip's outer border.
pub const LOWER_LIP_OUTER: usize = 57;
/// Middle of the upper lip's inner border.
pub const UPPER_LIP_INNER: usize = 62;
/// Middle of the lower lip's inner border.
pub const LOWER_LIP_INNER: usize = 66;
