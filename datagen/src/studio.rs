//! What a photographer sees to: where the camera stands, its lens and shutter, what light falls, how the picture is
//! developed.
pub mod cameras;
pub mod develop;
pub mod light;
pub mod light_map;
