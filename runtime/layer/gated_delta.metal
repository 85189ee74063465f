// The middle of a Gated DeltaNet layer for Metal: everything between its input projections and its
// output projection, for T tokens one after the other. gated_delta.cu is the same for CUDA, and
// says how it works; a block there is a threadgroup here, and a warp a SIMD group.
namespace qimport {

constant constexpr int LANES = 8;
constant constexpr int WARP = 32;

// The sum over the LANES threads of a row, or over the rows of a SIMD group.
inline float row_sum(float x) {
  for (int step = 1; step < LANES; step *= 2) {
    x += metal::simd_shuffle_xor(x, ushort(step));
  }
  return x;
}

inline float rows_sum(float x) {
  for (int step = LANES; step < WARP; step *= 2) {
    x += metal::simd_shuffle_xor(x, ushort(step));
  }
  return x;
}

inline float silu(float x) { return x / (1 + metal::precise::exp(-x)); }

// log(1 + e^x), accurate where e^x is too small for 1 + e^x to show it.
inline float softplus(float x) {
  const float e = metal::precise::exp(-metal::abs(x));
  const float sum = 1 + e;
  const float log1p = sum == 1 ? e : metal::precise::log(sum) * (e / (sum - 1));
  return metal::max(x, 0.0f) + log1p;
}

// NK key heads of size DK, NV value heads of size DV, KERNEL taps. A row of x holds queries, keys
// and values of all heads (CONV of them), then z of all value heads, b of each and a of each. Rate,
// Bias and Weight are pointers: small arrays come in another address space than large ones.
template <
    typename Act, typename State, typename Decay,
    int NK, int NV, int DK, int DV, int KERNEL, int ROWS, int THREADS,
    typename Rate, typename Bias, typename Weight>
inline void gated_delta(
    const device Act* x,       // [B, T, WIDTH]
    int T,
    const device Act* past,    // [B, KERNEL-1, CONV]: the rows before x
    const device State* state, // [B, NV, DV, DK]
    const device float* taps,  // [KERNEL, CONV]
    Rate rate,                 // [NV]: -exp(A_log)
    Bias bias,                 // [NV]: dt_bias
    Weight weight,             // [DV]: of the norm
    float eps,                 // of the norm
    device Act* y,             // [B, T, NV, DV]
    device Act* next_past,
    device State* next_state,
    device Decay* decays,      // [B, T, NV]: what the state was multiplied by
    threadgroup float* mixed,   // [2, MIXED]
    threadgroup float* squares, // [2, WARPS]
    threadgroup float* betas,   // [2]
    threadgroup float* factors, // [2]
    int group, int thread_index) {
  constexpr int CONV = 2 * NK * DK + NV * DV;
  constexpr int WIDTH = CONV + NV * DV + 2 * NV;
  constexpr int WARPS = THREADS / WARP;
  constexpr int COLUMNS = (DK + LANES - 1) / LANES; // of a thread
  constexpr int MIXED = 2 * DK + DV; // channels of this group: its query, key and value
  constexpr int CHANNELS = (MIXED + THREADS - 1) / THREADS; // of a thread
  constexpr float L2_EPS = 1e-6f;

  const int lane = thread_index % LANES;
  const int first = thread_index / LANES * ROWS; // of this thread's rows
  const int head = group % NV;
  const int sequence = group / NV;
  const int key_head = head / (NV / NK);
  const int row = first + lane; // whose output this thread writes, if it is one of its own
  const bool writes = lane < ROWS && row < DV;
  const float norm_weight = writes ? static_cast<float>(weight[row]) : 0.0f;

  x += size_t(sequence) * T * WIDTH;
  past += size_t(sequence) * (KERNEL - 1) * CONV;
  next_past += size_t(sequence) * (KERNEL - 1) * CONV;
  state += size_t(group) * DV * DK;
  next_state += size_t(group) * DV * DK;
  y += (size_t(sequence) * T * NV + head) * DV;
  decays += size_t(sequence) * T * NV + head;

  // This thread's channels of the convolution: where they are, their taps, and their inputs up to
  // the current token, the newest last.
  int channel[CHANNELS];
  float tap[CHANNELS][KERNEL], window[CHANNELS][KERNEL];
  for (int c = 0; c < CHANNELS; c++) {
    const int i = c * THREADS + thread_index;
    channel[c] = i < DK ? key_head * DK + i
        : i < 2 * DK ? NK * DK + key_head * DK + i - DK
        : i < MIXED ? 2 * NK * DK + head * DV + i - 2 * DK
        : 0; // none
    for (int n = 0; n < KERNEL; n++) {
      tap[c][n] = taps[n * CONV + channel[c]];
      window[c][n] = n > 0 ? static_cast<float>(past[(n - 1) * CONV + channel[c]]) : 0.0f;
    }
  }

  float s[ROWS][COLUMNS];
  for (int r = 0; r < ROWS; r++) {
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      s[r][c] = first + r < DV && column < DK ? static_cast<float>(state[(first + r) * DK + column]) : 0.0f;
    }
  }

