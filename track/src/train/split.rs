//! The renders of a run: those of the training identities, and those of identities held out.
use crate::Error;
use crate::train::labels::Coefficients;
use crate::train::plan::Plan;
use crate::train::renders::{self, Render};
use formats::dataset::Dataset;
use formats::order::shuffled;
use std::collections::BTreeSet;

/// Training renders, and those of people held out, of all datasets.
///
/// # Errors
/// Data that cannot be read, or without frames of either split.
pub fn split(plan: &Plan) -> anyhow::Result<(Vec<Render>, Vec<Render>)> {
    let (mut train, mut val) = (Vec::new(), Vec::new());
    let coefficients = Coefficients::new(&plan.head, plan.identity);
    let share = plan.max_frames / plan.data.len().max(1);
    for (k, path) in plan.data.iter().enumerate() {
        let data = Dataset::open(path)?;
        let identities = coefficients.of_all(data.identities());
        for (name, renders, most) in [("train", &mut train, share), ("val", &mut val, 400)] {
            let rows: Vec<usize> = shuffled(&data.split(name), plan.seed, 0).into_iter().take(most).collect();
            let mut read = renders::load(&data, &rows, &identities, plan.head.landmarks.len())?;
            // People of different datasets are different people.
            read.iter_mut().for_each(|r| r.identity_id |= (k as u32) << 24);
            renders.append(&mut read);
        }
    }
    let lacks = |what: &str| Error::Data { what: what.into(), path: plan.data.first().cloned().unwrap_or_default() };
    if train.is_empty() {
        return Err(lacks("no frames of split `train` to learn from").into());
    }
    if val.is_empty() {
        return Err(lacks("no frames of split `val` to validate on (render with dataset.val > 0)").into());
    }
    Ok((train, val))
}

/// How many people they show.
pub fn people(renders: &[Render]) -> usize {
    renders.iter().map(|r| r.identity_id).collect::<BTreeSet<_>>().len()
}
