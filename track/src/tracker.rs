//! What every fit needs: the networks, the head, the settings.
use crate::config::TrackConfig;
use crate::networks::Networks;
use crate::photos::Dense;
use head::HeadModel;

/// Opened and checked.
pub struct Tracker {
    /// Detector and face network.
    pub networks: Networks,
    /// The head to fit.
    pub head: HeadModel,
    /// Settings.
    pub config: TrackConfig,
}

impl Tracker {
    /// What of the network's answers this head understands.
    pub fn dense(&self) -> Dense {
        Dense::of(&self.networks, &self.head)
    }
}
