// Causal attention of the tokens of a prompt: see prompt_body.h. A block of keys at a time meets the queries of
// TOGETHER tokens; what was summed up before is scaled to the largest score so far.

enum { BLOCK = 64 };

// placed writes a query or key x [dim] with its norm, turned to its position, times scale.
INLINE void placed(float *restrict y, const float *restrict x, const float *restrict norm, const struct attend_prompt *a, int64_t token, float scale) {
	const float *cos = a->turns + token * 2 * a->pairs, *sin = cos + a->pairs;
	const float factor = scale / sqrtf(squares(x, a->dim) / (float)a->dim + a->eps);
	for (int64_t i = 0; i < a->dim; i++)
		y[i] = x[i] * factor * norm[i];
	for (int64_t i = 0; i < a->pairs; i++) {
		const float first = y[i], second = y[a->pairs + i];
		y[i] = first * cos[i] - second * sin[i];
		y[a->pairs + i] = second * cos[i] + first * sin[i];
	}
}

// place adds keys and values of rows to those that are kept.
static void place(const void *argument, int64_t piece) {
	const struct attend_prompt *a = argument;
	for (int64_t row = piece * PLACED; row < a->rows && row < (piece + 1) * PLACED; row++) {
		const int64_t b = row / a->tokens, token = row % a->tokens;
		const float *x = a->x + row * a->width + a->heads * a->dim;
		for (int64_t h = 0; h < a->kept; h++, x += a->dim) {
			const int64_t at = ((b * a->kept + h) * a->capacity + a->length + token) * a->dim;
			placed(a->keys + at, x, a->key_norm, a, token, 1);
			memcpy(a->values + at, x + a->kept * a->dim, a->dim * sizeof *x);
		}
	}
}

// looking is the queries of n tokens from first on that look at a kept head.
struct looking {
	int64_t b, head, first, n, dim; // dim: padded
	const float *keys, *values;     // [places, a->dim]
	float *rows, *spare;            // [TOGETHER, dim], [BLOCK, dim]
	float *scores;                  // [BLOCK, TOGETHER], then the weights
	float *queries;                 // [dim, TOGETHER] of each query head
	float *o;                       // [TOGETHER, dim] likewise
	float *most, *sum;              // [TOGETHER] likewise: the largest score, the sum of weights
};

static struct looking look(const struct attend_prompt *a, int64_t piece) {
	const int64_t tiles = (a->tokens + TOGETHER - 1) / TOGETHER, each = a->heads / a->kept, head = piece / tiles;
	struct looking l = {.b = head / a->kept, .head = head % a->kept, .first = (tiles - 1 - piece % tiles) * TOGETHER, .dim = whole(a->dim)};
	l.n = a->tokens - l.first < TOGETHER ? a->tokens - l.first : TOGETHER;
	l.keys = a->keys + head * a->capacity * a->dim;
	l.values = a->values + head * a->capacity * a->dim;
	const int64_t matrix = TOGETHER * l.dim;
	float *room = qk_room(matrix + BLOCK * l.dim + BLOCK * TOGETHER + each * (2 * matrix + 2 * TOGETHER));
	l.rows = room, room += matrix;
	l.spare = room, room += BLOCK * l.dim;
	l.scores = room, room += BLOCK * TOGETHER;
	l.queries = room, room += each * matrix;
	l.o = room, room += each * matrix;
	l.most = room, room += each * TOGETHER;
	l.sum = room;
	memset(l.rows, 0, matrix * sizeof *room);
	memset(l.spare, 0, BLOCK * l.dim * sizeof *room);
	memset(l.o, 0, each * matrix * sizeof *room);
	for (int64_t i = 0; i < each * TOGETHER; i++)
		l.most[i] = -INFINITY, l.sum[i] = 0;
	return l;
}

// ask turns the queries of query head j.
static void ask(const struct looking *l, const struct attend_prompt *a, int64_t j) {
	const float scale = 1 / sqrtf((float)a->dim);
	const int64_t h = l->head * (a->heads / a->kept) + j;
	for (int64_t t = 0; t < l->n; t++) {
		const float *x = a->x + (l->b * a->tokens + l->first + t) * a->width + h * a->dim;
		placed(l->rows + t * l->dim, x, a->query_norm, a, l->first + t, scale);
	}
	turn(l->queries + j * TOGETHER * l->dim, TOGETHER, l->rows, l->dim, TOGETHER, l->dim);
}

