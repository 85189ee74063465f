// The experts of a single token for CUDA, behind warp.cu: the choice among them, their gates and what these open,
// and their weighed sum on that of the layers. Everything is float32; what experts hold inside is rounded once.
namespace qimport {

constexpr int WARPS = 8;    // of a block
constexpr int COLUMNS = 32; // neighbouring ones that a thread works on
constexpr int CHOICES = 32; // among more than so many experts a thread, none is made

template <typename T>
__device__ inline void load(const T* from, float (&to)[COLUMNS]) {
#pragma unroll
  for (int i = 0; i < COLUMNS; i += WIDE) {
    Chunk<T> chunk;
    chunk.load(from + i);
    chunk.widen(to + i);
  }
}

// Rows of plain numbers.
template <typename T>
struct Plain {
  const T* w;
  __device__ float dot(size_t row, int K, int at, const float (&x)[COLUMNS]) const {
    float y[COLUMNS], sum = 0;
    load(w + row * K + at, y);
#pragma unroll
    for (int i = 0; i < COLUMNS; i++) {
      sum += x[i] * y[i];
    }
    return sum;
  }
  __device__ float factor(size_t) const { return 1; }
};

// Rows in nvfp4: eight numbers e2m1 a word, the first in its lowest bits, and a scale e4m3 for sixteen. Both are
// float32 with fewer bits: moved to where float32 has them, only the exponent's bias is missing.
struct NVFP4 {
  const uint32_t* w;
  const uint8_t* scales;
  const float* global; // of each row, or null
  __device__ float dot(size_t row, int K, int at, const float (&x)[COLUMNS]) const {
    const size_t first = row * K + at;
    const uint4 a = *reinterpret_cast<const uint4*>(w + first / 8);
    const unsigned both = *reinterpret_cast<const unsigned short*>(scales + first / 16);
    const unsigned words[4] = {a.x, a.y, a.z, a.w};
    float sum = 0;
#pragma unroll
    for (int g = 0; g < 2; g++) {
      float part = 0;
#pragma unroll
      for (int i = 0; i < 16; i++) {
        const unsigned code = words[2 * g + i / 8] >> (4 * (i % 8));
        part += x[16 * g + i] * (__uint_as_float((code & 7) << 22 | (code & 8) << 28) * 0x1p126f);
      }
      const unsigned scale = both >> (8 * g);
      sum += part * (__uint_as_float((scale & 0x7f) << 20) * 0x1p120f);
    }
    return sum;
  }
  __device__ float factor(size_t row) const { return global ? global[row] : 1; }
};

// The K likeliest of E experts by their logits, the first of equals, and their shares of the probability, or of
// each other's. One warp.
template <int K>
__device__ void choose(const float* logits, int E, bool normalise, int* ids, float* weights) {
  const int lane = threadIdx.x;
  float mine[CHOICES], most = -INFINITY, total = 0;
#pragma unroll
  for (int i = 0; i < CHOICES; i++) {
    mine[i] = i * WARP + lane < E ? logits[i * WARP + lane] : -INFINITY;
    most = fmaxf(most, mine[i]);
  }
  for (int step = 1; step < WARP; step *= 2) {
    most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, step));
  }
#pragma unroll
  for (int i = 0; i < CHOICES; i++) {
    total += expf(mine[i] - most);
  }
  total = warp_sum(total);
  float chosen = 0;
  for (int k = 0; k < K; k++) {
    float best = -INFINITY;
    int which = 0x7fffffff;
#pragma unroll
    for (int i = 0; i < CHOICES; i++) {
      if (mine[i] > best) {
        best = mine[i];
        which = i * WARP + lane;
      }
    }
    for (int step = 1; step < WARP; step *= 2) {
      const float other = __shfl_xor_sync(0xffffffff, best, step);
      const int its = __shfl_xor_sync(0xffffffff, which, step);
      if (other > best || (other == best && its < which)) {
        best = other;
        which = its;
      }
    }
    which = which < E ? which : k; // of logits that are no numbers, none is the largest
#pragma unroll
    for (int i = 0; i < CHOICES; i++) {
      mine[i] = i * WARP + lane == which ? -INFINITY : mine[i];
    }
    const float share = expf(best - most) / total;
    chosen += share;
    if (lane == 0) {
      ids[k] = which;
      weights[k] = share;
    }
  }
  __syncwarp();
  if (normalise && lane < K) {
    weights[lane] /= chosen;
  }
}

// y [choices, inner] = silu(gate x) up x of each chosen expert, whose 2 inner rows of K columns are its gate's
// and then what that opens.
template <typename Rows, typename Act>
__device__ void opened(const Act* x, const int* ids, Rows w, int inner, int K, Act* y) {
  const int lane = threadIdx.x % WARP;
  const int at = blockIdx.x * WARPS + threadIdx.x / WARP;
  const size_t gate = (size_t)ids[at / inner] * 2 * inner + at % inner;
  float a = 0, b = 0;
  for (int column = lane * COLUMNS; column < K; column += WARP * COLUMNS) {
    float part[COLUMNS];
    load(x + column, part);
    a += w.dot(gate, K, column, part);
    b += w.dot(gate + inner, K, column, part);
  }
  a = warp_sum(a) * w.factor(gate);
  b = warp_sum(b) * w.factor(gate + inner);
  if (lane == 0) {
    y[at] = static_cast<Act>(a / (1 + expf(-a)) * b);
  }
}

// y [N] = sum + the chosen experts' products with their x [choices, K], each by its weight.
template <typename Rows, typename Act>
__device__ void weighed(
    const Act* x, const int* ids, const float* weights, int choices, const float* sum, Rows w, int N, int K, float* y) {
  const int lane = threadIdx.x % WARP;
  const int row = blockIdx.x * WARPS + threadIdx.x / WARP;
  float total = 0;
  for (int column = lane * COLUMNS; column < choices * K; column += WARP * COLUMNS) {
    float part[COLUMNS];
    load(x + column, part);
    const int choice = column / K;
    const size_t of = (size_t)ids[choice] * N + row;
    total += weights[choice] * w.factor(of) * w.dot(of, K, column % K, part);
  }
  total = warp_sum(total);
  if (lane == 0) {
    y[row] = sum[row] + total;
  }
}

} // namespace qimport
