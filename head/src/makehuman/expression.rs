//! The 52 ARKit units from the face unit targets.
use super::assembly::{Assembly, Origin};
use super::wheel::{FACE_UNITS, Wheel};
use super::{Base, target};
use crate::error::Error;
use crate::model::{ARKIT, Basis};
use glam::Vec3;

/// One column a unit, in the order of [`ARKIT`]; the eyeballs stay: they turn by the rig.
pub fn columns(base: &Base, assembly: &Assembly, wheel: &mut Wheel) -> Result<Basis, Error> {
    let mut basis = Basis::default();
    for unit in ARKIT {
        let file = format!("{FACE_UNITS}{unit}.target");
        let mut column = vec![Vec3::ZERO; assembly.origins.len()];
        if wheel.has(&file) {
            let mut field = target::read(wheel, &file, base.positions.len())?;
            field.iter_mut().for_each(|value| *value *= base.scale);
            column = assembly.displace(&field);
        }
        for (displacement, origin) in column.iter_mut().zip(&assembly.origins) {
            if matches!(origin, Origin::Ball(..)) {
                *displacement = Vec3::ZERO;
            }
        }
        basis.names.push(unit.into());
        basis.columns.extend(column);
    }
    Ok(basis)
}
