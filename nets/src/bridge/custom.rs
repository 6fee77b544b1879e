//! Hand-written gradients: run a forward in plain Rust, then attach a Rust closure as its backward.
//!
//! The closure becomes an autograd `Node` (shim.cpp); it costs what a built-in operation costs (about 15 µs).
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::Tensor;
use torch_sys::C_tensor;

/// From one gradient per output (`None`: nothing flowed there) to one gradient per input (`None`: zero).
pub type Backward = Box<dyn FnMut(&[Option<Tensor>]) -> Vec<Option<Tensor>> + Send>;

/// Runs `forward` without a graph and makes its outputs differentiable in `inputs` through the closure it returns.
///
/// Rules for the closure: it captures `x.detach()`, or an output's `detach()`, never an output itself (a cycle would
/// leak); it returns one `Option` per input; it may run on another thread. Gradients of gradients are not supported.
/// A panic inside becomes an error of [`Tensor::f_backward`].
///
/// ```no_run
/// use tch::Tensor;
/// fn square(x: &Tensor) -> Tensor {
///     let mut outputs = nets::bridge::custom::custom(&[x], || {
///         let saved = x.detach();
///         (vec![x * x], move |g: &[Option<Tensor>]| vec![g[0].as_ref().map(|g| g * 2.0 * &saved)])
///     });
///     outputs.remove(0)
/// }
/// ```
///
/// # Panics
/// If libtorch refuses the graph (an output that aliases an input, for example).
pub fn custom<F, B>(inputs: &[&Tensor], forward: F) -> Vec<Tensor>
where
    F: FnOnce() -> (Vec<Tensor>, B),
    B: FnMut(&[Option<Tensor>]) -> Vec<Option<Tensor>> + Send + 'static,
{
    let (outputs, backward) = tch::no_grad(forward);
    if !inputs.iter().any(|t| t.requires_grad()) {
        return outputs;
    }
    let mut outputs: Vec<Tensor> = outputs.into_iter().map(|t| t.detach()).collect();
    attach(inputs, &mut outputs, Box::new(backward));
    outputs
}

fn attach(inputs: &[&Tensor], outputs: &mut [Tensor], backward: Backward) {
    let ins: Vec<*mut C_tensor> = inputs.iter().map(|t| t.as_ptr().cast_mut()).collect();
    let outs: Vec<*mut C_tensor> = outputs.iter_mut().map(|t| t.as_mut_ptr()).collect();
    let closure = Box::into_raw(Box::new(backward)).cast::<c_void>();
    // SAFETY: the tensors outlive the call; the closure's ownership moves to C++, which gives it back once, to
    // `nets_closure_drop`, whether or not the call succeeds.
    let error = unsafe { nets_attach(ins.as_ptr(), ins.len() as c_int, outs.as_ptr(), outs.len() as c_int, closure) };
    if !error.is_null() {
        panic!("{}", take_message(error));
    }
}

fn take_message(error: *mut c_char) -> String {
    // SAFETY: the shim hands out malloc'd, zero-terminated messages, which are ours to free.
    unsafe {
        let text = CStr::from_ptr(error).to_string_lossy().into_owned();
        libc::free(error.cast());
        text
    }
}

/// Leaky rectifier with any slope, as one operation (tch has it with a slope of 0.01 only).
///
/// # Panics
/// If libtorch refuses the tensor (an integer one).
pub fn leaky_relu(x: &Tensor, slope: f64) -> Tensor {
    let mut error = std::ptr::null_mut();
    // SAFETY: the tensor outlives the call; a non-null answer is a new tensor that is ours.
    unsafe {
        let y = nets_leaky_relu(x.as_ptr().cast_mut(), slope, &mut error);
        if y.is_null() {
            panic!("{}", take_message(error));
        }
        Tensor::from_ptr(y)
    }
}

