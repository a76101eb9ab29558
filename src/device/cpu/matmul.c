/* Matrix products.  Compiled once per instruction set.
 *
 * Float products run on our own tiles, by one rule for the order of rounding that immediate kernels and plans share
 * (matmul_body.h, docs/numerics.md).  On processors without AVX2 large ones go to OpenBLAS, which is faster only there
 * (docs/experiments.md, 6): cut into fixed blocks of the result, one single-threaded call each, so that bits depend on
 * shapes and never on threads (reliability.md D1).  Integers run on a plain loop and wrap. */
#include <math.h>

#include "base/size.h"
#include "device/cpu/blas.h"
#include "device/cpu/pool.h"
#include "device/cpu/simd.h"
#include "device/cpu/tiles.h"

#define GEMM_K 256 /* longest chain of FMAs */
#define TILE_ROWS (KL_LANES > 8 ? 8 : KL_LANES > 4 ? 6 : 4)
#define PACK_ROWS 96                   /* from so many rows on, a packed panel of B pays (kernels.md 3) */
#define SMALL_RIGHT ((int64_t)2 << 20) /* bytes of B */
#define BLOCK_ROWS 256                 /* of A that are copied together */
#define BLOCK_COLUMNS 256              /* of B that are packed together */

/* Length of the blocks K is cut into: equal, at most GEMM_K. */
static int64_t gemm_block_length(int64_t k) {
  int64_t blocks = kl_div_up(k, GEMM_K);
  return blocks <= 1 ? kl_max_i64(k, 1) : kl_div_up(k, blocks);
}

#define T float
#define V kl_vf
#define LANES KL_LANES
#define LOAD vf_load
#define LOAD_PART vf_load_part
#define STORE vf_store
#define STORE_PART vf_store_part
#define SET vf_set
#define FMA vf_fma
#define NAME(x) f32_##x
#include "device/cpu/matmul_body.h"
#undef T
#undef V
#undef LANES
#undef LOAD
#undef LOAD_PART
#undef STORE
#undef STORE_PART
#undef SET
#undef FMA
#undef NAME

#define T double
#define V kl_vd
#define LANES KL_DLANES
#define LOAD vd_load
#define LOAD_PART vd_load_part
#define STORE vd_store
#define STORE_PART vd_store_part
#define SET vd_set
#define FMA vd_fma
#define NAME(x) f64_##x
#include "device/cpu/matmul_body.h"

#define INTEGER_PRODUCT(name, type, wide)                                                                       \
  static void name(int64_t m, int64_t n, int64_t depth, const type *a, int64_t rsa, int64_t csa, const type *b, \
                   int64_t rsb, int64_t csb, type *c, int64_t rsc) {                                            \
    for (int64_t i = 0; i < m; i++) {                                                                           \
      for (int64_t j = 0; j < n; j++) {                                                                         \
        c[i * rsc + j] = 0;                                                                                     \
      }                                                                                                         \
      for (int64_t k = 0; k < depth; k++) {                                                                     \
        const wide x = (wide)a[i * rsa + k * csa];                                                              \
        for (int64_t j = 0; j < n; j++) {                                                                       \
          c[i * rsc + j] = (type)((wide)c[i * rsc + j] + x * (wide)b[k * rsb + j * csb]);                       \
        }                                                                                                       \
      }                                                                                                         \
    }                                                                                                           \
  }

INTEGER_PRODUCT(i32_product, int32_t, uint32_t)
INTEGER_PRODUCT(i64_product, int64_t, uint64_t)
INTEGER_PRODUCT(u8_product, uint8_t, uint32_t)

/* One matrix of a stack, as the kernels want it. */
typedef struct matrix {
  const char *data;
  int64_t rows, columns;
  int64_t row_stride, column_stride; /* elements */
  int batch_axes;
  int64_t batch_stride[KL_MAX_NDIM]; /* aligned with the output's batch axes */
  bool gather;                       /* its strides suit no kernel: copy each matrix first */
} matrix;