  // Turn t works on token t, if there is one yet, and makes token t+1 ready, if there is one more.
  float gate = 0;
  for (int t = -1; t < T; t++) {
    const bool works = t >= 0;
    const bool readies = t + 1 < T;

    float newest[CHANNELS];
    float z = 0, b = 0, a = 0;
    if (readies) {
      const device Act* from = x + size_t(t + 1) * WIDTH;
      for (int c = 0; c < CHANNELS; c++) {
        newest[c] = static_cast<float>(from[channel[c]]);
      }
      z = writes ? static_cast<float>(from[CONV + head * DV + row]) : 0.0f;
      if (thread_index == 0) {
        b = static_cast<float>(from[CONV + NV * DV + head]);
        a = static_cast<float>(from[CONV + NV * DV + NV + head]);
      }
    }

    float mine = 0; // the output of this thread's row
    if (works) {
      const threadgroup float* qkv = mixed + t % 2 * MIXED;
      const float beta = betas[t % 2];
      const float decay = factors[t % 2];
      float q[COLUMNS], k[COLUMNS];
      float qq = 0, kk = 0, kq = 0;
      for (int c = 0; c < COLUMNS; c++) {
        const int column = c * LANES + lane;
        q[c] = column < DK ? qkv[column] : 0.0f;
        k[c] = column < DK ? qkv[DK + column] : 0.0f;
        qq += q[c] * q[c];
        kk += k[c] * k[c];
        kq += k[c] * q[c];
      }
      const float q_scale = metal::precise::rsqrt((row_sum(qq) + L2_EPS) * DK);
      const float k_scale = metal::precise::rsqrt(row_sum(kk) + L2_EPS);
      kq = row_sum(kq) * k_scale * q_scale;
      float square = 0;
      for (int r = 0; r < ROWS; r++) {
        float sk = 0, sq = 0;
        for (int c = 0; c < COLUMNS; c++) {
          s[r][c] *= decay;
          sk += s[r][c] * k[c];
          sq += s[r][c] * q[c];
        }
        const float v = first + r < DV ? qkv[2 * DK + first + r] : 0.0f;
        const float d = beta * (v - row_sum(sk) * k_scale);
        const float o = row_sum(sq) * q_scale + d * kq;
        for (int c = 0; c < COLUMNS; c++) {
          s[r][c] += d * k_scale * k[c];
        }
        mine = lane == r ? o : mine;
        square += o * o;
      }
      square = rows_sum(square);
      if (thread_index % WARP == 0) {
        squares[t % 2 * WARPS + thread_index / WARP] = square;
      }
    }

    const float open = gate; // token t's; the next one's follows
    if (readies) {
      for (int c = 0; c < CHANNELS; c++) {
        float sum = 0;
        for (int n = 0; n < KERNEL; n++) {
          window[c][n] = n + 1 < KERNEL ? window[c][(n + 1) % KERNEL] : newest[c];
          sum += window[c][n] * tap[c][n];
        }
        if (c * THREADS + thread_index < MIXED) {
          mixed[(t + 1) % 2 * MIXED + c * THREADS + thread_index] = silu(sum);
        }
      }
      gate = silu(z);
      if (thread_index == 0) {
        const Decay decay = static_cast<Decay>(metal::precise::exp(rate[head] * softplus(a + bias[head])));
        decays[(t + 1) * NV] = decay;
        factors[(t + 1) % 2] = static_cast<float>(decay);
        betas[(t + 1) % 2] = 1 / (1 + metal::precise::exp(-b));
      }
    }
    metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);

    if (works && writes) {
      float total = 0;
      for (int w = 0; w < WARPS; w++) {
        total += squares[t % 2 * WARPS + w];
      }
      y[size_t(t) * NV * DV + row] = static_cast<Act>(mine * metal::precise::rsqrt(total / DV + eps) * norm_weight * open);
    }
  }

  for (int r = 0; r < ROWS; r++) {
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      if (first + r < DV && column < DK) {
        next_state[(first + r) * DK + column] = static_cast<State>(s[r][c]);
      }
    }
  }
  // Queries and keys belong to all value heads of a key head: the first of them writes theirs.
  for (int c = 0; c < CHANNELS; c++) {
    const int i = c * THREADS + thread_index;
    if (i < MIXED && (i >= 2 * DK || head % (NV / NK) == 0)) {
      for (int n = 1; n < KERNEL; n++) {
        next_past[(n - 1) * CONV + channel[c]] = static_cast<Act>(window[c][n]);
      }
    }
  }
}

} // namespace qimport