unsafe extern "C" {
    fn nets_attach(
        ins: *const *mut C_tensor,
        n_ins: c_int,
        outs: *const *mut C_tensor,
        n_outs: c_int,
        closure: *mut c_void,
    ) -> *mut c_char;
    fn nets_leaky_relu(x: *mut C_tensor, slope: f64, error: *mut *mut c_char) -> *mut C_tensor;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nets_closure_drop(closure: *mut c_void) {
    // SAFETY: `attach` made this pointer from a Box, and C++ calls this once, from the node's destructor.
    drop(unsafe { Box::from_raw(closure.cast::<Backward>()) });
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nets_closure_backward(
    closure: *mut c_void,
    grads: *const *mut C_tensor,
    n_grads: c_int,
    outs: *mut *mut C_tensor,
    n_outs: c_int,
    error: *mut *mut c_char,
) -> c_int {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: C++ passes the closure it owns, `n_grads` tensor pointers (null: no gradient) and room for
        // `n_outs` results; autograd runs a node on one thread at a time.
        let backward = unsafe { &mut *closure.cast::<Backward>() };
        let incoming: Vec<Option<Tensor>> = (0..n_grads as usize)
            .map(|i| {
                let p = unsafe { *grads.add(i) };
                (!p.is_null()).then(|| unsafe { Tensor::clone_from_ptr(p) })
            })
            .collect();
        let gradients = tch::no_grad(|| backward(&incoming));
        assert_eq!(gradients.len(), n_outs as usize, "backward must return one gradient per input");
        for (i, gradient) in gradients.into_iter().enumerate() {
            if let Some(mut t) = gradient {
                // SAFETY: in bounds; ownership of the tensor moves to C++, which deletes it.
                unsafe { *outs.add(i) = t.as_mut_ptr() };
                std::mem::forget(t);
            }
        }
    }));
    let Err(panic) = outcome else { return 0 };
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let text = CString::new(text.unwrap_or("backward closure panicked").replace('\0', " ")).unwrap_or_default();
    // SAFETY: `error` points to a null pointer that C++ frees when set.
    unsafe { *error = libc::strdup(text.as_ptr()) };
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tch::{Device, Kind};

    /// `(x·w, sin x)` with hand-written gradients.
    fn product_and_sine(x: &Tensor, w: &Tensor) -> (Tensor, Tensor) {
        let mut out = custom(&[x, w], || {
            let (xs, ws) = (x.detach(), w.detach());
            (vec![x * w, x.sin()], move |g: &[Option<Tensor>]| {
                let from_product = g[0].as_ref().map(|g| g * &ws);
                let from_sine = g[1].as_ref().map(|g| g * xs.cos());
                let dx = match (from_product, from_sine) {
                    (Some(a), Some(b)) => Some(a + b),
                    (a, b) => a.or(b),
                };
                vec![dx, g[0].as_ref().map(|g| g * &xs)]
            })
        });
        let sine = out.pop().unwrap();
        (out.pop().unwrap(), sine)
    }

    #[test]
    fn gradient_matches_central_differences() {
        tch::manual_seed(1);
        let x = Tensor::randn([7], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let w = Tensor::randn([7], (Kind::Double, Device::Cpu)).set_requires_grad(true);
        let loss = |x: &Tensor, w: &Tensor| {
            let (a, b) = product_and_sine(&(x * 2.0), w);
            (a.square() + b * 3.0).sum(Kind::Double)
        };
        loss(&x, &w).backward();
        for i in 0..7 {
            let e = 1e-6;
            let step = Tensor::zeros([7], (Kind::Double, Device::Cpu));
            let _ = step.get(i).fill_(e);
            let central_difference =
                |f: &dyn Fn(&Tensor) -> Tensor| (f(&step).double_value(&[]) - f(&-&step).double_value(&[])) / (2.0 * e);
            let dx = central_difference(&|s| loss(&(x.detach() + s), &w.detach()));
            let dw = central_difference(&|s| loss(&x.detach(), &(w.detach() + s)));
            assert!((x.grad().double_value(&[i]) - dx).abs() < 1e-7, "x {i}");
            assert!((w.grad().double_value(&[i]) - dw).abs() < 1e-7, "w {i}");
        }
    }

    #[test]
    fn an_output_nobody_uses_gives_no_gradient() {
        let x = Tensor::from(2.0).set_requires_grad(true);
        let w = Tensor::from(3.0).set_requires_grad(true);
        let (_, sine) = product_and_sine(&x, &w);
        sine.backward();
        assert!((x.grad().double_value(&[]) - 2f64.cos()).abs() < 1e-7);
        assert!(!w.grad().defined() || w.grad().double_value(&[]) == 0.0);
    }

    #[test]
    fn every_closure_is_dropped() {
        struct Counted(Arc<AtomicUsize>);
        impl Drop for Counted {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        for round in 0..300 {
            let x = Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(round % 3 != 2);
            let guard = Counted(dropped.clone());
            let y = custom(&[&x], || {
                (vec![&x * 2.0], move |g: &[Option<Tensor>]| {
                    let _keep = &guard;
                    vec![g[0].as_ref().map(|g| g * 2.0)]
                })
            });
            if round % 3 == 0 {
                y[0].sum(Kind::Float).backward();
            }
        }
        assert_eq!(dropped.load(Ordering::SeqCst), 300);
    }

    #[test]
    fn leaky_rectifier_has_its_slope_forward_and_backward() {
        let x = Tensor::from_slice(&[-2f32, 3.0]).set_requires_grad(true);
        let y = leaky_relu(&x, 0.2);
        y.sum(Kind::Float).backward();
        assert_eq!(Vec::<f32>::try_from(y).unwrap(), [-0.4, 3.0]);
        assert_eq!(Vec::<f32>::try_from(x.grad()).unwrap(), [0.2, 1.0]);
    }

    #[test]
    fn a_panic_in_backward_is_an_error_there() {
        let x = Tensor::from(1.0).set_requires_grad(true);
        let y = custom(&[&x], || (vec![&x * 2.0], |_: &[Option<Tensor>]| panic!("boom at {}", 7)));
        let error = y[0].f_backward().expect_err("the closure panics").to_string();
        assert!(error.contains("boom at 7"), "{error}");
    }
}
