// A single token's products for CUDA, behind warp.cu, each with what lies before and after it in one operation:
// the norm of its input, the gate of a feed-forward part, the sum of the layers. Everything in them is
// float32; what they hand on is rounded once. (Inputs of a product are rounded to activations, as they are
// where a norm is an operation of its own.)
namespace qimport {

constexpr int WARPS = 8;   // of a block that makes a product
constexpr int HELD = 8192; // the widest input that is made anew before its product
constexpr int AHEAD = 4;   // chunks that a thread has on their way

__device__ inline float sigmoid(float x) { return 1 / (1 + expf(-x)); }

// A warp's share of the products of ROWS rows of w with an input: of its columns at, at+step, ...
template <int ROWS, typename W>
struct Share {
  const W* rows[ROWS];
  int K, at, step;
  Chunk<W> next[ROWS][AHEAD];

  __device__ void load(int from) {
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      if (from + u * step < K) {
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
          next[r][u].load(rows[r] + from + u * step);
        }
      }
    }
  }

  // input holds K numbers; what load(at) brings must be on its way.
  template <typename In>
  __device__ void multiply(const In* input, float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      sums[r] = 0;
    }
    for (int from = at; from < K; from += AHEAD * step) {
      if (from > at) {
        load(from);
      }
#pragma unroll
      for (int u = 0; u < AHEAD; u++) {
        if (from + u * step < K) {
          Chunk<In> chunk;
          chunk.load(input + from + u * step);
          float x[WIDE], y[WIDE];
          chunk.widen(x);
#pragma unroll
          for (int r = 0; r < ROWS; r++) {
            next[r][u].widen(y);
#pragma unroll
            for (int i = 0; i < WIDE; i++) {
              sums[r] += x[i] * y[i];
            }
          }
        }
      }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      sums[r] = warp_sum(sums[r]);
    }
  }
};

// The sums of the warps that share a row; the first of them is given them all.
template <int ROWS>
__device__ inline void join(float (&sums)[ROWS], int split) {
  __shared__ float parts[WARPS][ROWS];
  const int warp = threadIdx.x / WARP;
  if (split == 1) {
    return;
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    parts[warp][r] = sums[r];
  }
  __syncthreads();
  if (warp % split == 0) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      for (int p = 1; p < split; p++) {
        sums[r] += parts[warp + p][r];
      }
    }
  }
}

// held is RMSNorm(x) weight, x [K].
template <typename Act>
__device__ inline void hold_norm(const float* x, const float* weight, float eps, int K, Act* held) {
  __shared__ float squares[WARPS];
  float square = 0;
  for (int i = threadIdx.x; i < K; i += WARPS * WARP) {
    square += x[i] * x[i];
  }
  square = warp_sum(square);
  if (threadIdx.x % WARP == 0) {
    squares[threadIdx.x / WARP] = square;
  }
  __syncthreads();
  float total = 0;
  for (int w = 0; w < WARPS; w++) {
    total += squares[w];
  }
  const float scale = rsqrtf(total / K + eps);
  for (int i = threadIdx.x; i < K; i += WARPS * WARP) {
    held[i] = static_cast<Act>(x[i] * scale * weight[i]);
  }
  __syncthreads();
}

template <int ROWS, typename W, typename Act>
__device__ void normed_rows(
    const float* x, const float* weight, float eps, const W* w, int N, int K, Act* held, Act* y) {
  const int split = WARPS * gridDim.x / N; // of a row's columns, over so many warps
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int row = (blockIdx.x * WARPS + warp) / split;
  Share<ROWS, W> share;
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    share.rows[r] = w + (size_t)(row + r * N) * K;
  }
  share.K = K, share.at = (warp % split * WARP + lane) * WIDE, share.step = split * WARP * WIDE;
  share.load(share.at);
  hold_norm(x, weight, eps, K, held);
  float sums[ROWS];
  share.multiply(held, sums);
  join(sums, split);
  if (warp % split == 0 && lane == 0) {
    const float first = sums[0], last = sums[ROWS - 1];
    y[row] = static_cast<Act>(ROWS == 1 ? first : first * sigmoid(first) * last);
  }
}

// y [N] = w RMSNorm(x), w [N, K]; or, of a gate and what it opens, w [2 N, K], silu(gate) up.
template <typename W, typename Act>
__device__ void normed(
    const float* x, const float* weight, float eps, const W* w, int rows, int K, bool gated, Act* y) {
  __shared__ __align__(16) Act held[HELD];
  if (gated) {
    normed_rows<2>(x, weight, eps, w, rows / 2, K, held, y);
  } else {
    normed_rows<1>(x, weight, eps, w, rows, K, held, y);
  }
}

// y [N] = sum + w x, w [N, K]; or, with a gate that is not x itself, of x sigmoid(gate).
template <typename W, typename Act>
__device__ void added(
    const Act* x, const Act* gate, const float* sum, const W* w, int N, int K, float* y) {
  __shared__ __align__(16) Act held[HELD];
  const int split = WARPS * gridDim.x / N;
  const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
  const int row = (blockIdx.x * WARPS + warp) / split;
  Share<1, W> share;
  share.rows[0] = w + (size_t)row * K;
  share.K = K, share.at = (warp % split * WARP + lane) * WIDE, share.step = split * WARP * WIDE;
  share.load(share.at);
  float sums[1];
  if (gate != x) {
    for (int i = threadIdx.x; i < K; i += WARPS * WARP) {
      held[i] = static_cast<Act>(static_cast<float>(x[i]) * sigmoid(static_cast<float>(gate[i])));
    }
    __syncthreads();
    share.multiply(held, sums);
  } else {
    share.multiply(x, sums);
  }
  join(sums, split);
  if (warp % split == 0 && lane == 0) {
    y[row] = sum[row] + sums[0];
  }
}

} // namespace qimport