typedef struct product {
  matrix a, b;
  kl_dtype dtype;
  size_t size;
  int64_t m, n, k;
  double work; /* multiplications per matrix of the stack */
  bool blas;
  bool turned; /* the result is a column and computed as a row */
  int batch_axes;
  int64_t batch_shape[KL_MAX_NDIM], batches;
  char *c;
  char *a_copy, *b_copy; /* scratch for gathered matrices */
  bool in_pool;          /* whole matrices are the pool's blocks */
  bool by_depth;         /* K's blocks are shared out, each with a result of its own in `partial` */
  int64_t length, parts; /* of such a block; how many there are */
  char *partial;
} product;

#define BLAS_PRODUCT (KL_LANES > 4 ? INFINITY : (double)(1 << 28)) /* multiplications; from here on OpenBLAS */
#define SERIAL_PRODUCT 100000  /* multiplications, some 2 us: below it the pool does not pay */
#define BLAS_SPLIT 256         /* rows and columns of a block of the result */
#define MOST_ROWS_BY_DEPTH 128 /* beyond, the partial results are more than the right side is */
#define SPLIT_ROWS 512         /* rows and columns of the result that one block of the pool makes */
#define SPLIT_COLUMNS 256

static void read_matrix(const kl_view *v, bool left, const kl_shape *out, int batch_axes, matrix *x) {
  int ndim = v->shape.ndim;
  x->data = v->data;
  if (ndim == 1) {
    x->rows = left ? 1 : v->shape.dim[0];
    x->columns = left ? v->shape.dim[0] : 1;
    x->row_stride = left ? 0 : v->strides[0];
    x->column_stride = left ? v->strides[0] : 0;
  } else {
    x->rows = v->shape.dim[ndim - 2];
    x->columns = v->shape.dim[ndim - 1];
    x->row_stride = v->strides[ndim - 2];
    x->column_stride = v->strides[ndim - 1];
  }
  int own = ndim > 2 ? ndim - 2 : 0;
  for (int i = 0; i < batch_axes; i++) {
    int axis = i - (batch_axes - own);
    bool repeated = axis < 0 || (v->shape.dim[axis] == 1 && out->dim[i] != 1);
    x->batch_stride[i] = repeated ? 0 : v->strides[axis];
  }
  if (x->columns == 1) {
    x->column_stride = 1;
  }
  if (x->rows == 1) {
    x->row_stride = x->columns;
  }
}

static bool blas_layout(const matrix *x) {
  return (x->column_stride == 1 && x->row_stride >= kl_max_i64(x->columns, 1)) ||
         (x->row_stride == 1 && x->column_stride >= kl_max_i64(x->rows, 1));
}

static matrix transposed(const matrix *x) {
  matrix t = *x;
  t.rows = x->columns;
  t.columns = x->rows;
  t.row_stride = x->column_stride;
  t.column_stride = x->row_stride;
  return t;
}

