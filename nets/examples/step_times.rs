//! Processor milliseconds of the building blocks on this machine: `cargo run --release -p nets --example step_times`.
use nets::blocks::conv::{channels_last, weights_channels_last};
use nets::losses::perceptual::{FeatureNet, Perceptual};
use nets::losses::recognizer::RecognizerNet;
use tch::{Device, Kind, Tensor, nn};

/// Processor time, not the clock: other programs on the machine count little. With one thread the two are the same.
fn cpu_ms() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and `t` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 * 1e-6
}

fn best_ms(mut f: impl FnMut()) -> f64 {
    f();
    let mut once = || {
        let start = cpu_ms();
        f();
        cpu_ms() - start
    };
    (0..5).map(|_| once()).fold(f64::INFINITY, f64::min)
}

fn main() {
    tch::set_num_threads(std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1));
    let picture = |b: i64, n: i64| Tensor::rand([b, 3, n, n], (Kind::Float, Device::Cpu));
    for laid in [false, true] {
        let layout = |t: Tensor| if laid { channels_last(&t) } else { t };
        let name = if laid { "channels last" } else { "contiguous" };
        let vars = nn::VarStore::new(Device::Cpu);
        let identity = RecognizerNet::new(&(vars.root() / "identity"));
        let features = FeatureNet::new(&(vars.root() / "features"));
        if laid {
            weights_channels_last(&vars);
        }
        let x = layout(picture(32, 96));
        println!(
            "{name}: recognizer, 32 crops, forward {:.0} ms",
            best_ms(|| drop(tch::no_grad(|| identity.forward(&x))))
        );
        let train = || identity.forward(&x).1.square().mean(Kind::Float).backward();
        println!("{name}: recognizer, 32 crops, forward + backward {:.0} ms", best_ms(train));
        let x = layout(picture(8, 112));
        println!(
            "{name}: feature net, 8 x 112 px, forward {:.0} ms",
            best_ms(|| drop(tch::no_grad(|| features.features(&x))))
        );
        let train = || features.features(&x)[3].square().mean(Kind::Float).backward();
        println!("{name}: feature net, 8 x 112 px, forward + backward {:.0} ms", best_ms(train));
    }
    let net = Perceptual::random(Device::Cpu);
    let (a, b) = (picture(1, 256).set_requires_grad(true), picture(1, 256));
    println!("perceptual loss, 256 px, forward + backward {:.0} ms", best_ms(|| net.distance(&a, &b).backward()));
    println!(
        "SSIM loss, 256 px, forward + backward {:.1} ms",
        best_ms(|| nets::losses::image::ssim_loss(&a, &b).backward())
    );
    let (a, b) = (picture(1, 512).set_requires_grad(true), picture(1, 512));
    println!(
        "SSIM loss, 512 px, forward + backward {:.1} ms",
        best_ms(|| nets::losses::image::ssim_loss(&a, &b).backward())
    );
    let map = Tensor::rand([1, 128, 256, 256], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let uv = Tensor::rand([50_000, 2], (Kind::Float, Device::Cpu));
    let look = || nets::bridge::uv::uv_sample(&map, &uv).square().mean(Kind::Float).backward();
    println!("uv_sample, 128 channels, 50,000 Gaussians, forward + backward {:.0} ms", best_ms(look));
    let sampler = nets::bridge::uv::UvSampler::new(&uv, 256, 256);
    let look = || sampler.sample(&map).square().mean(Kind::Float).backward();
    println!("UvSampler, the same, forward + backward {:.0} ms", best_ms(look));
    let laid = channels_last(&map.detach()).set_requires_grad(true);
    let look = || sampler.sample(&laid).square().mean(Kind::Float).backward();
    println!("UvSampler, the same from channels last, forward + backward {:.0} ms", best_ms(look));
}
