//go:build cgo && (amd64 || arm64) && !windows

// The threads that products are computed on. A job is a number of pieces, of which each thread is given as many
// as lie side by side: memory is read faster in one go than piece by piece. Whoever has none left takes half of
// what another has; which thread takes a piece decides nothing about its result. The caller works too and never
// waits for a thread that has not begun: one that comes late finds the job closed.

#define _GNU_SOURCE
#include "product.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { MOST = 256 };    // threads
enum { SPIN = 100000 }; // nanoseconds that a thread looks for work before it sleeps: products of one
                        // graph follow each other within them, and waking takes about as long

// share is the pieces that a thread has before it: the first of them, and above SHIFT the one behind the last. Each
// lies in a cache line of its own.
struct share {
	_Alignas(64) _Atomic uint64_t pieces;
};

enum { SHIFT = 32 };

// gate is 0, or OPEN plus the number of threads inside while a job can be joined.
#define OPEN 0x80000000u

static struct {
	pthread_mutex_t busy, mutex; // one job at a time; what sleepers wait on
	pthread_cond_t wake;
	_Atomic uint32_t gate;
	_Atomic int sleepers, limit; // limit: threads that may work, the caller's included
	_Atomic uint64_t job;        // its number
	int started, threads;        // threads: those that the job is for
	void (*task)(const void *, int64_t);
	const void *argument;
	struct share shares[MOST];
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .limit = 1};

static void pause_cpu(void) {
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

static uint64_t share_of(uint64_t from, uint64_t to) { return to << SHIFT | from; }
static uint64_t first_of(uint64_t share) { return share & (((uint64_t)1 << SHIFT) - 1); }
static uint64_t count_of(uint64_t share) { return (share >> SHIFT) - first_of(share); }

// take is the next piece of a thread's share, or -1.
static int64_t take(struct share *s) {
	uint64_t had = atomic_load(&s->pieces);
	while (count_of(had))
		if (atomic_compare_exchange_weak(&s->pieces, &had, had + 1))
			return first_of(had);
	return -1;
}

// take_half makes the upper half of another's share this thread's own, which has none; false if there is nothing.
static int take_half(struct share *s, struct share *other) {
	uint64_t had = atomic_load(&other->pieces);
	while (count_of(had)) {
		const uint64_t from = first_of(had), middle = from + count_of(had) / 2, to = had >> SHIFT;
		if (!atomic_compare_exchange_weak(&other->pieces, &had, share_of(from, middle)))
			continue;
		atomic_store(&s->pieces, share_of(middle, to));
		return 1;
	}
	return 0;
}

static void work(int number) {
	struct share *own = &pool.shares[number];
	for (int other = 0; other < pool.threads; other++) {
		for (int64_t i; (i = take(own)) >= 0;)
			pool.task(pool.argument, i);
		if (other != number && take_half(own, &pool.shares[other]))
			other = -1;
	}
}

// has_work says whether there is a job that can be joined other than the last one that was.
static int has_work(uint64_t last) { return (atomic_load(&pool.gate) & OPEN) && atomic_load(&pool.job) != last; }

// join enters the open job, works and leaves; it is the number of that job, or of the last one.
static uint64_t join(int number, uint64_t last) {
	uint32_t gate = atomic_load(&pool.gate);
	do {
		if (!(gate & OPEN))
			return last;
	} while (!atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1));
	last = atomic_load(&pool.job);
	if (number < pool.threads)
		work(number);
	atomic_fetch_sub(&pool.gate, 1);
	return last;
}

static int64_t nanoseconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void spin(uint64_t last) {
	for (int64_t end = nanoseconds() + SPIN; nanoseconds() < end;)
		for (int i = 0; i < 64; i++) {
			if (has_work(last))
				return;
			pause_cpu();
		}
}

// sleep_until waits for work that thread number may take part in.
static void sleep_until(int number, uint64_t last) {
	pthread_mutex_lock(&pool.mutex);
	atomic_fetch_add(&pool.sleepers, 1);
	while (!has_work(last) || number >= atomic_load(&pool.limit))
		pthread_cond_wait(&pool.wake, &pool.mutex);
	atomic_fetch_sub(&pool.sleepers, 1);
	pthread_mutex_unlock(&pool.mutex);
}

static void *worker(void *argument) {
	const int number = (int)(intptr_t)argument;
	qk_enter();
	for (uint64_t last = 0;;) {
		spin(last);
		if (!has_work(last) || number >= atomic_load(&pool.limit))
			sleep_until(number, last);
		last = join(number, last);
	}
	return NULL;
}

// start starts a thread that no signal is delivered to, bar its own faults.
static int start(int number) {
	pthread_t thread;
	sigset_t all, old;
	sigfillset(&all);
	int own[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&all, own[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	int failed = pthread_create(&thread, NULL, worker, (void *)(intptr_t)number);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!failed)
		pthread_detach(thread);
	return failed;
}

void qk_set_threads(int threads) {
	threads = threads < 1 ? 1 : threads > MOST ? MOST : threads;
	pthread_mutex_lock(&pool.busy);
	while (pool.started + 1 < threads && !start(pool.started + 1))
		pool.started++;
	atomic_store(&pool.limit, threads);
	pthread_mutex_unlock(&pool.busy);
}

static void alone(void (*task)(const void *, int64_t), const void *argument, int64_t pieces) {
	for (int64_t i = 0; i < pieces; i++)
		task(argument, i);
}

void qk_run(void (*task)(const void *, int64_t), const void *argument, int64_t pieces) {
	if (pieces < 2 || pieces >> SHIFT || atomic_load(&pool.limit) < 2 || pthread_mutex_trylock(&pool.busy)) {
		alone(task, argument, pieces); // another product has the threads
		return;
	}
	pool.task = task;
	pool.argument = argument;
	pool.threads = atomic_load(&pool.limit);
	for (int i = 0; i < pool.threads; i++)
		atomic_store_explicit(&pool.shares[i].pieces, share_of(i * pieces / pool.threads, (i + 1) * pieces / pool.threads), memory_order_relaxed);
	atomic_fetch_add(&pool.job, 1);
	atomic_store(&pool.gate, OPEN);
	if (atomic_load(&pool.sleepers)) {
		pthread_mutex_lock(&pool.mutex);
		pthread_cond_broadcast(&pool.wake);
		pthread_mutex_unlock(&pool.mutex);
	}
	work(0);
	atomic_fetch_and(&pool.gate, ~OPEN);
	for (int i = 0; atomic_load(&pool.gate); i++)
		i < 10000 ? pause_cpu() : (void)sched_yield();
	pthread_mutex_unlock(&pool.busy);
}