static void make_product(const kl_call *c, product *p) {
  const kl_view *a = &c->in[0], *b = &c->in[1];
  *p = (product){.dtype = a->dtype, .size = kl_dtype_size(a->dtype), .c = c->out[0].data};
  int matrix_axes = (a->shape.ndim > 1) + (b->shape.ndim > 1);
  p->batch_axes = c->out[0].shape.ndim - matrix_axes;
  p->batches = 1;
  for (int i = 0; i < p->batch_axes; i++) {
    p->batch_shape[i] = c->out[0].shape.dim[i];
    p->batches *= p->batch_shape[i];
  }
  read_matrix(a, true, &c->out[0].shape, p->batch_axes, &p->a);
  read_matrix(b, false, &c->out[0].shape, p->batch_axes, &p->b);
  p->m = p->a.rows;
  p->n = p->b.columns;
  p->k = p->a.columns;
  /* A stack of matrices times one matrix is one taller product, where the rows of the stack lie at one stride. */
  while (p->batch_axes > 0 && p->b.batch_stride[p->batch_axes - 1] == 0 && a->shape.ndim > 1 &&
         p->a.batch_stride[p->batch_axes - 1] == p->a.row_stride * p->m && p->m > 0) {
    p->m *= p->batch_shape[--p->batch_axes];
    p->batches = p->batch_shape[p->batch_axes] == 0 ? 1 : p->batches / p->batch_shape[p->batch_axes];
  }
  p->a.rows = p->m;
  /* A column whose rows lie side by side is computed as a row: (a b)^T = b^T a^T, the same chains of FMAs. */
  p->turned = p->n == 1 && p->m > 1 && p->batches == 1 && p->a.row_stride == 1;
  if (p->turned) {
    matrix column = p->b;
    p->b = transposed(&p->a);
    p->a = transposed(&column);
    p->n = p->m;
    p->m = 1;
  }
  p->work = (double)p->m * (double)p->n * (double)p->k;
  p->blas =
      kl_dtype_is_float(p->dtype) && p->work >= BLAS_PRODUCT && kl_min_i64(p->m, p->n) >= 64 && kl_blas_available();
  /* Few rows against a tall right side, as a dense layer's kernel is: who owns rows of it here owns the same rows when
   * it is updated, and they stay in its cache (kernels.md 3). */
  p->length = gemm_block_length(p->k);
  p->parts = kl_div_up(p->k, p->length);
  p->by_depth = kl_dtype_is_float(p->dtype) && !p->blas && p->batches == 1 && p->parts > 1 &&
                p->m <= MOST_ROWS_BY_DEPTH && p->b.column_stride == 1 && p->work >= SERIAL_PRODUCT;
  p->a.gather = p->blas && !blas_layout(&p->a);
  p->b.gather = p->blas && !blas_layout(&p->b);
}

/* Copies one matrix to contiguous rows. */
static void gather(matrix *x, char *to, kl_dtype dtype) {
  kl_view v = {.data = (void *)x->data, .dtype = dtype, .shape = {2, {x->rows, x->columns}}};
  v.strides[0] = x->row_stride;
  v.strides[1] = x->column_stride;
  kl_tiles_gather(&v, to);
  x->data = to;
  x->row_stride = x->columns;
  x->column_stride = 1;
}

/* One block of the result. */
static void block_product(const product *p, int64_t i, int64_t j, int64_t m, int64_t n) {
  const matrix *a = &p->a, *b = &p->b;
  const char *a_at = a->data + i * a->row_stride * (int64_t)p->size;
  const char *b_at = b->data + j * b->column_stride * (int64_t)p->size;
  char *c_at = p->c + (i * p->n + j) * (int64_t)p->size;
  if (p->blas) {
    bool ta = a->column_stride != 1, tb = b->column_stride != 1;
    int64_t lda = kl_max_i64(ta ? a->column_stride : a->row_stride, 1);
    int64_t ldb = kl_max_i64(tb ? b->column_stride : b->row_stride, 1);
    if (p->dtype == KL_FLOAT32) {
      kl_blas_sgemm(ta, tb, m, n, p->k, (const void *)a_at, lda, (const void *)b_at, ldb, (void *)c_at, p->n);
    } else {
      kl_blas_dgemm(ta, tb, m, n, p->k, (const void *)a_at, lda, (const void *)b_at, ldb, (void *)c_at, p->n);
    }
    return;
  }
#define PRODUCT(f)                                                                                      \
  f(m, n, p->k, (const void *)a_at, a->row_stride, a->column_stride, (const void *)b_at, b->row_stride, \
    b->column_stride, (void *)c_at, p->n)
  switch (p->dtype) {
    case KL_FLOAT32:
      PRODUCT(f32_product);
      break;
    case KL_FLOAT64:
      PRODUCT(f64_product);
      break;
    case KL_INT32:
      PRODUCT(i32_product);
      break;
    case KL_INT64:
      PRODUCT(i64_product);
      break;
    default:
      PRODUCT(u8_product);
  }
}

