//go:build cgo && (amd64 || arm64) && !windows

// The threads that products are computed on. A job is a number of pieces, which threads take one by
// one until there are none left; which thread takes a piece decides nothing about its result. The caller
// works too and never waits for a thread that has not begun: one that comes late finds the job closed.

#define _GNU_SOURCE
#include "product.h"
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { MOST = 256 };     // threads
enum { SPIN = 100000 };  // nanoseconds that a thread looks for work before it sleeps: products of one
                         // graph follow each other within them, and waking takes about as long

// gate is 0, or OPEN plus the number of threads inside while a job can be joined.
#define OPEN 0x80000000u

static struct {
	pthread_mutex_t busy, mutex; // one job at a time; what sleepers wait on
	pthread_cond_t wake;
	_Atomic uint32_t gate;
	_Atomic int sleepers, limit; // limit: threads that may work, the caller's included
	int started;
	void (*task)(const void *, int64_t);
	const void *argument;
	_Atomic int64_t next, pieces;
} pool = {.busy = PTHREAD_MUTEX_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .limit = 1};

static void pause_cpu(void) {
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

static void work(void) {
	int64_t pieces = atomic_load(&pool.pieces);
	for (int64_t i; (i = atomic_fetch_add(&pool.next, 1)) < pieces;)
		pool.task(pool.argument, i);
}

// has_work says whether a job can be joined that has pieces left.
static int has_work(void) {
	return (atomic_load(&pool.gate) & OPEN) && atomic_load(&pool.next) < atomic_load(&pool.pieces);
}

// join enters the open job, works and leaves.
static void join(void) {
	uint32_t gate = atomic_load(&pool.gate);
	do {
		if (!(gate & OPEN))
			return;
	} while (!atomic_compare_exchange_weak(&pool.gate, &gate, gate + 1));
	work();
	atomic_fetch_sub(&pool.gate, 1);
}

static int64_t nanoseconds(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void spin(void) {
	for (int64_t end = nanoseconds() + SPIN; nanoseconds() < end;)
		for (int i = 0; i < 64; i++) {
			if (has_work())
				return;
			pause_cpu();
		}
}

// sleep_until waits for work that thread number may take part in.
static void sleep_until(int number) {
	pthread_mutex_lock(&pool.mutex);
	atomic_fetch_add(&pool.sleepers, 1);
	while (!has_work() || number >= atomic_load(&pool.limit))
		pthread_cond_wait(&pool.wake, &pool.mutex);
	atomic_fetch_sub(&pool.sleepers, 1);
	pthread_mutex_unlock(&pool.mutex);
}

static void *worker(void *number) {
	qk_enter();
	for (;;) {
		spin();
		if (!has_work() || (int)(intptr_t)number >= atomic_load(&pool.limit))
			sleep_until((int)(intptr_t)number);
		join();
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
	if (pieces < 2 || atomic_load(&pool.limit) < 2 || pthread_mutex_trylock(&pool.busy)) {
		alone(task, argument, pieces); // another product has the threads
		return;
	}
	pool.task = task;
	pool.argument = argument;
	atomic_store(&pool.next, 0);
	atomic_store(&pool.pieces, pieces);
	atomic_store(&pool.gate, OPEN);
	if (atomic_load(&pool.sleepers)) {
		pthread_mutex_lock(&pool.mutex);
		pthread_cond_broadcast(&pool.wake);
		pthread_mutex_unlock(&pool.mutex);
	}
	work();
	atomic_fetch_and(&pool.gate, ~OPEN);
	for (int i = 0; atomic_load(&pool.gate); i++)
		i < 10000 ? pause_cpu() : (void)sched_yield();
	pthread_mutex_unlock(&pool.busy);
}
