// The gated delta rule over the tokens of a prompt, CHUNK at a time, with what lies around it: see prompt_body.h. Of a
// chunk, with c the running sum of the log decays g, and S the state before it:
//
//	(I + A) d = beta (v - e^c S k);  o = e^c S q + P d;  S = e^(c_n) S + (e^(c_n - c) d)^T k
//
// where A = beta e^(c_i - c_j) k_i k_j below the diagonal, and P the same of q_i k_j, without beta and with the
// diagonal. The state lies turned meanwhile, so that all products go along its rows.

enum { CHUNK = 32 };

// chunk is where the matrices of one chunk lie, and that of a key head's states.
struct chunk {
	int64_t b, first, n, rows, dk, dv; // first: of its n tokens; rows: n, up to whole blocks; dk, dv: padded
	float *q, *k;	                   // [CHUNK, dk], length one
	float *turned;                     // k [dk, CHUNK]
	float *kk, *qk;                    // [CHUNK, CHUNK]: products of k and of q with k
	float *a, *p;                      // likewise, weighed for one value head; a is -A
	float *d, *o, *seen;               // [CHUNK, dv]: v, then d; o; S k
	float *states;                     // [dk, dv] of each value head
	float beta[CHUNK], since[CHUNK], left[CHUNK]; // since, left: e^c, e^(c_n - c)
	double sum[CHUNK];                            // c
};

INLINE float *part(float **room, int64_t floats) {
	float *p = *room;
	*room += floats;
	return p;
}

static struct chunk new_chunk(const struct delta_prompt *s, int64_t b) {
	struct chunk c = {.b = b, .dk = whole(s->dk), .dv = whole(s->dv)};
	const int64_t each = s->nv / s->nk, all = 3 * CHUNK * c.dk + 4 * CHUNK * CHUNK + 3 * CHUNK * c.dv + each * c.dk * c.dv;
	float *room = qk_room(all);
	memset(room, 0, all * sizeof *room);
	c.q = part(&room, CHUNK * c.dk), c.k = part(&room, CHUNK * c.dk), c.turned = part(&room, CHUNK * c.dk);
	c.kk = part(&room, CHUNK * CHUNK), c.qk = part(&room, CHUNK * CHUNK);
	c.a = part(&room, CHUNK * CHUNK), c.p = part(&room, CHUNK * CHUNK);
	c.d = part(&room, CHUNK * c.dv), c.o = part(&room, CHUNK * c.dv), c.seen = part(&room, CHUNK * c.dv);
	c.states = room;
	return c;
}

// AHEAD is how many tokens before its turn a row of x is asked for: rows lie so far apart that no processor guesses.
enum { AHEAD = 8 };

INLINE void ask_ahead(const struct delta_prompt *s, const struct chunk *c, int64_t t, const float *p) {
	if (c->first + t + AHEAD < s->tokens)
		__builtin_prefetch(p + AHEAD * s->width);
}

// tap_of is the convolution's input that tap i takes at token t of a chunk.
INLINE const float *tap_of(const struct delta_prompt *s, const struct chunk *c, int64_t t, int64_t i) {
	const int64_t kept = s->taps - 1, at = c->first + t + i - kept;
	return at < 0 ? s->past + (c->b * kept + kept + at) * s->conv : s->x + (c->b * s->tokens + at) * s->width;
}

// convolve writes silu of the convolution's channels [from, from+wide) at the tokens of a chunk, zeros behind them.
static void convolve(float *dst, int64_t stride, const struct delta_prompt *s, const struct chunk *c, int64_t from, int64_t wide) {
	for (int64_t t = 0; t < c->n; t++) {
		float *row = dst + t * stride;
		for (int64_t tap = 0; tap < s->taps; tap++) {
			const float *in = tap_of(s, c, t, tap) + from, *w = s->weight + tap * s->conv + from;
			for (int64_t i = 0; i < wide; i += VF)
				v_store(row + i, v_fma(v_some(in + i, wide - i), v_some(w + i, wide - i), tap ? v_load(row + i) : v_zero()));
		}
		for (int64_t i = 0; i < wide; i += VF) {
			const vf x = v_load(row + i);
			ask_ahead(s, c, t, tap_of(s, c, t, s->taps - 1) + from + i);
			v_store(row + i, x * v_sigmoid(x));
		}
	}
	memset(dst + c->n * stride, 0, (c->rows - c->n) * stride * sizeof *dst);
}

