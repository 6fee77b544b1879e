//! Places on the hm08 base mesh, as vertex numbers of `base.obj`.
//!
//! The topology never changes, so a place is named once, here, and holds for every identity. Numbers of the person's
//! right half (-x) and the middle are given; the left follows by symmetry.

/// On the front of the collar: the edge loop through it runs once around the shoulders, and the head is cut there.
pub const CUT: u32 = 1526;
/// Mid lower lip, just inside the mouth: its edge loop separates the lips from the lining of the mouth.
pub const MOUTH_RING: u32 = 557;
/// A vertex deep in the mouth, beyond [`MOUTH_RING`].
pub const MOUTH_INSIDE: u32 = 693;

/// Edge loops around the mouth from outside the red of the lips inwards, each by its vertex in the middle of the
/// lower lip.
pub const LIP_RINGS: [u32; 5] = [492, 496, 495, 513, 494];

/// Along the edge of the jaw, from before the ear to the chin; the contour landmarks are spread over it evenly.
pub const JAW: [u32; 17] = [870, 867, 868, 5098, 869, 912, 895, 894, 893, 915, 3698, 917, 916, 914, 918, 919, 732];

/// Landmarks beside the contour: iBUG index and the vertices whose mean is the place.
pub const LANDMARKS: [(usize, &[u32]); 30] = [
    // Brow, outer to inner.
    (17, &[255]),
    (18, &[224, 225]),
    (19, &[204, 222, 222, 224]),
    (20, &[205, 223, 223]),
    (21, &[208, 208, 235]),
    // Bridge of the nose, down to the tip.
    (27, &[132]),
    (28, &[135, 131]),
    (29, &[164, 201]),
    (30, &[5054]),
    // Base of the nose: wing, nostril, septum.
    (31, &[288]),
    (32, &[359, 359, 314]),
    (33, &[317, 343]),
    // Eye: outer corner, upper lid, inner corner, lower lid.
    (36, &[24]),
    (37, &[0]),
    (38, &[54]),
    (39, &[66]),
    (40, &[47]),
    (41, &[41]),
    // Border of the red of the lips: corner, upper, lower.
    (48, &[422]),
    (49, &[5354, 410, 5351, 447]),
    (50, &[450, 460]),
    (51, &[455, 466]),
    (59, &[406, 480, 478, 484]),
    (58, &[486, 490]),
    (57, &[492, 496]),
    // Where the lips meet.
    (60, &[430, 443]),
    (61, &[471, 514]),
    (62, &[474, 520]),
    (67, &[488, 482, 487, 481]),
    (66, &[494, 493]),
];
