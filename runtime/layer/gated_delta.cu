// The middle of a Gated DeltaNet layer for CUDA: everything between its input projections and its
// output projection, for T tokens one after the other (T is small; one, in decoding). Convolution,
// gates, norms, decay and the state in between are float32 whatever the dtypes around it.
// gated_delta.metal is the same for Metal.
//
// A block works on one value head of one sequence. Each of its warps has ROWS rows of the head's
// state [DV, DK] in registers, each lane the columns lane, lane+32, ... of them; what a row needs
// is a sum over the lanes:
//
//	S = decay S;  d = beta (v - S k);  S = S + d k^T;  o = S q;  y = RMSNorm(o) * silu(z)
namespace qimport {

constexpr int LANES = 32;

__device__ inline float lane_sum(float x) {
  for (int step = LANES / 2; step > 0; step /= 2) {
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
    int NK, int NV, int DK, int DV, int KERNEL, int ROWS>
__device__ void gated_delta(
    const Act* x,        // [B, T, WIDTH]
    int T,
    const Act* past,     // [B, KERNEL-1, CONV]: the rows before x
    const State* state,  // [B, NV, DV, DK]
    const float* taps,   // [KERNEL, CONV]
    const float* rate,   // [NV]: -exp(A_log)
    const float* bias,   // [NV]: dt_bias
    const float* weight, // [DV]: of the norm
    float eps,           // of the norm
    Act* y,              // [B, T, NV, DV]
    Act* next_past,
    State* next_state,
    Decay* decays) {     // [B, T, NV]: what the state was multiplied by
  constexpr int CONV = 2 * NK * DK + NV * DV;
  constexpr int WIDTH = CONV + NV * DV + 2 * NV;
  constexpr int WARPS = (DV + ROWS - 1) / ROWS;
  constexpr int COLUMNS = (DK + LANES - 1) / LANES;
  constexpr int MIXED = 2 * DK + DV; // channels of this block: its query, key and value
  constexpr float L2_EPS = 1e-6f;

  // Two of each, so that a token's need not wait for all to have read the last one's.
  __shared__ float mixed[2][MIXED];
  __shared__ float squares[2][WARPS];

  const int thread = threadIdx.x;
  const int lane = thread % LANES;
  const int warp = thread / LANES;
  const int head = blockIdx.x % NV;
  const int sequence = blockIdx.x / NV;
  const int key_head = head / (NV / NK);
  const int first = warp * ROWS;
  const int row = first + lane; // whose output this lane writes, if it is one of the warp's
  const bool writes = lane < ROWS && row < DV;

  x += (size_t)sequence * T * WIDTH;
  past += (size_t)sequence * (KERNEL - 1) * CONV;
  next_past += (size_t)sequence * (KERNEL - 1) * CONV;
  state += (size_t)blockIdx.x * DV * DK;
  next_state += (size_t)blockIdx.x * DV * DK;
  y += ((size_t)sequence * T * NV + head) * DV;
  decays += (size_t)sequence * T * NV + head;

  // The convolution's channel that is number i of this block, and its input: past, then x.
  auto channel = [=](int i) {
    return i < DK ? key_head * DK + i
        : i < 2 * DK ? NK * DK + key_head * DK + i - DK
        : 2 * NK * DK + head * DV + i - 2 * DK;
  };
  auto input = [=](int at, int ch) {
    return at < KERNEL - 1 ? past[at * CONV + ch] : x[(size_t)(at - (KERNEL - 1)) * WIDTH + ch];
  };

  float s[ROWS][COLUMNS];
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      s[r][c] = first + r < DV && column < DK ? static_cast<float>(state[(first + r) * DK + column]) : 0.0f;
    }
  }

  for (int t = 0; t < T; t++) {
    float* const qkv = mixed[t % 2];
    for (int i = thread; i < MIXED; i += WARPS * LANES) {
      const int ch = channel(i);
      float sum = 0;
#pragma unroll
      for (int tap = 0; tap < KERNEL; tap++) {
        sum += static_cast<float>(input(t + tap, ch)) * taps[tap * CONV + ch];
      }
      qkv[i] = silu(sum);
    }
    const Act* const gates = x + (size_t)t * WIDTH + CONV;
    const float z = writes ? static_cast<float>(gates[head * DV + row]) : 0.0f;
    const float b = static_cast<float>(gates[NV * DV + head]);
    const float a = static_cast<float>(gates[NV * DV + NV + head]);
    const float beta = 1 / (1 + expf(-b));
    const Decay rounded = static_cast<Decay>(expf(rate[head] * softplus(a + bias[head])));
    const float decay = static_cast<float>(rounded);
    if (thread == 0) {
      decays[t * NV] = rounded;
    }
    __syncthreads();

    float q[COLUMNS], k[COLUMNS];
    float q_square = 0, k_square = 0;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      q[c] = column < DK ? qkv[column] : 0.0f;
      k[c] = column < DK ? qkv[DK + column] : 0.0f;
      q_square += q[c] * q[c];
      k_square += k[c] * k[c];
    }
    const float q_scale = 1 / sqrtf((lane_sum(q_square) + L2_EPS) * DK);
    const float k_scale = 1 / sqrtf(lane_sum(k_square) + L2_EPS);
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
      q[c] *= q_scale;
      k[c] *= k_scale;
    }
    float mine = 0; // the output of this lane's row
    float square = 0;
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      float seen = 0;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) {
        s[r][c] *= decay;
        seen += s[r][c] * k[c];
      }
      const float v = first + r < DV ? qkv[2 * DK + first + r] : 0.0f;
      const float d = beta * (v - lane_sum(seen));
      float out = 0;
#pragma unroll
      for (int c = 0; c < COLUMNS; c++) {
        s[r][c] += d * k[c];
        out += s[r][c] * q[c];
      }
      out = lane_sum(out);
      mine = lane == r ? out : mine;
      square += out * out;
    }
    if (lane == 0) {
      squares[t % 2][warp] = square;
    }
    __syncthreads();

    float total = 0;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
      total += squares[t % 2][w];
    }
    if (writes) {
      const float normed = mine / sqrtf(total / DV + eps) * weight[row];
      y[(size_t)t * NV * DV + row] = static_cast<Act>(normed * silu(z));
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
  for (int i = thread; i < MIXED; i += WARPS * LANES) {
    if (i < 2 * DK && head % (NV / NK) != 0) {
      continue;
    }
    const int ch = channel(i);
    for (int at = 0; at < KERNEL - 1; at++) {
      next_past[at * CONV + ch] = input(T + at, ch);
    }
  }
}

} // namespace qimport
