// The middle of a Gated DeltaNet layer for CUDA: everything between its input projections and its
// output projection, for T tokens one after the other. Convolution, gates, norms, decay and the
// state in between are float32 whatever the dtypes around it. gated_delta.metal is the same for
// Metal.
//
// A block works on one value head of one sequence and keeps the head's state S [DV, DK] in
// registers: LANES neighbouring threads share ROWS rows of it, thread lane having their columns
// lane, lane+LANES, ... For every token, with q and k of length 1/sqrt(DK) and 1,
//
//	S' = decay S;  d = beta (v - S' k);  o = S' q + d (k q);  S = S' + d k^T;  y = RMSNorm(o) silu(z)
//
// where o is S q of the new S, written so that all sums over a row are taken at once. What lies
// ahead of the next token's turn (loads, convolution, gates) is done beside the current one's.
namespace qimport {

constexpr int LANES = 8;
constexpr int WARP = 32;

// The sum over the LANES threads of a row, or over the rows of a warp.
__device__ inline float row_sum(float x) {
  for (int step = 1; step < LANES; step *= 2) {
    x += __shfl_xor_sync(0xffffffff, x, step);
  }
  return x;
}

__device__ inline float rows_sum(float x) {
  for (int step = LANES; step < WARP; step *= 2) {
    x += __shfl_xor_sync(0xffffffff, x, step);
  }
  return x;
}

__device__ inline float silu(float x) { return x / (1 + expf(-x)); }

__device__ inline float softplus(float x) {
  return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
}

// NK key heads of size DK, NV value heads of size DV, KERNEL taps. A row of x holds queries, keys
// and values of all heads (CONV of them), then z of all value heads, b of each and a of each.
template <
    typename Act, typename State, typename Decay,
    int NK, int NV, int DK, int DV, int KERNEL, int ROWS, int THREADS,
    typename Weight>
__device__ void gated_delta(
    const Act* x,         // [B, T, WIDTH]
    int T,
    const Act* past,      // [B, KERNEL-1, CONV]: the rows before x
    const State* state,   // [B, NV, DV, DK]
    const float* taps,    // [KERNEL, CONV]
    const float* rate,    // [NV]: -exp(A_log)
    const float* bias,    // [NV]: dt_bias
    const Weight* weight, // [DV]: of the norm
    float eps,            // of the norm
    Act* y,               // [B, T, NV, DV]
    Act* next_past,
    State* next_state,
    Decay* decays) {      // [B, T, NV]: what the state was multiplied by
  constexpr int CONV = 2 * NK * DK + NV * DV;
  constexpr int WIDTH = CONV + NV * DV + 2 * NV;
  constexpr int WARPS = THREADS / WARP;
  constexpr int COLUMNS = (DK + LANES - 1) / LANES; // of a thread
  constexpr int MIXED = 2 * DK + DV; // channels of this block: its query, key and value
  constexpr int CHANNELS = (MIXED + THREADS - 1) / THREADS; // of a thread
  constexpr float L2_EPS = 1e-6f;

  // Two of each: one is read while the next token's is written.
  __shared__ float mixed[2][MIXED];
  __shared__ float squares[2][WARPS];
  __shared__ float betas[2], factors[2];

  const int thread = threadIdx.x;
  const int lane = thread % LANES;
  const int first = thread / LANES * ROWS; // of this thread's rows
  const int head = blockIdx.x % NV;
  const int sequence = blockIdx.x / NV;
  const int key_head = head / (NV / NK);
  const int row = first + lane; // whose output this thread writes, if it is one of its own
  const bool writes = lane < ROWS && row < DV;
  const float norm_weight = writes ? static_cast<float>(weight[row]) : 0.0f;

  x += (size_t)sequence * T * WIDTH;
  past += (size_t)sequence * (KERNEL - 1) * CONV;
  next_past += (size_t)sequence * (KERNEL - 1) * CONV;
  state += (size_t)blockIdx.x * DV * DK;
  next_state += (size_t)blockIdx.x * DV * DK;
  y += ((size_t)sequence * T * NV + head) * DV;
  decays += (size_t)sequence * T * NV + head;

  // This thread's channels of the convolution: where they are, their taps, and their inputs up to
  // the current token, the newest last.
  int channel[CHANNELS];
  float tap[CHANNELS][KERNEL], window[CHANNELS][KERNEL];
#pragma unroll
  for (int c = 0; c < CHANNELS; c++) {
    const int i = c * THREADS + thread;
    channel[c] = i < DK ? key_head * DK + i
        : i < 2 * DK ? NK * DK + key_head * DK + i - DK
        : i < MIXED ? 2 * NK * DK + head * DV + i - 2 * DK
        : 0; // none
#pragma unroll
    for (int n = 0; n < KERNEL; n++) {
      tap[c][n] = taps[n * CONV + channel[c]];
      window[c][n] = n > 0 ? static_cast<float>(past[(n - 1) * CONV + channel[c]]) : 0.0f;
    }
  }

  float s[ROWS][COLUMNS];
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      s[r][c] = first + r < DV && column < DK ? static_cast<float>(state[(first + r) * DK + column]) : 0.0f;
    }
  }

  // Turn t works on token t, if there is one yet, and makes token t+1 ready, if there is one more:
  // its loads first, and what becomes of them last, when they have arrived.
  float gate = 0;
  for (int t = -1; t < T; t++) {
    const bool works = t >= 0;
    const bool readies = t + 1 < T;

    float newest[CHANNELS];
    float z = 0, b = 0, a = 0;
    if (readies) {
      const Act* const from = x + (size_t)(t + 1) * WIDTH;
#pragma unroll
      for (int c = 0; c < CHANNELS; c++) {
        newest[c] = static_cast<float>(from[channel[c]]);
      }
      z = writes ? static_cast<float>(from[CONV + head * DV + row]) : 0.0f;
      if (thread == 0) {
        b = static_cast<float>(from[CONV + NV * DV + head]);
        a = static_cast<float>(from[CONV + NV * DV + NV + head]);
      }
    }

    float mine = 0; // the output of this thread's row
    if (works) {
      const float* const qkv = mixed[t % 2];
      const float beta = betas[t % 2];
      const float decay = factors[t % 2];
      float q[COLUMNS], k[COLUMNS];
      float qq = 0, kk = 0, kq = 0;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) {
        const int column = c * LANES + lane;
        q[c] = column < DK ? qkv[column] : 0.0f;
        k[c] = column < DK ? qkv[DK + column] : 0.0f;
        qq += q[c] * q[c];
        kk += k[c] * k[c];
        kq += k[c] * q[c];
      }
      const float q_scale = rsqrtf((row_sum(qq) + L2_EPS) * DK);
      const float k_scale = rsqrtf(row_sum(kk) + L2_EPS);
      kq = row_sum(kq) * k_scale * q_scale;
      float square = 0;
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        float sk = 0, sq = 0;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
          s[r][c] *= decay;
          sk += s[r][c] * k[c];
          sq += s[r][c] * q[c];
        }
        const float v = first + r < DV ? qkv[2 * DK + first + r] : 0.0f;
        const float d = beta * (v - row_sum(sk) * k_scale);
        const float o = row_sum(sq) * q_scale + d * kq;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
          s[r][c] += d * k_scale * k[c];
        }
        mine = lane == r ? o : mine;
        square += o * o;
      }
      square = rows_sum(square);
      if (thread % WARP == 0) {
        squares[t % 2][thread / WARP] = square;
      }
    }

    const float open = gate; // token t's; the next one's follows
    if (readies) {
#pragma unroll
      for (int c = 0; c < CHANNELS; c++) {
        float sum = 0;
#pragma unroll
        for (int n = 0; n < KERNEL; n++) {
          window[c][n] = n + 1 < KERNEL ? window[c][(n + 1) % KERNEL] : newest[c];
          sum += window[c][n] * tap[c][n];
        }
        if (c * THREADS + thread < MIXED) {
          mixed[(t + 1) % 2][c * THREADS + thread] = silu(sum);
        }
      }
      gate = silu(z);
      if (thread == 0) {
        const Decay decay = static_cast<Decay>(expf(rate[head] * softplus(a + bias[head])));
        decays[(t + 1) * NV] = decay;
        factors[(t + 1) % 2] = static_cast<float>(decay);
        betas[(t + 1) % 2] = 1 / (1 + expf(-b));
      }
    }
    __syncthreads();

    if (works && writes) {
      float total = 0;
#pragma unroll
      for (int w = 0; w < WARPS; w++) {
        total += squares[t % 2][w];
      }
      y[(size_t)t * NV * DV + row] = static_cast<Act>(mine * rsqrtf(total / DV + eps) * norm_weight * open);
    }
  }

#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      if (first + r < DV && column < DK) {
        next_state[(first + r) * DK + column] = static_cast<State>(s[r][c]);
      }
    }
  }
  // Queries and keys belong to all value heads of a key head: the first of them writes theirs.
#pragma unroll
  for (int c = 0; c < CHANNELS; c++) {
    const int i = c * THREADS + thread;
    if (i < MIXED && (i >= 2 * DK || head % (NV / NK) == 0)) {
#pragma unroll
      for (int n = 1; n < KERNEL; n++) {
        next_past[(n - 1) * CONV + channel[c]] = static_cast<Act>(window[c][n]);
      }
    }
  }
}

} // namespace qimport
