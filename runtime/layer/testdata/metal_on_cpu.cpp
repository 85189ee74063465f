// Runs gated_delta.metal on a CPU: Metal's words that C++ lacks are defined away or stood in for,
// and each thread of a threadgroup is a thread here. It shows that the source is C++ in all else and
// computes what it should; not that Metal's compiler takes it, nor how fast it is.
//
//	metal_on_cpu BATCH TOKENS < x past state taps rate bias weight > y next_past next_state
//
// Arrays are float32. SIZES, which is NK, NV, DK, DV, KERNEL, ROWS, THREADS, and EPSILON are defined
// at compilation.
#include <barrier>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

constexpr int SIMD = 32;
constexpr int sizes[] = {SIZES};

struct Threadgroup {
  std::barrier<> all{sizes[6]};
  struct Lanes {
    std::barrier<> all{SIMD};
    float slots[SIMD];
  } simd[sizes[6] / SIMD];
};

thread_local Threadgroup* current;
thread_local int self;

namespace metal {
inline float abs(float x) { return std::fabs(x); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline float simd_shuffle_xor(float x, unsigned short mask) {
  auto& lanes = current->simd[self / SIMD];
  lanes.slots[self % SIMD] = x;
  lanes.all.arrive_and_wait();
  const float other = lanes.slots[self % SIMD ^ mask];
  lanes.all.arrive_and_wait();
  return other;
}
enum class mem_flags { mem_threadgroup };
inline void threadgroup_barrier(mem_flags) { current->all.arrive_and_wait(); }
namespace precise {
inline float exp(float x) { return std::exp(x); }
inline float log(float x) { return std::log(x); }
inline float rsqrt(float x) { return 1 / std::sqrt(x); }
} // namespace precise
} // namespace metal

#define device
#define constant
#define threadgroup
#include "../gated_delta.metal"

constexpr int NK = sizes[0], NV = sizes[1], DK = sizes[2], DV = sizes[3], KERNEL = sizes[4];
constexpr int ROWS = sizes[5], THREADS = sizes[6];

static std::vector<float> read(size_t n) {
  std::vector<float> v(n);
  if (fread(v.data(), sizeof(float), n, stdin) != n) {
    exit(1);
  }
  return v;
}

static void write(const std::vector<float>& v) { fwrite(v.data(), sizeof(float), v.size(), stdout); }

int main(int, char** argv) {
  const int batch = atoi(argv[1]), tokens = atoi(argv[2]);
  constexpr int CONV = 2 * NK * DK + NV * DV, WIDTH = CONV + NV * DV + 2 * NV;
  const auto x = read(size_t(batch) * tokens * WIDTH), past = read(size_t(batch) * (KERNEL - 1) * CONV);
  const auto state = read(size_t(batch) * NV * DV * DK), taps = read(KERNEL * CONV);
  const auto rate = read(NV), bias = read(NV), weight = read(DV);
  std::vector<float> y(size_t(batch) * tokens * NV * DV, NAN), next_past(past.size(), NAN), next_state(state.size(), NAN);
  std::vector<float> decays(size_t(batch) * tokens * NV, NAN);
  for (int group = 0; group < batch * NV; group++) {
    Threadgroup shared;
    float mixed[2 * (2 * DK + DV)], squares[2 * (THREADS / SIMD)], betas[2], factors[2];
    std::vector<std::thread> threads;
    for (int i = 0; i < THREADS; i++) {
      threads.emplace_back([&, i] {
        current = &shared;
        self = i;
        qimport::gated_delta<float, float, float, NK, NV, DK, DV, KERNEL, ROWS, THREADS>(
            x.data(), tokens, past.data(), state.data(), taps.data(), rate.data(), bias.data(), weight.data(), EPSILON,
            y.data(), next_past.data(), next_state.data(), decays.data(), mixed, squares, betas, factors, group, i);
      });
    }
    for (auto& t : threads) {
      t.join();
    }
  }
  write(y);
  write(next_past);
  write(next_state);
}