// padded are n rows [dim] of keys or values in the room of a block, with zeros behind rows and columns.
static const float *padded(const struct looking *l, const float *rows, int64_t dim, int64_t n) {
	memset(l->spare, 0, BLOCK * l->dim * sizeof *rows);
	for (int64_t i = 0; i < n; i++)
		memcpy(l->spare + i * l->dim, rows + i * dim, dim * sizeof *rows);
	return l->spare;
}

// weigh_scores makes weights of the scores of n keys from place `from` on, that query head j gives, and factors of what
// the weights before have become.
static void weigh_scores(const struct looking *l, const struct attend_prompt *a, int64_t j, int64_t from, int64_t n, float *factors) {
	float unseen[2 * TOGETHER] = {0}; // from element TOGETHER - k on: what hides a key from the first k tokens
	for (int i = 0; i < TOGETHER; i++)
		unseen[i] = -INFINITY;
	const int64_t later = from - (a->length + l->first); // than the first token
	for (int64_t lane = 0; lane < TOGETHER; lane += VF) {
		float *most = l->most + j * TOGETHER + lane, *sum = l->sum + j * TOGETHER + lane, *scores = l->scores + lane;
		const vf before = v_load(most);
		vf now = before, all = v_zero();
		for (int64_t k = 0; k < n; k++) {
			vf score = v_load(scores + k * TOGETHER);
			if (later + k > 0) {
				score = score + v_load(unseen + TOGETHER - (later + k < TOGETHER ? later + k : TOGETHER) + lane);
				v_store(scores + k * TOGETHER, score);
			}
			now = v_most(now, score);
		}
		for (int64_t k = 0; k < n; k++) {
			const vf off = v_load(scores + k * TOGETHER) - now, weight = v_from(v_exp(off), off, v_set(-87));
			all = all + weight;
			v_store(scores + k * TOGETHER, weight);
		}
		const vf off = before - now, factor = v_from(v_exp(off), off, v_set(-87));
		v_store(factors + lane, factor);
		v_store(sum, v_fma(v_load(sum), factor, all));
		v_store(most, now);
	}
}

// meet lets all queries look at n keys and values from place `from` on.
static void meet(const struct looking *l, const struct attend_prompt *a, int64_t from, int64_t n) {
	const int64_t each = a->heads / a->kept, matrix = TOGETHER * l->dim, direct = n / MR * MR;
	const float *keys = l->keys + from * a->dim, *values = l->values + from * a->dim;
	for (int64_t j = 0; j < each; j++) {
		const float *queries = l->queries + j * matrix;
		float factors[TOGETHER];
		multiply_plain(l->scores, TOGETHER, direct, TOGETHER, keys, a->dim, queries, TOGETHER, a->dim, NULL);
		if (direct < n)
			multiply_plain(l->scores + direct * TOGETHER, TOGETHER, MR, TOGETHER, padded(l, keys + direct * a->dim, a->dim, n - direct), l->dim, queries, TOGETHER, a->dim, NULL);
		weigh_scores(l, a, j, from, n, factors);
		const float *rows = a->dim == l->dim ? values : padded(l, values, a->dim, n);
		multiply_turned(l->o + j * matrix, l->dim, TOGETHER, l->dim, l->scores, TOGETHER, rows, l->dim, n, factors, 1);
	}
}

// answer writes what query head j has seen, and lets through what its gate does.
static void answer(const struct looking *l, const struct attend_prompt *a, int64_t j) {
	const int64_t h = l->head * (a->heads / a->kept) + j;
	for (int64_t t = 0; t < l->n; t++) {
		const int64_t row = l->b * a->tokens + l->first + t;
		const float *o = l->o + (j * TOGETHER + t) * l->dim, *gate = a->x + row * a->width + (a->heads + 2 * a->kept + h) * a->dim;
		float *y = a->y + (row * a->heads + h) * a->dim;
		const vf sum = v_set(l->sum[j * TOGETHER + t]);
		for (int64_t i = 0; i < a->dim; i += VF) {
			vf seen = v_load(o + i) / sum;
			if (a->gated)
				seen = seen * v_sigmoid(v_some(gate + i, a->dim - i));
			v_put(y + i, seen, a->dim - i);
		}
	}
}

static void attend(const void *argument, int64_t piece) {
	const struct attend_prompt *a = argument;
	const struct looking l = look(a, piece);
	const int64_t each = a->heads / a->kept, places = a->length + l.first + l.n;
	for (int64_t j = 0; j < each; j++)
		ask(&l, a, j);
	for (int64_t from = 0; from < places; from += BLOCK)
		meet(&l, a, from, places - from < BLOCK ? places - from : BLOCK);
	for (int64_t j = 0; j < each; j++)
		answer(&l, a, j);
}
