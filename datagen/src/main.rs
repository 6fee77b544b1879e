fn main() {
    eprintln!("datagen: not built yet");
    std::process::exit(70);
}
