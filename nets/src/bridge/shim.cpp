// An autograd node whose backward is a Rust closure. Narrow includes: 5 s to compile instead of 10.
// The Rust half is custom.rs; names there and here agree.
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/leaky_relu.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

using at::Tensor;
using torch::autograd::Node;
using torch::autograd::variable_list;

extern "C" {
// 0 = ok; otherwise *error is a malloc'd message. outs[i] = null (no gradient) or a new Tensor*.
int nets_closure_backward(void* closure, Tensor** grads, int n_grads, Tensor** outs, int n_outs, char** error);
void nets_closure_drop(void* closure);
}

namespace {
struct RustNode final : public Node {
  void* closure;
  int n_inputs;
  RustNode(void* c, int n) : closure(c), n_inputs(n) {}
  ~RustNode() override { nets_closure_drop(closure); }
  std::string name() const override { return "RustBackward"; }

  variable_list apply(variable_list&& grads) override {
    std::vector<Tensor*> in(grads.size()), out(n_inputs, nullptr);
    for (size_t i = 0; i < grads.size(); i++) in[i] = grads[i].defined() ? &grads[i] : nullptr;
    char* error = nullptr;
    int failed = nets_closure_backward(closure, in.data(), (int)in.size(), out.data(), n_inputs, &error);
    variable_list result(n_inputs);
    for (int i = 0; i < n_inputs; i++)
      if (out[i]) {
        result[i] = std::move(*out[i]);
        delete out[i];
      }
    if (failed) {
      std::string message = error ? error : "backward closure failed";
      free(error);
      throw std::runtime_error(message);
    }
    return result;
  }
};
}  // namespace

// Makes `outs` depend on `ins` through `closure`, which it owns from here on. Null, or a malloc'd message.
extern "C" char* nets_attach(Tensor** ins, int n_ins, Tensor** outs, int n_outs, void* closure) {
  std::shared_ptr<RustNode> node(new RustNode(closure, n_ins), torch::autograd::deleteNode);
  if (!at::GradMode::is_enabled()) return nullptr;  // the node, and with it the closure, is dropped here
  try {
    torch::autograd::edge_list edges;
    for (int i = 0; i < n_ins; i++) edges.push_back(torch::autograd::impl::gradient_edge(*ins[i]));
    node->set_next_edges(std::move(edges));
    for (int i = 0; i < n_outs; i++) torch::autograd::set_history(*outs[i], node);
  } catch (const std::exception& e) {
    return strdup(e.what());
  }
  return nullptr;
}

// torch's own leaky rectifier: tch exposes it with a fixed slope of 0.01 only. Null and *error set, or a new Tensor*.
extern "C" Tensor* nets_leaky_relu(Tensor* x, double slope, char** error) {
  try {
    return new Tensor(at::leaky_relu(*x, slope));
  } catch (const std::exception& e) {
    *error = strdup(e.what());
    return nullptr;
  }
}
