//go:build cgo && (amd64 || arm64) && !windows

// Room to compute in.

#include "product.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void *qk_need(size_t size) {
	void *p = malloc(size ? size : 1);
	if (!p) {
		fprintf(stderr, "qimport: no memory to compute with: %zu bytes\n", size);
		abort();
	}
	return p;
}

// Rooms are kept for the next call, and go with their thread.
static pthread_key_t room_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

struct room {
	int64_t floats;
	void *memory;
};

static void free_room(void *room) {
	free(((struct room *)room)->memory);
	free(room);
}

static void make_key(void) {
	if (pthread_key_create(&room_key, free_room))
		abort();
}

float *qk_room(int64_t floats) {
	enum { LINE = 64 };
	pthread_once(&once, make_key);
	struct room *r = pthread_getspecific(room_key);
	if (!r) {
		r = qk_need(sizeof *r);
		*r = (struct room){0};
		pthread_setspecific(room_key, r);
	}
	if (r->floats < floats) {
		free(r->memory);
		r->memory = qk_need(floats * sizeof(float) + LINE);
		r->floats = floats;
	}
	return (float *)(((uintptr_t)r->memory + LINE - 1) / LINE * LINE);
}
