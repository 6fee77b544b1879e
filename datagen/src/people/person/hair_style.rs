//! How hair is worn.
use serde::Serialize;

/// How hair is worn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HairStyle {
    /// None.
    Bald,
    /// A few millimeters.
    Buzz,
    /// Some centimeters, from the crown outwards.
    Short,
    /// Combed back.
    Swept,
    /// To the ears or chin, parted.
    Medium,
    /// Over the shoulders, parted.
    Long,
    /// A tail at the back.
    Tied,
    /// A knot at the back.
    Bun,
    /// Curls that stand off.
    Curly,
    /// Close, round, tightly curled.
    Afro,
}

impl HairStyle {
    /// Name as written into `identities`.
    pub fn name(self) -> &'static str {
        match self {
            HairStyle::Bald => "bald",
            HairStyle::Buzz => "buzz",
            HairStyle::Short => "short",
            HairStyle::Swept => "swept",
            HairStyle::Medium => "medium",
            HairStyle::Long => "long",
            HairStyle::Tied => "tied",
            HairStyle::Bun => "bun",
            HairStyle::Curly => "curly",
            HairStyle::Afro => "afro",
        }
    }

    /// Whether a fringe can be cut into it.
    pub fn takes_fringe(self) -> bool {
        matches!(self, HairStyle::Medium | HairStyle::Long | HairStyle::Tied | HairStyle::Bun)
    }
}
