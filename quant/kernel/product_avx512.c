//go:build cgo && amd64 && !windows

#include "product_call.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((target(EVEX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")
#endif

#include "product_avx512.h"

enum { ISA = AVX512 };

#define KERNELS qk_avx512
#include "product_body.h"

#ifdef __clang__
#pragma clang attribute pop
#endif
