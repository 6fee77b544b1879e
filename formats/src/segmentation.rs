//! What a pixel shows: the class ids of the column `segmentation`.

/// A class; its id is its discriminant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// Nothing was hit.
    Background,
    /// Skin of the face and scalp.
    Skin,
    /// Hair of the brows.
    Brow,
    /// Eyeball without iris and pupil.
    Eye,
    /// Iris and pupil.
    Iris,
    /// Red of the lips.
    Lip,
    /// Teeth.
    Teeth,
    /// Tongue.
    Tongue,
    /// Hair of the head.
    Hair,
    /// Beard.
    Beard,
    /// Ears.
    Ear,
    /// Neck.
    Neck,
    /// Garments and hats.
    Cloth,
    /// Glasses.
    Glasses,
    /// Inside of the mouth: gums and what lies behind.
    Mouth,
    /// Lashes.
    Lash,
}

/// Names by class id, as schemas and exports state them.
pub const NAMES: [&str; 16] = {
    let mut names = [""; 16];
    let mut id = 0;
    while id < names.len() {
        names[id] = Class::ALL[id].name();
        id += 1;
    }
    names
};

impl Class {
    /// In the order of their ids.
    pub const ALL: [Class; 16] = [
        Class::Background,
        Class::Skin,
        Class::Brow,
        Class::Eye,
        Class::Iris,
        Class::Lip,
        Class::Teeth,
        Class::Tongue,
        Class::Hair,
        Class::Beard,
        Class::Ear,
        Class::Neck,
        Class::Cloth,
        Class::Glasses,
        Class::Mouth,
        Class::Lash,
    ];

    /// The class of an id; `None` for ids that this version does not know.
    pub fn from_id(id: u8) -> Option<Class> {
        Class::ALL.get(usize::from(id)).copied()
    }

    /// The pixel value.
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Its name in schemas and exports.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Background => "background",
            Class::Skin => "skin",
            Class::Brow => "brow",
            Class::Eye => "eye",
            Class::Iris => "iris",
            Class::Lip => "lip",
            Class::Teeth => "teeth",
            Class::Tongue => "tongue",
            Class::Hair => "hair",
            Class::Beard => "beard",
            Class::Ear => "ear",
            Class::Neck => "neck",
            Class::Cloth => "cloth",
            Class::Glasses => "glasses",
            Class::Mouth => "mouth",
            Class::Lash => "lash",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positions() {
        for (id, class) in Class::ALL.into_iter().enumerate() {
            assert_eq!((usize::from(class.id()), Class::from_id(class.id())), (id, Some(class)));
        }
        assert_eq!((NAMES[12], Class::from_id(16)), ("cloth", None));
    }
}
