// The middle of a Gated DeltaNet layer for Metal: everything between its input projections and its
// output projection, for T tokens one after the other (T is small; one, in decoding). Convolution,
// gates, norms, decay and the state in between are float32 whatever the dtypes around it.
// gated_delta.cu is the same for CUDA, and says more.
//
// A threadgroup works on one value head of one sequence, each of its SIMD groups on ROWS rows of
// the head's state, each lane on the columns lane, lane+32, ... of them.
namespace qimport {

constant constexpr int LANES = 32;

inline float silu(float x) { return x / (1 + metal::precise::exp(-x)); }

// log(1 + e^x), accurate where e^x is too small for 1 + e^x to show it.
inline float softplus(float x) {
  const float e = metal::precise::exp(-metal::abs(x));
  const float sum = 1 + e;
  const float log1p = sum == 1 ? e : metal::precise::log(sum) * (e / (sum - 1));
  return metal::max(x, 0.0f) + log1p;
}

// The convolution's channel that is number i of a value head's: its query, its key, its value.
template <int NK, int NV, int DK, int DV>
inline int channel(int i, int head) {
  const int key_head = head / (NV / NK);
  return i < DK ? key_head * DK + i
      : i < 2 * DK ? NK * DK + key_head * DK + i - DK
      : 2 * NK * DK + head * DV + i - 2 * DK;
}

// The convolution's input at a row and channel: the rows of past, then those of x.
template <typename Act, int CONV, int WIDTH, int KERNEL>
inline Act input(const device Act* past, const device Act* x, int at, int ch) {
  return at < KERNEL - 1 ? past[at * CONV + ch] : x[size_t(at - (KERNEL - 1)) * WIDTH + ch];
}

// NK key heads of size DK, NV value heads of size DV, KERNEL taps. A row of x holds queries, keys
// and values of all heads (CONV of them), then z of all value heads, b of each and a of each.
// mixed and squares are the group's memory, two of each, so that a token's need not wait for all to
// have read the last one's. PerHead is a pointer, in the constant address space if there are few
// heads.
template <
    typename Act, typename State, typename Decay,
    int NK, int NV, int DK, int DV, int KERNEL, int ROWS,
    typename PerHead>
inline void gated_delta(
    const device Act* x,        // [B, T, WIDTH]
    int T,
    const device Act* past,     // [B, KERNEL-1, CONV]: the rows before x
    const device State* state,  // [B, NV, DV, DK]
    const device float* taps,   // [KERNEL, CONV]
    PerHead rate,               // [NV]: -exp(A_log)
    PerHead bias,               // [NV]: dt_bias
    const device float* weight, // [DV]: of the norm
    float eps,                  // of the norm
    device Act* y,              // [B, T, NV, DV]
    device Act* next_past,
    device State* next_state,
    device Decay* decays,       // [B, T, NV]: what the state was multiplied by
    threadgroup float* mixed,   // [2, 2*DK + DV]
    threadgroup float* squares, // [2, SIMD groups]
    int group, int simd, int lane) {
  constexpr int CONV = 2 * NK * DK + NV * DV;
  constexpr int WIDTH = CONV + NV * DV + 2 * NV;
  constexpr int SIMDS = (DV + ROWS - 1) / ROWS;
  constexpr int COLUMNS = (DK + LANES - 1) / LANES;
  constexpr int MIXED = 2 * DK + DV;
  constexpr float L2_EPS = 1e-6f;

  const int thread_index = simd * LANES + lane;
  const int head = group % NV;
  const int sequence = group / NV;
  const int first = simd * ROWS;
  const int row = first + lane; // whose output this lane writes, if it is one of the SIMD group's
  const bool writes = lane < ROWS && row < DV;

  x += size_t(sequence) * T * WIDTH;
  past += size_t(sequence) * (KERNEL - 1) * CONV;
  next_past += size_t(sequence) * (KERNEL - 1) * CONV;
  state += size_t(group) * DV * DK;
  next_state += size_t(group) * DV * DK;
  y += (size_t(sequence) * T * NV + head) * DV;
  decays += size_t(sequence) * T * NV + head;

  float s[ROWS][COLUMNS];
  for (int r = 0; r < ROWS; r++) {
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      s[r][c] = first + r < DV && column < DK ? static_cast<float>(state[(first + r) * DK + column]) : 0.0f;
    }
  }

