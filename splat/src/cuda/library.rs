//! Functions of a library that is looked for at run time.

/// Declares a table of C functions that return a status, and how to find them by name.
macro_rules! functions {
    ($table:ident { $($name:ident($($argument:ty),*);)* }) => {
        #[allow(non_snake_case, reason = "as the library has them")]
        pub(super) struct $table {
            $(pub $name: unsafe extern "C" fn($($argument),*) -> i32,)*
        }

        impl $table {
            /// # Safety
            /// The library's functions have these signatures, and it stays loaded.
            pub unsafe fn of(library: &libloading::Library) -> Result<Self, libloading::Error> {
                // SAFETY: passed on to the caller.
                unsafe { Ok($table { $($name: *library.get(concat!(stringify!($name), "\0").as_bytes())?,)* }) }
            }
        }
    };
}
pub(super) use functions;
