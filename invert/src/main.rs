fn main() {
    eprintln!("invert: not built yet");
    std::process::exit(70);
}
