//! Every kernel compiles for every GPU that is supported, without spilling, within the registers of the committed table.
//!
//! NVRTC needs no GPU; `make kernels` fetches it. Where it is missing, the test says so and what to do.
//! SPLAT_UPDATE_REGISTERS=1 writes the table anew.
use splat::cuda::nvrtc::{self, Target};
use splat::cuda::program::Program;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Compute capabilities: A100, RTX 30, RTX 40, H100 and H200, B200, RTX 50.
const ARCHITECTURES: [u32; 6] = [80, 86, 89, 90, 100, 120];

/// What the assembler says of one kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    registers: usize,
    stack_bytes: usize,
    spilled_bytes: usize,
    shared_bytes: usize,
}

/// (program, kernel) to the registers it may use on each of `ARCHITECTURES`.
type Table = BTreeMap<(String, String), [usize; ARCHITECTURES.len()]>;

fn table_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda/registers.txt")
}

fn read_table() -> Table {
    let text = std::fs::read_to_string(table_path()).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let registers: Vec<usize> = cells[2].split_whitespace().map(|cell| cell.parse().unwrap()).collect();
        ((cells[0].to_string(), cells[1].to_string()), registers.try_into().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

fn write_table(table: &Table) {
    let mut text = String::from(
        "# Registers a thread of each kernel, an upper bound that tests/kernels.rs holds the compiler to.\n# program | kernel |",
    );
    ARCHITECTURES.iter().for_each(|arch| text += &format!(" sm_{arch}"));
    text.push('\n');
    for ((program, kernel), registers) in table {
        let registers = registers.map(|count| format!("{count:>3}")).join(" ");
        text += &format!("{program:<20} | {kernel:<14} | {registers}\n");
    }
    std::fs::write(table_path(), text).unwrap();
}

/// Reads the assembler's lines: `Compiling entry function 'NAME'`, then stack and spills, then registers.
fn usage_by_kernel(log: &str) -> BTreeMap<String, Usage> {
    let number_before = |line: &str, what: &str| -> usize {
        let words = line.split(what).next().unwrap_or_default();
        words.split_whitespace().last().and_then(|word| word.parse().ok()).unwrap_or(0)
    };
    let mut all: BTreeMap<String, Usage> = BTreeMap::new();
    let mut kernel = String::new();
    for line in log.lines() {
        if let Some(rest) = line.split("Compiling entry function '").nth(1) {
            kernel = rest.split('\'').next().unwrap_or_default().to_string();
        }
        let usage = all.entry(kernel.clone()).or_default();
        if line.contains("bytes stack frame") {
            usage.stack_bytes = number_before(line, " bytes stack frame");
            usage.spilled_bytes =
                number_before(line, " bytes spill stores") + number_before(line, " bytes spill loads");
        }
        if line.contains(" registers") {
            usage.registers = number_before(line, " registers");
            usage.shared_bytes = if line.contains("bytes smem") { number_before(line, " bytes smem") } else { 0 };
        }
    }
    all
}

/// The compiler's words for one program and GPU, kept from an earlier run if nothing changed.
fn log_of(program: &Program, arch: u32) -> Result<String, String> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let compiler = nvrtc::compiler().map_err(|error| error.to_string())?;
    let mut hasher = DefaultHasher::new();
    (program, arch, compiler.version()).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels");
    let path = folder.join(format!("{:016x}.log", hasher.finish()));
    if let Ok(log) = std::fs::read_to_string(&path) {
        return Ok(log);
    }
    let compiled = compiler.compile(program, Target::Binary(arch), &["--ptxas-options=-v"]);
    let log = compiled.map_err(|error| error.to_string())?.log;
    std::fs::create_dir_all(&folder).unwrap();
    let own = path.with_extension(std::process::id().to_string());
    std::fs::write(&own, &log).and_then(|()| std::fs::rename(&own, &path)).unwrap();
    Ok(log)
}

/// Everything that is wrong with one program on one GPU.
fn findings(program: &Program, column: usize, limits: &Table, seen: &mut Table) -> Vec<String> {
    let arch = ARCHITECTURES[column];
    let log = match log_of(program, arch) {
        Ok(log) => log,
        Err(error) => return vec![error],
    };
    // #177: unused. Both programs of a variant begin with the same constants.
    let warnings = log.lines().filter(|line| line.contains("warning #") && !line.contains("#177-D"));
    let mut wrong: Vec<String> = warnings.map(String::from).collect();
    let usage = usage_by_kernel(&log);
    for &kernel in program.kernels {
        let Some(usage) = usage.get(kernel) else {
            wrong.push(format!("{}: {kernel} is not in the binary for sm_{arch}", program.name));
            continue;
        };
        let key = (program.name.clone(), kernel.to_string());
        let limit = limits.get(&key).map_or(0, |row| row[column]);
        if usage.spilled_bytes > 0 || usage.stack_bytes > 0 {
            wrong.push(format!("{}: {kernel} spills on sm_{arch}: {usage:?}", program.name));
        }
        if usage.registers > limit {
            wrong.push(format!(
                "{}: {kernel} on sm_{arch}: {} registers, {limit} allowed",
                program.name, usage.registers
            ));
        }
        seen.entry(key).or_default()[column] = usage.registers;
    }
    wrong
}

#[test]
fn every_kernel_compiles_without_spilling() {
    if let Err(missing) = nvrtc::compiler() {
        // A machine without the network still tests the rest; `make kernels` fetches the compiler or fails.
        assert!(std::env::var_os("SPLAT_REQUIRE_NVRTC").is_none(), "{missing}");
        eprintln!("kernels not compiled: {missing}; `make kernels` fetches it");
        return;
    }
    let (programs, limits) = (Program::all(), read_table());
    let jobs: Vec<(usize, usize)> =
        (0..programs.len()).flat_map(|p| (0..ARCHITECTURES.len()).map(move |a| (p, a))).collect();
    let (next, wrong, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Table::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(|| {
                while let Some(&(program, column)) = jobs.get(next.fetch_add(1, Relaxed)) {
                    let mut table = Table::new();
                    let found = findings(&programs[program], column, &limits, &mut table);
                    wrong.lock().unwrap().extend(found);
                    let mut seen = seen.lock().unwrap();
                    table.into_iter().for_each(|(key, row)| seen.entry(key).or_default()[column] = row[column]);
                }
            });
        }
    });
    let (wrong, seen) = (wrong.into_inner().unwrap(), seen.into_inner().unwrap());
    if std::env::var_os("SPLAT_UPDATE_REGISTERS").is_some() {
        write_table(&seen);
        return;
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let listed: BTreeSet<_> = limits.keys().collect();
    assert!(listed == seen.keys().collect(), "registers.txt lists kernels that are gone");
}