static void run_block(void *context, int64_t block) {
  const product *p = context;
  int64_t split_m = p->blas ? BLAS_SPLIT : SPLIT_ROWS, split_n = p->blas ? BLAS_SPLIT : SPLIT_COLUMNS;
  int64_t across = kl_div_up(p->n, split_n);
  int64_t i = block / across * split_m, j = block % across * split_n;
  block_product(p, i, j, kl_min_i64(split_m, p->m - i), kl_min_i64(split_n, p->n - j));
}

/* The block's own product: one chain of FMAs for each element. */
static void run_part(void *context, int64_t block) {
  const product *p = context;
  int64_t across = kl_div_up(p->n, SPLIT_COLUMNS), j = block % across * SPLIT_COLUMNS, k = block / across * p->length;
  product part = *p;
  part.k = kl_min_i64(p->k - k, p->length);
  part.a.data += k * p->a.column_stride * (int64_t)p->size;
  part.b.data += k * p->b.row_stride * (int64_t)p->size;
  part.c = p->partial + block / across * p->m * p->n * (int64_t)p->size;
  block_product(&part, 0, j, p->m, kl_min_i64(SPLIT_COLUMNS, p->n - j));
}

/* Partial results; by one thread alone the whole product at once, as the only part: its bits are the same. */
static void make_parts(product *p) {
  if (kl_pool_threads() == 1) {
    p->c = p->partial;
    block_product(p, 0, 0, p->m, p->n);
  } else {
    kl_pool_run(p->parts * kl_div_up(p->n, SPLIT_COLUMNS), run_part, p);
  }
}

/* Adds up rows of the parts, in the order of K. */
static void add_parts(const product *p, int64_t first, int64_t count, char *out) {
  int64_t parts = kl_pool_threads() == 1 ? 1 : p->parts, each = p->m * p->n;
  if (p->dtype == KL_FLOAT32) {
    f32_add_parts(parts, each, count * p->n, (const float *)(const void *)p->partial + first * p->n, (void *)out);
  } else {
    f64_add_parts(parts, each, count * p->n, (const double *)(const void *)p->partial + first * p->n, (void *)out);
  }
}

static void run_matrix(void *context, int64_t batch) {
  product p = *(const product *)context;
  int64_t a_offset = 0, b_offset = 0;
  for (int64_t axis = p.batch_axes - 1, rest = batch; axis >= 0; axis--) {
    a_offset += rest % p.batch_shape[axis] * p.a.batch_stride[axis];
    b_offset += rest % p.batch_shape[axis] * p.b.batch_stride[axis];
    rest /= p.batch_shape[axis];
  }
  p.a.data += a_offset * (int64_t)p.size;
  p.b.data += b_offset * (int64_t)p.size;
  p.c += batch * p.m * p.n * (int64_t)p.size;
  if (p.a.gather) {
    gather(&p.a, p.a_copy, p.dtype);
  }
  if (p.b.gather) {
    gather(&p.b, p.b_copy, p.dtype);
  }
  if (p.in_pool || p.work < SERIAL_PRODUCT) {
    block_product(&p, 0, 0, p.m, p.n);
  } else {
    int64_t split_m = p.blas ? BLAS_SPLIT : SPLIT_ROWS, split_n = p.blas ? BLAS_SPLIT : SPLIT_COLUMNS;
    kl_pool_run(kl_div_up(p.m, split_m) * kl_div_up(p.n, split_n), run_block, &p);
  }
}