// unit gives the rows of x the length 1, times scale.
static void unit(float *x, int64_t stride, const struct chunk *c, float scale) {
	for (int64_t t = 0; t < c->n; t++) {
		float *row = x + t * stride;
		const vf factor = v_set(scale / sqrtf(squares(row, stride) + 1e-6f));
		for (int64_t i = 0; i < stride; i += VF)
			v_store(row + i, v_load(row + i) * factor);
	}
}

// keys makes what all value heads of a key head share.
static void keys(struct chunk *c, const struct delta_prompt *s, int64_t key) {
	convolve(c->q, c->dk, s, c, key * s->dk, s->dk);
	convolve(c->k, c->dk, s, c, (s->nk + key) * s->dk, s->dk);
	unit(c->q, c->dk, c, 1 / sqrtf((float)s->dk));
	unit(c->k, c->dk, c, 1);
	turn(c->turned, CHUNK, c->k, c->dk, c->rows, c->dk);
	const int64_t cols = (c->rows + WIDE - 1) / WIDE * WIDE;
	multiply_plain(c->kk, CHUNK, c->rows, cols, c->k, c->dk, c->turned, CHUNK, s->dk, NULL);
	multiply_plain(c->qk, CHUNK, c->rows, cols, c->q, c->dk, c->turned, CHUNK, s->dk, NULL);
}

// v_softplus is log(1 + e^x).
INLINE vf v_softplus(vf x) {
	const vf u = v_exp(v_least(x, v_zero() - x)), s = u / (u + v_set(2)), s2 = s * s; // log(1 + u) = 2 artanh(s)
	vf sum = v_set(1.f / 15);
	for (int i = 13; i > 0; i -= 2)
		sum = v_fma(sum, s2, v_set(1.f / i));
	return v_fma(s + s, sum, v_most(v_zero(), x));
}

// gates works out what value head h makes of decays and beta. Tokens behind the last change nothing.
static void gates(struct chunk *c, const struct delta_prompt *s, int64_t h) {
	float a[CHUNK] = {0}, b[CHUNK] = {0}, log[CHUNK];
	for (int64_t t = 0; t < c->n; t++) {
		const float *tail = s->x + (c->b * s->tokens + c->first + t + 1) * s->width - 2 * s->nv; // b, then a
		b[t] = tail[h], a[t] = tail[s->nv + h] + s->bias[h];
	}
	for (int64_t t = 0; t < CHUNK; t += VF) {
		v_store(c->beta + t, v_sigmoid(v_load(b + t)));
		v_store(log + t, v_set(s->rate[h]) * v_softplus(v_load(a + t)));
	}
	for (int64_t t = c->n; t < CHUNK; t++)
		c->beta[t] = log[t] = 0;
	double sum = 0;
	for (int64_t t = 0; t < CHUNK; t++)
		c->sum[t] = sum += log[t];
	for (int64_t t = 0; t < CHUNK; t++)
		c->since[t] = (float)c->sum[t], c->left[t] = (float)(sum - c->sum[t]);
	for (int64_t t = 0; t < CHUNK; t += VF) {
		v_store(c->since + t, v_decay(v_load(c->since + t)));
		v_store(c->left + t, v_decay(v_load(c->left + t)));
		v_store(log + t, v_exp(v_load(log + t)));
	}
	s->decay[c->b * s->nv + h] = log[c->n - 1];
}

// weigh multiplies the products with keys by their decays, and beta. Differences of sums in float64 keep their
// digits after a strong decay, which float32 would lose.
static void weigh(struct chunk *c) {
	for (int64_t i = 0; i < c->rows; i++) {
		float g[CHUNK];
		for (int64_t j = 0; j < CHUNK; j++)
			g[j] = j <= i ? (float)(c->sum[i] - c->sum[j]) : -1e3f; // whose decay is 0
		const vf beta = v_set(-c->beta[i]);
		for (int64_t j = 0; j < CHUNK; j += VF) {
			const int64_t at = i * CHUNK + j;
			const vf decay = v_decay(v_load(g + j));
			v_store(c->a + at, v_load(c->kk + at) * decay * beta);
			v_store(c->p + at, v_load(c->qk + at) * decay);
		}
	}
}

