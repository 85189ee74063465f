//go:build cgo

#define _GNU_SOURCE
#include "nvrtc.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// As nvrtc.h of CUDA 11.1 and later declares them; a result of 0 is success.
typedef struct program* program;
static int (*version)(int* major, int* minor);
static int (*create)(program*, const char* source, const char* name, int, const char* const*, const char* const*);
static int (*compile)(program, int count, const char* const* options);
static int (*destroy)(program*);
static int (*log_size)(program, size_t*);
static int (*log_text)(program, char*);
static int (*code_size)(program, size_t*);
static int (*code_text)(program, char*);
static const char* (*error_text)(int);

static bool found;
static pthread_once_t sought = PTHREAD_ONCE_INIT;

static void seek(void) {
  const struct {
    void* function;
    const char* name;
  } all[] = {{&version, "nvrtcVersion"},
             {&create, "nvrtcCreateProgram"},
             {&compile, "nvrtcCompileProgram"},
             {&destroy, "nvrtcDestroyProgram"},
             {&log_size, "nvrtcGetProgramLogSize"},
             {&log_text, "nvrtcGetProgramLog"},
             {&code_size, "nvrtcGetCUBINSize"},
             {&code_text, "nvrtcGetCUBIN"},
             {&error_text, "nvrtcGetErrorString"}};
  found = true;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    void* at = dlsym(RTLD_DEFAULT, all[i].name);
    memcpy(all[i].function, &at, sizeof at);
    found = found && at;
  }
}

bool qimport_nvrtc_version(int* major, int* minor) {
  pthread_once(&sought, seek);
  return found && version(major, minor) == 0;
}

// fetch sets *text to what get gives, of the size that measure gives.
static int fetch(program p, int (*measure)(program, size_t*), int (*get)(program, char*), char** text, size_t* size) {
  int rc = measure(p, size);
  if (rc) return rc;
  *text = calloc(1, *size + 1);
  return *text ? get(p, *text) : 1; // NVRTC_ERROR_OUT_OF_MEMORY
}

int qimport_nvrtc_compile(const char* source, const char* name, const char* const* options, int count,
                          char** text, size_t* size) {
  program p = NULL;
  *text = NULL;
  int rc = create(&p, source, name, 0, NULL, NULL);
  if (!rc && (rc = compile(p, count, options)))
    fetch(p, log_size, log_text, text, size);
  else if (!rc)
    rc = fetch(p, code_size, code_text, text, size);
  if (p) destroy(&p);
  if (rc && (!*text || !**text)) {
    free(*text);
    *text = strdup(error_text(rc));
  }
  if (rc) *size = *text ? strlen(*text) : 0;
  return rc;
}