  for (int t = 0; t < T; t++) {
    threadgroup float* qkv = mixed + t % 2 * MIXED;
    threadgroup float* partial = squares + t % 2 * SIMDS;
    for (int i = thread_index; i < MIXED; i += SIMDS * LANES) {
      const int ch = channel<NK, NV, DK, DV>(i, head);
      float sum = 0;
      for (int tap = 0; tap < KERNEL; tap++) {
        sum += static_cast<float>(input<Act, CONV, WIDTH, KERNEL>(past, x, t + tap, ch)) * taps[tap * CONV + ch];
      }
      qkv[i] = silu(sum);
    }
    const device Act* gates = x + size_t(t) * WIDTH + CONV;
    const float z = writes ? static_cast<float>(gates[head * DV + row]) : 0.0f;
    const float b = static_cast<float>(gates[NV * DV + head]);
    const float a = static_cast<float>(gates[NV * DV + NV + head]);
    const float beta = 1 / (1 + metal::precise::exp(-b));
    const Decay rounded = static_cast<Decay>(metal::precise::exp(rate[head] * softplus(a + bias[head])));
    const float decay = static_cast<float>(rounded);
    if (thread_index == 0) {
      decays[t * NV] = rounded;
    }
    threadgroup_barrier(metal::mem_flags::mem_threadgroup);

    float q[COLUMNS], k[COLUMNS];
    float q_square = 0, k_square = 0;
    for (int c = 0; c < COLUMNS; c++) {
      const int column = c * LANES + lane;
      q[c] = column < DK ? qkv[column] : 0.0f;
      k[c] = column < DK ? qkv[DK + column] : 0.0f;
      q_square += q[c] * q[c];
      k_square += k[c] * k[c];
    }
    const float q_scale = 1 / metal::precise::sqrt((simd_sum(q_square) + L2_EPS) * DK);
    const float k_scale = 1 / metal::precise::sqrt(simd_sum(k_square) + L2_EPS);
    for (int c = 0; c < COLUMNS; c++) {
      q[c] *= q_scale;
      k[c] *= k_scale;
    }
    float mine = 0; // the output of this lane's row
    float square = 0;
    for (int r = 0; r < ROWS; r++) {
      float seen = 0;
      for (int c = 0; c < COLUMNS; c++) {
        s[r][c] *= decay;
        seen += s[r][c] * k[c];
      }
      const float v = first + r < DV ? qkv[2 * DK + first + r] : 0.0f;
      const float d = beta * (v - simd_sum(seen));
      float out = 0;
      for (int c = 0; c < COLUMNS; c++) {
        s[r][c] += d * k[c];
        out += s[r][c] * q[c];
      }
      out = simd_sum(out);
      mine = lane == r ? out : mine;
      square += out * out;
    }
    if (lane == 0) {
      partial[simd] = square;
    }
    threadgroup_barrier(metal::mem_flags::mem_threadgroup);

    float total = 0;
    for (int i = 0; i < SIMDS; i++) {
      total += partial[i];
    }
    if (writes) {
      const float normed = mine / metal::precise::sqrt(total / DV + eps) * weight[row];
      y[size_t(t) * NV * DV + row] = static_cast<Act>(normed * silu(z));
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
  for (int i = thread_index; i < MIXED; i += SIMDS * LANES) {
    if (i < 2 * DK && head % (NV / NK) != 0) {
      continue;
    }
    const int ch = channel<NK, NV, DK, DV>(i, head);
    for (int at = 0; at < KERNEL - 1; at++) {
      next_past[at * CONV + ch] = input<Act, CONV, WIDTH, KERNEL>(past, x, T + at, ch);
    }
  }
}

} // namespace qimport