static kl_status run_matmul(const kl_call *c) {
  product p;
  make_product(c, &p);
  p.b_copy = (char *)c->scratch;
  p.a_copy = p.b_copy + (p.b.gather ? (size_t)(p.k * p.n) * p.size : 0);
  if (p.m == 0 || p.n == 0) {
    return KL_OK;
  }
  if (p.by_depth && kl_pool_threads() > 1) {
    p.partial = c->scratch;
    make_parts(&p);
    add_parts(&p, 0, p.m, p.c);
    return KL_OK;
  }
  /* Many small matrices are shared out whole; few large ones are cut up one after the other. */
  p.in_pool = p.batches > 1 && !p.blas && p.work < 32 * SERIAL_PRODUCT && p.work * (double)p.batches >= SERIAL_PRODUCT;
  if (p.in_pool) {
    kl_pool_run(p.batches, run_matrix, &p);
  } else {
    for (int64_t batch = 0; batch < p.batches; batch++) {
      run_matrix(&p, batch);
    }
  }
  return KL_OK;
}

static size_t parts_bytes(const product *p) { return (size_t)(p->parts * p->m * p->n) * p->size; }

static size_t matmul_scratch(const kl_call *c) {
  product p;
  make_product(c, &p);
  if (p.by_depth) {
    return parts_bytes(&p);
  }
  return ((p.a.gather ? (size_t)(p.m * p.k) : 0) + (p.b.gather ? (size_t)(p.k * p.n) : 0)) * p.size;
}

/* By rows: one float product on our own tiles.  What is packed is the right side, or the partial results. */
static size_t rows_packed_bytes(const kl_call *c) {
  product p;
  make_product(c, &p);
  bool can = kl_dtype_is_float(p.dtype) && !p.blas && !p.turned && p.batches == 1 && p.batch_axes == 0 &&
             c->in[0].shape.ndim == 2 && c->in[1].shape.ndim == 2 && p.m > 0 && p.n > 0 && p.k > 0;
  const int64_t panel = 2 * KL_LANES; /* the wider of the two types */
  if (!can) {
    return 0;
  }
  return p.by_depth ? parts_bytes(&p) : (size_t)(kl_div_up(p.n, panel) * panel * p.k) * p.size;
}

static bool rows_in_parts(const kl_call *c) {
  product p;
  make_product(c, &p);
  return p.by_depth;
}

#define PACKED_COLUMNS 128 /* of the right side that one block of the pool packs; whole panels of both types */

static void pack_block(void *context, int64_t block) {
  const product *p = context;
  const matrix *b = &p->b;
  int64_t first = block * PACKED_COLUMNS, last = first + PACKED_COLUMNS;
  if (p->dtype == KL_FLOAT32) {
    const int64_t panel = 2 * KL_LANES;
    f32_pack_panels(first / panel, last / panel, p->n, p->k, (const void *)b->data, b->row_stride, b->column_stride,
                    (void *)p->partial);
  } else {
    const int64_t panel = 2 * KL_DLANES;
    f64_pack_panels(first / panel, last / panel, p->n, p->k, (const void *)b->data, b->row_stride, b->column_stride,
                    (void *)p->partial);
  }
}

static void rows_pack(const kl_call *c, void *packed) {
  product p;
  make_product(c, &p);
  p.partial = packed;
  if (p.by_depth) {
    make_parts(&p);
  } else {
    kl_pool_run(kl_div_up(p.n, PACKED_COLUMNS), pack_block, &p);
  }
}

static void rows_run(const kl_call *c, const void *packed, int64_t first, int64_t count, void *out) {
  product p;
  make_product(c, &p);
  if (p.by_depth) {
    p.partial = (char *)packed;
    add_parts(&p, first, count, out);
    return;
  }
  const char *a = p.a.data + first * p.a.row_stride * (int64_t)p.size;
  if (p.dtype == KL_FLOAT32) {
    f32_packed_rows(count, p.n, p.k, (const void *)a, p.a.row_stride, p.a.column_stride, packed, out);
  } else {
    f64_packed_rows(count, p.n, p.k, (const void *)a, p.a.row_stride, p.a.column_stride, packed, out);
  }
}

static const kl_rows matmul_rows = {
    .packed_bytes = rows_packed_bytes, .in_parts = rows_in_parts, .pack = rows_pack, .run = rows_run};

const kl_kernel KL_K(matmul) = {.run = run_matmul, .scratch = matmul_scratch, .rows = &matmul_rows};
