//! Who is in the pictures: drawn from a seed, put together from head, skin, eyes, teeth, strands, cloth, glasses and hats,
//! and made to pull a face.
//!
//! [`identity`] draws the head and [`person`] its looks; [`stage`] is what everybody shares, [`actor`] one of them on it.
pub mod accessories;
pub mod actor;
pub mod appearance;
pub mod bend;
pub mod cloth;
pub mod expressions;
pub mod eyes;
pub mod glasses;
pub mod hair;
pub mod headwear;
pub mod identity;
pub mod landmarks;
pub mod mouth_albedo;
pub mod outline;
pub mod person;
pub mod relief;
pub mod shell;
pub mod skin_albedo;
pub mod stage;
pub mod strain;
pub mod surface;
pub mod sweep;
pub mod teeth;
