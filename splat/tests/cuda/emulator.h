// Runs CUDA kernels on the CPU, so that their source can be tested where no GPU is.
//
// The threads of a block are fibers that run until they meet a barrier, a shuffle or a vote, and go on once all of the
// block or warp have come. It is stricter than a GPU: collectives take whole warps only, lanes that wait at different
// lines are an error, and so is a block that cannot go on. Threads run in ascending or descending order: a kernel that
// forgets a barrier gives different bits in the two. Blocks run one after the other, or several at once on threads of the
// operating system, each with shared memory of its own: so blocks that wait for others are tested too.
#pragma once
#include <atomic>
#include <csetjmp>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <ucontext.h>
#include <vector>

#define EMULATED 1
#define __device__
#define __global__
#define __forceinline__ inline
#define __shared__ static thread_local
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__

struct float4 {
    float x, y, z, w;
};
struct Index {
    unsigned x;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace emulator {
constexpr unsigned WARP_SIZE = 32;
constexpr size_t STACK_BYTES = 96 * 1024;
constexpr unsigned MOST_THREADS = 1024;

struct Fiber {
    ucontext_t start;
    jmp_buf at;
    bool started, finished;
    std::unique_ptr<char[]> stack;
};

// Where the threads of a warp or block meet. Two sets of values: the next meeting may begin while some still read.
struct Meeting {
    unsigned arrived, generation;
    int line;
    uint64_t values[2][WARP_SIZE];
    unsigned all[2];
};

struct State {
    std::vector<Fiber> fibers;
    Meeting warps[MOST_THREADS / WARP_SIZE], block;
    jmp_buf scheduler;
    ucontext_t back;
    unsigned thread, threads, progress;
    void (*body)(const void*);
    const void* arguments;
    char error[256];
};
inline thread_local State state;
} // namespace emulator

inline thread_local Index threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {
inline void fail(const char* format, ...) {
    if (state.error[0]) return;
    va_list values;
    va_start(values, format);
    vsnprintf(state.error, sizeof state.error, format, values);
    va_end(values);
}

inline void yield() {
    if (_setjmp(state.fibers[state.thread].at) == 0) _longjmp(state.scheduler, 1);
}

inline void leave_for_good() {
    state.fibers[state.thread].finished = true;
    state.progress++;
    _longjmp(state.scheduler, 1);
}

inline void run_fiber() {
    state.body(state.arguments);
    leave_for_good();
}

// Comes to a meeting of `size` threads from source line `line`; returns which of its two sets of values is this one's.
inline unsigned arrive(Meeting& m, unsigned size, int line) {
    const unsigned generation = m.generation;
    if (m.arrived == 0) m.line = line;
    else if (m.line != line) fail("threads wait at lines %d and %d", m.line, line);
    state.progress++;
    if (++m.arrived == size) {
        m.arrived = 0;
        m.generation++;
    } else {
        while (m.generation == generation) yield();
    }
    return generation & 1;
}

inline Meeting& warp_meeting() { return state.warps[state.thread / WARP_SIZE]; }

// Every lane's value.
inline const uint64_t* exchange(unsigned mask, uint64_t value, int line) {
    if (mask != 0xffffffffu) fail("line %d: a collective of part of a warp", line);
    Meeting& m = warp_meeting();
    m.values[m.generation & 1][state.thread % WARP_SIZE] = value;
    return m.values[arrive(m, WARP_SIZE, line)];
}

template <class T>
uint64_t to_bits(T v) {
    static_assert(sizeof(T) <= 8, "at most 8 bytes a lane");
    uint64_t bits = 0;
    memcpy(&bits, &v, sizeof v);
    return bits;
}
template <class T>
T from_bits(uint64_t bits) {
    T v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

inline void prepare(unsigned threads) {
    state.threads = threads;
    state.block = {};
    for (auto& warp : state.warps) warp = {};
    if (state.fibers.size() < threads) state.fibers.resize(threads);
    for (unsigned i = 0; i < threads; i++) {
        Fiber& f = state.fibers[i];
        if (!f.stack) f.stack.reset(new char[STACK_BYTES]);
        f.started = f.finished = false;
    }
}

// Lets thread `i` go on until it waits or ends.
inline void resume(unsigned i) {
    Fiber& f = state.fibers[i];
    if (f.finished) return;
    state.thread = threadIdx.x = i;
    if (_setjmp(state.scheduler) != 0) return;
    if (f.started) _longjmp(f.at, 1);
    f.started = true;
    getcontext(&f.start);
    f.start.uc_stack.ss_sp = f.stack.get();
    f.start.uc_stack.ss_size = STACK_BYTES;
    f.start.uc_link = nullptr;
    makecontext(&f.start, run_fiber, 0);
    setcontext(&f.start);
}

inline bool run_block(unsigned threads, bool descending) {
    prepare(threads);
    for (;;) {
        state.progress = 0;
        bool all_finished = true;
        for (unsigned i = 0; i < threads; i++) {
            const unsigned thread = descending ? threads - 1 - i : i;
            resume(thread);
            all_finished = all_finished && state.fibers[thread].finished;
        }
        if (all_finished || state.error[0]) return !state.error[0];
        if (state.progress == 0) fail("block %u: threads wait for others that do not come", blockIdx.x);
    }
}

enum Order : unsigned { ASCENDING = 0, DESCENDING = 1, CONCURRENT = 2 };
constexpr unsigned CONCURRENT_BLOCKS = 4;

// Runs blocks until `next` says that there are none left, or one fails; returns what went wrong.
template <class Arguments>
std::string run_blocks(
    void (*kernel)(Arguments), std::atomic<unsigned>& next, unsigned blocks, unsigned threads, const void* arguments, Order order) {
    static thread_local void (*current)(Arguments);
    current = kernel;
    state.error[0] = 0;
    state.arguments = arguments;
    state.body = [](const void* arguments) { current(*static_cast<const Arguments*>(arguments)); };
    blockDim.x = threads, gridDim.x = blocks;
    while ((blockIdx.x = next++) < blocks && run_block(threads, order == DESCENDING)) {}
    return state.error;
}

// Null, or what went wrong.
template <class Arguments>
const char* launch(void (*kernel)(Arguments), unsigned blocks, unsigned threads, const void* arguments, size_t size, Order order) {
    static thread_local std::string error;
    error.clear();
    std::atomic<unsigned> next{0};
    if (size != sizeof(Arguments)) {
        error = "arguments of " + std::to_string(size) + " bytes, the kernel takes " + std::to_string(sizeof(Arguments));
    } else if (threads == 0 || threads > MOST_THREADS || threads % WARP_SIZE) {
        error = "a block of " + std::to_string(threads) + " threads";
    } else if (order != CONCURRENT) {
        error = run_blocks(kernel, next, blocks, threads, arguments, order);
    } else {
        std::string errors[CONCURRENT_BLOCKS];
        std::vector<std::thread> workers;
        for (std::string& mine : errors)
            workers.emplace_back([&] { mine = run_blocks(kernel, next, blocks, threads, arguments, order); });
        for (std::thread& worker : workers) worker.join();
        for (const std::string& mine : errors)
            if (error.empty()) error = mine;
    }
    return error.empty() ? nullptr : error.c_str();
}
} // namespace emulator

// Makes kernel `name` callable from outside.
#define EMULATE(name)                                                                                                  \
    extern "C" const char* launch_##name(                                                                              \
        unsigned blocks, unsigned threads, const void* arguments, size_t size, emulator::Order order) {                \
        return emulator::launch(name, blocks, threads, arguments, size, order);                                        \
    }

// ---- what kernels call -------------------------------------------------------------------------------------------

inline void __syncthreads(int line = __builtin_LINE()) {
    emulator::arrive(emulator::state.block, emulator::state.threads, line);
}
inline int __syncthreads_and(int v, int line = __builtin_LINE()) {
    auto& m = emulator::state.block;
    unsigned& all = m.all[m.generation & 1];
    if (m.arrived == 0) all = 1;
    all = all && v;
    return m.all[emulator::arrive(m, emulator::state.threads, line)];
}
inline void __syncwarp(int line = __builtin_LINE()) { emulator::exchange(0xffffffffu, 0, line); }

template <class T>
T __shfl_sync(unsigned mask, T v, unsigned lane, int line = __builtin_LINE()) {
    return emulator::from_bits<T>(emulator::exchange(mask, emulator::to_bits(v), line)[lane % 32]);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, unsigned step, int line = __builtin_LINE()) {
    return emulator::from_bits<T>(emulator::exchange(mask, emulator::to_bits(v), line)[(threadIdx.x ^ step) % 32]);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned step, int line = __builtin_LINE()) {
    const unsigned lane = threadIdx.x % 32;
    return emulator::from_bits<T>(emulator::exchange(mask, emulator::to_bits(v), line)[lane < step ? lane : lane - step]);
}
inline unsigned __ballot_sync(unsigned mask, int v, int line = __builtin_LINE()) {
    const uint64_t* all = emulator::exchange(mask, v != 0, line);
    unsigned bits = 0;
    for (unsigned i = 0; i < 32; i++) bits |= (unsigned)all[i] << i;
    return bits;
}
inline int __all_sync(unsigned mask, int v, int line = __builtin_LINE()) {
    const uint64_t* all = emulator::exchange(mask, v != 0, line);
    for (unsigned i = 0; i < 32; i++)
        if (!all[i]) return 0;
    return 1;
}
inline unsigned __match_any_sync(unsigned mask, unsigned v, int line = __builtin_LINE()) {
    const uint64_t* all = emulator::exchange(mask, v, line);
    unsigned bits = 0;
    for (unsigned i = 0; i < 32; i++) bits |= (unsigned)(all[i] == v) << i;
    return bits;
}
inline unsigned __reduce_max_sync(unsigned mask, unsigned v, int line = __builtin_LINE()) {
    const uint64_t* all = emulator::exchange(mask, v, line);
    uint64_t most = 0;
    for (unsigned i = 0; i < 32; i++) most = all[i] > most ? all[i] : most;
    return (unsigned)most;
}

inline unsigned atomicAdd(unsigned* at, unsigned v) {
    return __atomic_fetch_add(at, v, __ATOMIC_RELAXED);
}

using std::isfinite;
inline int __ffs(unsigned v) { return __builtin_ffs((int)v); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fsqrt_rn(float v) { return sqrtf(v); }
inline float __fdividef(float a, float b) { return a / b; }
inline unsigned __float_as_uint(float v) { return (unsigned)emulator::to_bits(v); }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
