// Attention of a single token for CUDA, behind warp.cu, in two operations of one source, since it is compiled
// once then: what the cache is to take of the token, and, when it has, what the token's queries see in it. The
// first is told by keys that are no others than y. Queries and keys are normalised and turned to the position here. Everything is
// float32, what is handed on is rounded once; the query is rounded too, as keys are.
namespace qimport {

constexpr int WARPS = 16;
constexpr int AHEAD = 4; // keys that it has on their way

// to is a head of D numbers, normalised, its first DIMS columns turned to the position. A warp works on it.
template <int D, int DIMS, typename Act, typename Weight>
__device__ inline void turn(
    const Act* head, const Weight* weight, float eps, float base, int position, float* normed, Act* to) {
  const int lane = threadIdx.x % WARP;
  float square = 0;
  for (int i = lane; i < D; i += WARP) {
    const float x = static_cast<float>(head[i]);
    square += x * x;
  }
  square = warp_sum(square);
  const float scale = rsqrtf(square / D + eps);
  for (int i = lane; i < D; i += WARP) {
    normed[i] = static_cast<float>(head[i]) * scale * static_cast<float>(weight[i]);
  }
  __syncwarp();
  constexpr int HALF = DIMS / 2;
#pragma unroll 1 // sines of large angles are long
  for (int i = lane; i < D; i += WARP) {
    float x = normed[i];
    if (i < DIMS) {
      const int pair = i % HALF;
      const float angle = position * exp2f(-base * pair / HALF);
      float sine, cosine;
      sincosf(angle, &sine, &cosine);
      x = i < HALF ? x * cosine - normed[i + HALF] * sine : x * cosine + normed[i - HALF] * sine;
    }
    to[i] = static_cast<Act>(x);
  }
}

// y has all queries, keys and values of the token, and what follows; D is 64, 128 or 256. at is the token's
// position and how many keys the cache has, base the logarithm to the base 2 of the wavelengths' ratio. A block
// works on a head: of keys and values for the cache, else of queries.
template <int NQ, int NKV, int D, int DIMS, typename Act, typename QWeight, typename KWeight>
__device__ void attend(
    const Act* y,
    const Act* keys,   // [NKV, room, D]
    const Act* values, // likewise
    int room,
    const QWeight* q_weight, // [D]
    const KWeight* k_weight, // [D]
    const int* at,
    float eps,
    float base,
    Act* seen,       // [NQ, D]
    Act* next_key,   // [NKV, D]
    Act* next_value) {
  constexpr int LANES = D / WIDE;              // of a key
  constexpr int GROUPS = WARPS * WARP / LANES; // of threads, with their keys each
  __shared__ __align__(16) Act query[D];
  __shared__ float normed[D];
  __shared__ float outputs[GROUPS][D];
  __shared__ float most[GROUPS], totals[GROUPS];

  const int head = blockIdx.x;
  const int position = at[0], count = at[1];
  if (keys == y) {
    if (threadIdx.x < WARP) {
      turn<D, DIMS>(y + (NQ + head) * D, k_weight, eps, base, position, normed, next_key + head * D);
    } else {
      for (int i = threadIdx.x - WARP; i < D; i += WARPS * WARP - WARP) {
        next_value[head * D + i] = y[(NQ + NKV + head) * D + i];
      }
    }
    return;
  }
  if (threadIdx.x < WARP) {
    turn<D, DIMS>(y + head * D, q_weight, eps, base, position, normed, query);
  }
  __syncthreads();

  const int kv = head / (NQ / NKV);
  const int group = threadIdx.x / LANES, column = threadIdx.x % LANES * WIDE;
  keys += (size_t)kv * room * D + column;
  values += (size_t)kv * room * D + column;
  float q[WIDE], o[WIDE] = {};
  Chunk<Act> chunk;
  chunk.load(query + column);
  chunk.widen(q);
#pragma unroll
  for (int i = 0; i < WIDE; i++) {
    q[i] *= rsqrtf(float(D)) * 1.44269504f; // powers of two below
  }
  float top = -INFINITY, total = 0;
  // All groups of a warp go round as often, since they share its shuffles.
  for (int from = 0; from < count; from += AHEAD * GROUPS) {
    Chunk<Act> k[AHEAD], v[AHEAD];
    bool is[AHEAD];
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const int n = from + u * GROUPS + group;
      is[u] = n < count;
      k[u].load(keys + (size_t)(is[u] ? n : 0) * D);
      v[u].load(values + (size_t)(is[u] ? n : 0) * D);
    }
    float scores[AHEAD];
    float now = top;
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      float x[WIDE], score = 0;
      k[u].widen(x);
#pragma unroll
      for (int i = 0; i < WIDE; i++) {
        score += q[i] * x[i];
      }
      for (int step = 1; step < LANES; step *= 2) {
        score += __shfl_xor_sync(0xffffffff, score, step);
      }
      scores[u] = is[u] ? score : -INFINITY;
      now = fmaxf(now, scores[u]);
    }
    if (now == -INFINITY) {
      continue; // no key yet
    }
    const float keep = exp2f(top - now);
    total *= keep;
#pragma unroll
    for (int i = 0; i < WIDE; i++) {
      o[i] *= keep;
    }
#pragma unroll
    for (int u = 0; u < AHEAD; u++) {
      const float share = exp2f(scores[u] - now);
      float x[WIDE];
      v[u].widen(x);
      total += share;
#pragma unroll
      for (int i = 0; i < WIDE; i++) {
        o[i] += share * x[i];
      }
    }
    top = now;
  }
  if (threadIdx.x % LANES == 0) {
    most[group] = top;
    totals[group] = total;
  }
#pragma unroll
  for (int i = 0; i < WIDE; i++) {
    outputs[group][column + i] = o[i];
  }
  __syncthreads();
  float over = -INFINITY;
  for (int g = 0; g < GROUPS; g++) {
    over = fmaxf(over, most[g]);
  }
  for (int i = threadIdx.x; i < D; i += WARPS * WARP) {
    float sum = 0, weight = 0;
    for (int g = 0; g < GROUPS; g++) {
      const float share = exp2f(most[g] - over);
      sum += share * outputs[g][i];
      weight += share * totals[g];
    }
    seen[head * D + i] = static_cast<Act>(sum / weight);
  }
}

} // namespace qimport
