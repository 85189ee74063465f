// The products that libmlx asks of BLAS, sent on to OpenBLAS.
//
// The MLX wheel brings the reference BLAS, some fifty times slower. OpenBLAS's
// own wheel names its functions scipy_*, so the three that libmlx calls are
// defined here and linked into libmlxc.so: the loader looks there before it
// reaches libmlx's own BLAS. (LAPACK keeps the reference BLAS; no model uses it.)
//
// A product with one row, which is what decoding a token consists of, goes to
// gemv: OpenBLAS's gemm copies the weights into panels first, which makes it
// three to seven times slower there (measured on 3584x1024 to 248320x1024).
//
// A small product runs on the calling thread alone: up to some two million
// multiplications a second thread gains nothing, and its waiting in a loop costs
// dearly on a busy machine. The chunked delta rule consists of such products.

enum { RowMajor = 101, NoTrans = 111, Trans = 112 };

void scipy_cblas_sgemv(int, int, int, int, float, const float*, int,
                       const float*, int, float, float*, int);
int scipy_openblas_get_num_threads(void);
void scipy_openblas_set_num_threads(int);

void scipy_cblas_sgemm(int, int, int, int, int, int, float, const float*, int,
                       const float*, int, float, float*, int);
void scipy_cblas_dgemm(int, int, int, int, int, int, double, const double*, int,
                       const double*, int, double, double*, int);
void scipy_cblas_cgemm(int, int, int, int, int, int, const void*, const void*,
                       int, const void*, int, const void*, void*, int);

// all is how many threads OpenBLAS starts with.
static int all;
__attribute__((constructor)) static void count_threads(void) {
  all = scipy_openblas_get_num_threads();
}

// share_out sets how many threads the next product takes: a store, not a start of threads. The
// callers are MLX's CPU stream, which is one thread, and between its products several threads
// with small products, which all set 1.
static void share_out(double multiplications) {
  scipy_openblas_set_num_threads(multiplications < (1 << 21) ? 1 : all);
}

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha,
                 const float* a, int lda, const float* b, int ldb, float beta,
                 float* c, int ldc) {
  share_out((double)m * n * k);
  if (order == RowMajor && m == 1 && k > 0) {
    int step = ta == NoTrans ? 1 : lda;
    if (tb == NoTrans)  // b is [k, n]
      scipy_cblas_sgemv(RowMajor, Trans, k, n, alpha, b, ldb, a, step, beta, c, 1);
    else  // b is [n, k]
      scipy_cblas_sgemv(RowMajor, NoTrans, n, k, alpha, b, ldb, a, step, beta, c, 1);
    return;
  }
  scipy_cblas_sgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_dgemm(int order, int ta, int tb, int m, int n, int k, double alpha,
                 const double* a, int lda, const double* b, int ldb, double beta,
                 double* c, int ldc) {
  scipy_cblas_dgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void cblas_cgemm(int order, int ta, int tb, int m, int n, int k,
                 const void* alpha, const void* a, int lda, const void* b,
                 int ldb, const void* beta, void* c, int ldc) {
  scipy_cblas_cgemm(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