#[test]
fn usage_is_read_from_the_compilers_words() {
    let log = "ptxas info    : Compiling entry function 'blend' for 'sm_90'\nptxas info    : Function properties for blend\n\
        ptxas         .     16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\n\
        ptxas info    : Used 40 registers, used 1 barriers, 12320 bytes smem\n";
    let want = Usage { registers: 40, stack_bytes: 16, spilled_bytes: 12, shared_bytes: 12320 };
    assert_eq!(usage_by_kernel(log)["blend"], want);
}

/// A mistake in a kernel comes back as an error that holds the compiler's words.
#[test]
fn a_kernel_that_does_not_compile_says_why() {
    let Ok(compiler) = nvrtc::compiler() else { return };
    let program =
        Program { name: "broken".into(), source: "__global__ void k() { nonsense; }".into(), kernels: &["k"] };
    let error = compiler.compile(&program, Target::Binary(90), &[]).unwrap_err().to_string();
    assert!(error.contains("broken does not compile for sm_90") && error.contains("nonsense"), "{error}");
}

/// A GPU newer than the compiler gets assembly, which its driver finishes.
#[test]
fn unknown_gpus_get_assembly() {
    let Ok(compiler) = nvrtc::compiler() else { return };
    assert_eq!(compiler.target_for(90).unwrap(), Target::Binary(90));
    let Target::Assembly(newest) = compiler.target_for(999).unwrap() else { panic!("a binary for sm_999") };
    let text = compiler.compile(&Program::adam(), Target::Assembly(newest), &[]).unwrap().binary;
    assert!(String::from_utf8_lossy(&text).contains(".entry adam"));
}