// rule carries the state of a value head over a chunk, from the values in d, and leaves what is read in o.
static void rule(struct chunk *c, const struct delta_prompt *s, float *state) {
	multiply_plain(c->seen, c->dv, c->rows, c->dv, c->k, c->dk, state, c->dv, s->dk, NULL);
	multiply_plain(c->o, c->dv, c->rows, c->dv, c->q, c->dk, state, c->dv, s->dk, NULL);
	for (int64_t t = 0; t < c->rows; t++) {
		const vf since = v_set(-c->since[t]), beta = v_set(c->beta[t]);
		for (int64_t i = t * c->dv; i < (t + 1) * c->dv; i += VF)
			v_store(c->d + i, beta * v_fma(since, v_load(c->seen + i), v_load(c->d + i)));
	}
	solve(c->d, c->dv, c->rows, c->dv, c->a, CHUNK);
	multiply_below(c->o, c->dv, c->rows, c->dv, c->p, CHUNK, c->d, c->dv, c->since);
	for (int64_t t = 0; t < c->rows; t++)
		for (int64_t i = t * c->dv; i < (t + 1) * c->dv; i += VF)
			v_store(c->d + i, v_load(c->d + i) * v_set(c->left[t]));
	multiply_turned(state, c->dv, c->dk, c->dv, c->k, c->dk, c->d, c->dv, c->rows, c->since + CHUNK - 1, 0);
}

// finish writes the gated norm of what value head h has read.
static void finish(const struct chunk *c, const struct delta_prompt *s, int64_t h) {
	for (int64_t t = 0; t < c->n; t++) {
		const int64_t row = c->b * s->tokens + c->first + t;
		const float *o = c->o + t * c->dv, *gate = s->x + row * s->width + s->conv + h * s->dv;
		float *y = s->y + (row * s->nv + h) * s->dv;
		const vf factor = v_set(1 / sqrtf(squares(o, c->dv) / (float)s->dv + s->eps));
		for (int64_t i = 0; i < s->dv; i += VF) {
			ask_ahead(s, c, t, gate + i);
			const vf z = v_some(gate + i, s->dv - i), norm = v_some(s->norm + i, s->dv - i);
			v_put(y + i, v_load(o + i) * factor * norm * z * v_sigmoid(z), s->dv - i);
		}
	}
}

// load and save turn a state [dv, dk] to where it is carried on, and back.
static void load(float *to, const struct chunk *c, const float *from, int64_t dk, int64_t dv) {
	turn(to, c->dv, from, dk, dv / 4 * 4, dk / 4 * 4);
	for (int64_t i = 0; i < dv; i++)
		for (int64_t j = i < dv / 4 * 4 ? dk / 4 * 4 : 0; j < dk; j++)
			to[j * c->dv + i] = from[i * dk + j];
}

static void save(float *to, const struct chunk *c, const float *from, int64_t dk, int64_t dv) {
	turn(to, dk, from, c->dv, dk / 4 * 4, dv / 4 * 4);
	for (int64_t i = 0; i < dv; i++)
		for (int64_t j = i < dv / 4 * 4 ? dk / 4 * 4 : 0; j < dk; j++)
			to[i * dk + j] = from[j * c->dv + i];
}

static void delta(const void *argument, int64_t piece) {
	const struct delta_prompt *s = argument;
	const int64_t key = piece % s->nk, each = s->nv / s->nk, size = s->dk * s->dv;
	struct chunk c = new_chunk(s, piece / s->nk);
	const int64_t head = c.b * s->nv + key * each;
	for (int64_t i = 0; i < each; i++)
		load(c.states + i * c.dk * c.dv, &c, s->state + (head + i) * size, s->dk, s->dv);
	for (; c.first < s->tokens; c.first += CHUNK) {
		c.n = s->tokens - c.first < CHUNK ? s->tokens - c.first : CHUNK;
		c.rows = (c.n + MR - 1) / MR * MR;
		keys(&c, s, key);
		for (int64_t i = 0; i < each; i++) {
			const int64_t h = key * each + i;
			convolve(c.d, c.dv, s, &c, 2 * s->nk * s->dk + h * s->dv, s->dv);
			gates(&c, s, h);
			weigh(&c);
			rule(&c, s, c.states + i * c.dk * c.dv);
			finish(&c, s, h);
		}
	}
	for (int64_t i = 0; i < each; i++)
		save(s->next_state + (head + i) * size, &c, c.states + i * c.dk * c.dv, s->dk, s->dv);
}
