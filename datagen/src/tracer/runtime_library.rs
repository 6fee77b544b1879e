//! Finds a library that is loaded at run time, so that nothing is needed to build.
use std::path::{Path, PathBuf};

/// Where a library may lie, and what to say when it lies nowhere.
#[derive(Clone, Copy, Debug)]
pub struct RuntimeLibrary {
    /// For people.
    pub name: &'static str,
    /// Environment variable that names the file; what the user names is used or refused, never passed over.
    pub variable: &'static str,
    /// Where `make setup` puts it: below the current folder, or below an ancestor of the executable.
    pub fetched: &'static str,
    /// File name that the system's loader knows.
    pub system: &'static str,
    /// Added to the complaint: what else may be done.
    pub otherwise: &'static str,
}

impl RuntimeLibrary {
    /// What `load` makes of the first file that loads, and that file.
    ///
    /// # Errors
    /// Why the last candidate did not load, and the cure.
    pub fn open<T, E: std::fmt::Display>(&self, load: impl Fn(&Path) -> Result<T, E>) -> Result<(T, PathBuf), String> {
        self.open_first(self.candidates(std::env::var_os(self.variable).map(PathBuf::from)), load)
    }

    fn open_first<T, E: std::fmt::Display>(
        &self,
        candidates: Vec<PathBuf>,
        load: impl Fn(&Path) -> Result<T, E>,
    ) -> Result<(T, PathBuf), String> {
        let mut why = String::new();
        for path in candidates {
            match load(&path) {
                Ok(loaded) => return Ok((loaded, path)),
                Err(err) => why = format!("{err}: {}", path.display()),
            }
        }
        let RuntimeLibrary { name, variable, otherwise, .. } = self;
        Err(format!("{name} not found ({why}); `make setup` fetches it, {variable} names it{otherwise}"))
    }

    /// In the order in which they are tried.
    fn candidates(&self, named: Option<PathBuf>) -> Vec<PathBuf> {
        if let Some(path) = named {
            return vec![path];
        }
        let mut places = vec![Path::new(".").join(self.fetched)];
        if let Ok(executable) = std::env::current_exe() {
            places.extend(executable.ancestors().skip(1).take(6).map(|folder| folder.join(self.fetched)));
        }
        places.retain(|p| p.exists());
        places.push(self.system.into());
        places
    }
}

/// A struct `Api` of the library's entry points, and `unsafe fn load(path)` that fills it. The library is never closed:
/// that would unmap its scheduler under threads that outlive any owner.
///
/// What the caller of `load` answers for: the library's initializers have no preconditions, and each symbol has the type
/// it is given here.
macro_rules! entry_points {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        #[allow(non_snake_case)]
        struct Api {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
            _library: std::mem::ManuallyDrop<libloading::Library>,
        }
        impl Api {
            unsafe fn load(path: &std::path::Path) -> Result<Self, libloading::Error> {
                // SAFETY: the caller's promise.
                unsafe {
                    let library = libloading::Library::new(path)?;
                    Ok(Api {
                        $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)*
                        _library: std::mem::ManuallyDrop::new(library),
                    })
                }
            }
        }
    };
}
pub(crate) use entry_points;

#[cfg(test)]
mod tests {
    use super::*;

    const LIBRARY: RuntimeLibrary = RuntimeLibrary {
        name: "Some library",
        variable: "SOME_LIB",
        fetched: "third_party/some/libsome.so",
        system: "libsome.so",
        otherwise: ", or do without",
    };

    #[test]
    fn a_missing_library_is_named_with_its_cure() {
        let gone = PathBuf::from("/nowhere/libsome.so");
        let candidates = LIBRARY.candidates(Some(gone.clone()));
        assert_eq!(candidates, [gone], "a named library is never passed over");
        let err = LIBRARY.open_first(candidates, |_| Err::<(), _>("no such file")).unwrap_err();
        for part in ["no such file: /nowhere/libsome.so", "make setup", "SOME_LIB names it, or do without"] {
            assert!(err.contains(part), "{err}");
        }
    }

    #[test]
    fn the_first_that_loads_is_taken() {
        let places = ["a", "b", "c"].map(PathBuf::from).to_vec();
        let load = |path: &Path| if path == Path::new("a") { Err("not this") } else { Ok(7) };
        assert_eq!(LIBRARY.open_first(places, load), Ok((7, "b".into())));
    }
}
