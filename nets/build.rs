//! Compiles the autograd shim against the libtorch that `torch-sys` found.
use std::path::Path;

fn main() {
    // torch-sys has `links = "tch"` and publishes where the libraries lie; the headers lie beside them.
    let lib = std::env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys publishes libtorch_lib");
    let root = Path::new(&lib).parent().expect("<libtorch>/lib has a parent");
    println!("cargo:rerun-if-changed=src/bridge/shim.cpp");
    println!("cargo:rerun-if-changed=build.rs");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .include(root.join("include"))
        .warnings(false)
        .file("src/bridge/shim.cpp")
        .compile("nets_shim");
}
