//go:build cgo && (amd64 || arm64) && !windows

// A read behind the end of a mapped file, which was cut short after it was mapped, raises SIGBUS. On a
// thread that computes a product, the page is replaced by one of zeros and the fault is counted, so that
// the product ends and whoever asked for it can refuse its result. Any other fault goes to the handler
// that was there before, Go's.

#define _GNU_SOURCE
#include "product.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

static struct sigaction before;
static uintptr_t page;
static __thread volatile int inside;
static _Atomic int64_t faults;
static _Atomic uint64_t last;

static void pass_on(int sig, siginfo_t *info, void *context) {
	if (before.sa_flags & SA_SIGINFO) {
		before.sa_sigaction(sig, info, context);
	} else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
		before.sa_handler(sig);
	} else {
		sigaction(sig, &before, NULL); // the access is tried again and ends as it would have
	}
}

static void on_fault(int sig, siginfo_t *info, void *context) {
	uintptr_t at = (uintptr_t)info->si_addr & ~(page - 1);
	if (!inside || !at ||
		mmap((void *)at, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
		pass_on(sig, info, context);
		return;
	}
	atomic_store(&last, (uint64_t)(uintptr_t)info->si_addr);
	atomic_fetch_add(&faults, 1);
}

static void install(void) {
	page = (uintptr_t)sysconf(_SC_PAGESIZE);
	struct sigaction ours = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	ours.sa_sigaction = on_fault;
	sigaction(SIGBUS, NULL, &before); // first, for a fault between the two
	ours.sa_mask = before.sa_mask;
	sigaction(SIGBUS, &ours, NULL);
}

void qk_watch(void) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, install);
}

void qk_enter(void) { inside++; }
void qk_leave(void) { inside--; }

int64_t qk_faults(uint64_t *address) {
	int64_t count = atomic_load(&faults);
	*address = atomic_load(&last);
	return count;
}
