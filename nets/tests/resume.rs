//! A run resumed from a checkpoint on the CPU continues bit for bit. Alone in its process: torch's generator is global.
use nets::rng::seed_step;
use nets::training::ema::Ema;
use nets::training::optim::{Adam, AdamConfig};
use nets::training::schedule::Schedule;
use nets::weights::checkpoint::Checkpoint;
use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

struct Run {
    vars: nn::VarStore,
    net: nn::Sequential,
    adam: Adam,
    ema: Ema,
}

impl Run {
    fn new() -> Run {
        tch::manual_seed(3);
        let vars = nn::VarStore::new(Device::Cpu);
        let p = vars.root();
        let conv = nn::ConvConfig { padding: 1, ..Default::default() };
        let net = nn::seq()
            .add(nn::conv2d(&p / "a", 3, 8, 3, conv))
            .add_fn(|x| x.dropout(0.2, true).leaky_relu())
            .add(nn::conv2d(&p / "b", 8, 3, 3, conv));
        let config = AdamConfig { weight_decay: 0.01, ..Default::default() };
        let (adam, ema) = (Adam::over(&vars, config), Ema::new(&vars, 0.99));
        Run { vars, net, adam, ema }
    }

    fn steps(&mut self, range: std::ops::Range<u64>) {
        let schedule = Schedule::cosine(1e-2, 3, 20, 1e-4);
        for step in range {
            seed_step(11, step);
            let x = Tensor::randn([2, 3, 16, 16], (Kind::Float, Device::Cpu));
            self.adam.zero_grad();
            (self.net.forward(&x) - x.flip([3])).square().mean(Kind::Float).backward();
            self.adam.clip_grad_norm(0.5);
            self.adam.step(schedule.at(step));
            self.ema.update();
        }
    }

    fn save(&self, step: u64) -> Vec<u8> {
        let mut c = Checkpoint::new(step);
        c.put_vars("model", &self.vars);
        self.adam.save("adam", &mut c);
        self.ema.save("ema", &mut c);
        c.to_bytes(std::path::Path::new("memory")).unwrap()
    }

    fn load(&mut self, bytes: &[u8]) -> u64 {
        let c = Checkpoint::from_bytes(bytes, std::path::Path::new("memory")).unwrap();
        c.restore_vars("model", &self.vars).unwrap();
        self.adam.load("adam", &c).unwrap();
        self.ema.load("ema", &c).unwrap();
        c.step
    }
}

#[test]
fn a_resumed_run_continues_bit_for_bit() {
    let mut straight = Run::new();
    straight.steps(0..20);
    let mut first = Run::new();
    first.steps(0..10);
    let saved = first.save(10);
    let mut second = Run::new();
    second.steps(0..3); // another state, to be overwritten
    let step = second.load(&saved);
    second.steps(step..20);
    assert!(straight.save(20) == second.save(20), "20 steps straight equal 10 + 10, dropout and all");
    assert!(straight.save(20) != first.save(20), "the comparison is not vacuous");
}
