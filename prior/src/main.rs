fn main() {
    eprintln!("prior: not built yet");
    std::process::exit(70);
}
