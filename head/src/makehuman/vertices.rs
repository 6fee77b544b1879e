//! Places on the hm08 base mesh, as vertex numbers of `base.obj`.
//!
//! The topology never changes, so a place is named once, here, and holds for every identity. Right-hand numbers
//! (the person's right, -x) are given; the mirror table gives the left.

/// On the front of the collar: the edge loop through it runs once around the shoulders, and the head is cut there.
pub const CUT: u32 = 1526;
/// Mid lower lip, just inside the mouth: its edge loop separates the lips from the lining of the mouth.
pub const MOUTH_RING: u32 = 557;
/// A vertex deep in the mouth (back of the palate), beyond [`MOUTH_RING`].
pub const MOUTH_INSIDE: u32 = 693;
/// The landmarks of the right half and the middle in iBUG order; `(iBUG index, base vertex)`.
pub const LANDMARKS: [(usize, u32); 39] = [
    // Jaw, ear to chin.
    (0, 5433),
    (1, 5300),
    (2, 5289),
    (3, 737),
    (4, 915),
    (5, 3694),
    (6, 917),
    (7, 5222),
    (8, 5225),
    // Brow, outer to inner.
    (17, 179),
    (18, 178),
    (19, 176),
    (20, 177),
    (21, 208),
    // Bridge of the nose, down to the tip.
    (27, 131),
    (28, 164),
    (29, 291),
    (30, 294),
    // Base of the nose: wing, nostril, septum.
    (31, 288),
    (32, 359),
    (33, 317),
    // Eye: outer corner, upper lid, inner corner, lower lid.
    (36, 24),
    (37, 9),
    (38, 54),
    (39, 66),
    (40, 47),
    (41, 36),
    // Outer border of the lips: corner, upper, lower.
    (48, 422),
    (49, 410),
    (50, 450),
    (51, 455),
    (59, 406),
    (58, 486),
    (57, 492),
    // Inner border.
    (60, 429),
    (61, 459),
    (62, 468),
    (67, 488),
    (66, 494),
];
