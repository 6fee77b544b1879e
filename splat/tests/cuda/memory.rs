//! How much memory the passes take on a GPU, counted without one.
use crate::scenes::{around, shell};
use splat::cuda::program::Program;
use splat::cuda::{
    Address, DeviceGaussians, DeviceGradients, DeviceImages, DeviceUpstream, Engine, Error, Fetched, Launch, Rasterizer,
};
use splat::{Camera, Gaussians, Settings};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Keeps book of its memory, runs nothing, and says that `instances` were counted.
struct Ledger {
    instances: u32,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    next: u64,
    sizes: HashMap<u64, usize>,
    peak_bytes: usize,
}

impl Ledger {
    fn new(instances: usize) -> Self {
        Ledger { instances: instances as u32, book: Mutex::default() }
    }
}

struct Counted(Vec<u8>);

impl Fetched for Counted {
    fn is_ready(&self) -> Result<bool, Error> {
        Ok(true)
    }

    fn wait(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }
}

// SAFETY: addresses are never followed, for nothing runs.
unsafe impl Engine for Ledger {
    fn allocate(&self, bytes: usize) -> Result<Address, Error> {
        let mut book = self.book.lock().unwrap();
        book.next += 1 << 40;
        let at = book.next;
        book.sizes.insert(at, bytes);
        let held: usize = book.sizes.values().sum();
        book.peak_bytes = book.peak_bytes.max(held);
        Ok(Address(at))
    }

    unsafe fn free(&self, at: Address) {
        self.book.lock().unwrap().sizes.remove(&at.0).expect("memory of this engine");
    }

    unsafe fn clear(&self, _at: Address, _bytes: usize) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn write(&self, _to: Address, _from: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn read(&self, to: &mut [u8], _from: Address) -> Result<(), Error> {
        to.fill(0);
        Ok(())
    }

    /// The counters of a frame: instances kept and wanted, buckets kept and wanted, then reasons.
    unsafe fn fetch(&self, _from: Address, bytes: usize) -> Result<Arc<dyn Fetched>, Error> {
        let mut out = [self.instances; 4].map(u32::to_le_bytes).concat();
        out.resize(bytes, 0);
        Ok(Arc::new(Counted(out)))
    }

    fn prepare(&self, _programs: &[&Program]) -> Result<(), Error> {
        Ok(())
    }

    unsafe fn launch(&self, _launch: Launch<'_>, _arguments: *const u8, _size: usize) -> Result<(), Error> {
        Ok(())
    }
}

/// Most bytes held at any time over some training steps.
fn peak_bytes(gaussians: &Gaussians, cameras: &[Camera], instances: usize) -> usize {
    let ledger = Arc::new(Ledger::new(instances));
    let mut rasterizer = Rasterizer::shared(ledger.clone());
    // What is the caller's lies elsewhere.
    let there = Address(1);
    let device = DeviceGaussians {
        means: there,
        quats: there,
        log_scales: there,
        opacity_logits: there,
        colors: there,
        kind: gaussians.kind,
        n_scenes: 1,
        n_gaussians: gaussians.len(),
    };
    let images = DeviceImages { color: there, ..DeviceImages::default() };
    let upstream = DeviceUpstream { color: there, ..DeviceUpstream::default() };
    let gradients = DeviceGradients {
        means: there,
        quats: there,
        log_scales: there,
        opacity_logits: there,
        colors: there,
        background: there,
        cameras: there,
        mean_2d: there,
        mean_2d_abs: there,
    };
    for _ in 0..3 {
        // SAFETY: no address is followed.
        unsafe {
            let frame = rasterizer.forward(&device, cameras, &Settings::default(), &images).unwrap();
            rasterizer.backward(&frame, &upstream, &gradients).unwrap();
        }
    }
    let peak = ledger.book.lock().unwrap().peak_bytes;
    assert!(rasterizer.device_bytes() <= peak);
    drop(rasterizer);
    assert!(ledger.book.lock().unwrap().sizes.is_empty(), "all memory goes back");
    peak
}

/// 100,000 Gaussians from eight cameras at 512×512, forward and backward: a training step of an avatar.
#[test]
fn a_batch_of_eight_fits_six_hundred_megabytes() {
    let (gaussians, cameras) = (shell(100_000), around(8, 512));
    let (_, saved) = splat::forward(gaussians.slices(), &cameras, &Settings::default()).unwrap();
    let peak = peak_bytes(&gaussians, &cameras, saved.instances());
    println!("{} instances, {} bytes", saved.instances(), peak);
    assert!(peak <= 600_000_000, "{} instances take {peak} bytes", saved.instances());
}

/// What a pass leaves is found by the next one like it; a scene that wants more gets more.
#[test]
fn memory_is_used_again() {
    let (gaussians, cameras) = (shell(1000), around(2, 64));
    assert!(peak_bytes(&gaussians, &cameras, 4000) < peak_bytes(&gaussians, &cameras, 40_000));
    let ledger = Arc::new(Ledger::new(4000));
    let mut rasterizer = Rasterizer::shared(ledger.clone());
    let mut allocations = Vec::new();
    for _ in 0..3 {
        drop(rasterizer.forward_slices(gaussians.slices(), &cameras, &Settings::default()).unwrap());
        allocations.push(ledger.book.lock().unwrap().next);
    }
    assert_eq!(allocations[1], allocations[2]);
}
