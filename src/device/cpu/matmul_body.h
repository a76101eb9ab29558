/* Products of matrices for one element type.  Included by matmul.c with T (element), V (vector), LANES, LOAD,
 * LOAD_PART, STORE, STORE_PART, SET, FMA and NAME(x) defined.
 *
 * The bits are fixed by one rule (docs/numerics.md): K is cut into ceil(K / GEMM_K) blocks of equal length, the last
 * one shorter; within a block an element is one chain of FMAs over ascending k that starts from 0; blocks are added in
 * order.  Tiles, packing and the cut into tasks are free. */

#define PANEL (2 * LANES) /* columns of a tile */

#define MAX_VECTORS 8

/* A tile of `rows` x (`vectors` vectors, the last with `last` lanes), c = or += a b; a(i, k) = a[i * rsa + k * csa].
 * fetch: rows of b are fetched some ahead; those of a packed panel are in L1. */
KL_INLINE void NAME(tile)(const int rows, const int vectors, const int64_t last, const bool add, const bool fetch,
                          const int64_t depth, const T *a, const int64_t rsa, const int64_t csa, const T *b,
                          const int64_t rsb, T *c, const int64_t rsc) {
  V sum[TILE_ROWS][MAX_VECTORS]; /* as much of it as is used stays in registers: every loop over it is unrolled */
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      sum[i][v] = (V){0};
    }
  }
  for (int64_t k = 0; k < depth; k++) {
    V row[MAX_VECTORS];
    if (fetch) {
      __builtin_prefetch(b + 8 * rsb);
      __builtin_prefetch(b + 8 * rsb + LANES);
    }
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      row[v] = v == vectors - 1 && last < LANES ? LOAD_PART(b + v * LANES, last) : LOAD(b + v * LANES);
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const V x = SET(a[i * rsa]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) {
        sum[i][v] = FMA(x, row[v], sum[i][v]);
      }
    }
    a += csa;
    b += rsb;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) {
      T *to = c + i * rsc + v * LANES;
      if (v == vectors - 1 && last < LANES) {
        STORE_PART(to, add ? LOAD_PART(to, last) + sum[i][v] : sum[i][v], last);
      } else {
        STORE(to, add ? LOAD(to) + sum[i][v] : sum[i][v]);
      }
    }
  }
}

#define ROWS_CASE(r, rsb, fetch)                                                         \
  case r:                                                                                \
    if (columns == PANEL) {                                                              \
      if (add) {                                                                         \
        NAME(tile)(r, 2, LANES, true, fetch, depth, a, rsa, csa, b, rsb, c, rsc);        \
      } else {                                                                           \
        NAME(tile)(r, 2, LANES, false, fetch, depth, a, rsa, csa, b, rsb, c, rsc);       \
      }                                                                                  \
    } else if (columns > LANES) {                                                        \
      NAME(tile)(r, 2, columns - LANES, add, fetch, depth, a, rsa, csa, b, rsb, c, rsc); \
    } else {                                                                             \
      NAME(tile)(r, 1, columns, add, fetch, depth, a, rsa, csa, b, rsb, c, rsc);         \
    }                                                                                    \
    break;
/* clang-format off */
#define CASES_TO_4(rsb, fetch) \
  ROWS_CASE(1, rsb, fetch) ROWS_CASE(2, rsb, fetch) ROWS_CASE(3, rsb, fetch) ROWS_CASE(4, rsb, fetch)
#if KL_LANES > 8
#define ALL_CASES(rsb, fetch) \
  CASES_TO_4(rsb, fetch) \
  ROWS_CASE(5, rsb, fetch) ROWS_CASE(6, rsb, fetch) ROWS_CASE(7, rsb, fetch) ROWS_CASE(8, rsb, fetch)
#elif KL_LANES > 4
#define ALL_CASES(rsb, fetch) CASES_TO_4(rsb, fetch) ROWS_CASE(5, rsb, fetch) ROWS_CASE(6, rsb, fetch)
#else
#define ALL_CASES(rsb, fetch) CASES_TO_4(rsb, fetch)
#endif
/* clang-format on */

/* Any tile of at most TILE_ROWS x PANEL; b as it lies, or a panel of it. */
static void NAME(any_tile)(int64_t rows, int64_t columns, bool add, int64_t depth, const T *a, int64_t rsa, int64_t csa,
                           const T *b, int64_t rsb, T *c, int64_t rsc) {
  switch (rows) {
    ALL_CASES(rsb, true)
    default:
      break;
  }
}
static void NAME(packed_tile)(int64_t rows, int64_t columns, bool add, int64_t depth, const T *a, int64_t rsa,
                              int64_t csa, const T *b, T *c, int64_t rsc) {
  switch (rows) {
    ALL_CASES(PANEL, false)
    default:
      break;
  }
}
#undef ALL_CASES
#undef CASES_TO_4
#undef ROWS_CASE

/* Copies depth x columns of b into rows of PANEL: a column of the source becomes contiguous, whatever its strides. */
static void NAME(pack)(int64_t depth, int64_t columns, const T *b, int64_t rsb, int64_t csb, T *to) {
  if (csb == 1) {
    for (int64_t k = 0; k < depth; k++) {
      memcpy(to + k * PANEL, b + k * rsb, (size_t)columns * sizeof(T));
    }
    return;
  }
  for (int64_t k0 = 0; k0 < depth; k0 += LANES) { /* small squares, so that both sides stay in L1 */
    int64_t k1 = kl_min_i64(depth, k0 + LANES);
    for (int64_t j = 0; j < columns; j++) {
      for (int64_t k = k0; k < k1; k++) {
        to[k * PANEL + j] = b[k * rsb + j * csb];
      }
    }
  }
}

/* Panels [first, last) of b: panel p, row k, column j at to[(p * depth + k) * PANEL + j]. */
static void NAME(pack_panels)(int64_t first, int64_t last, int64_t n, int64_t depth, const T *b, int64_t rsb,
                              int64_t csb, T *to) {
  for (int64_t j = first * PANEL; j < kl_min_i64(n, last * PANEL); j += PANEL) {
    NAME(pack)(depth, kl_min_i64(n - j, PANEL), b + j * csb, rsb, csb, to + j * depth);
  }
}

/* Rows of the product, from packed panels; c has n columns without gaps. */
static void NAME(packed_rows)(int64_t m, int64_t n, int64_t depth, const T *a, int64_t rsa, int64_t csa,
                              const T *packed, T *c) {
  int64_t length = gemm_block_length(depth);
  for (int64_t j = 0; j < n; j += PANEL) {
    for (int64_t k = 0; k < depth || k == 0; k += length) {
      int64_t steps = kl_min_i64(depth - k, length);
      for (int64_t i = 0; i < m; i += TILE_ROWS) {
        NAME(packed_tile)
        (kl_min_i64(m - i, TILE_ROWS), kl_min_i64(n - j, PANEL), k > 0, steps, a + i * rsa + k * csa, rsa, csa,
         packed + j * depth + k * PANEL, c + i * n + j, n);
      }
    }
  }
}

/* Few rows: wide tiles, so that enough chains are under way to hide the FMA's latency. */
static void NAME(rows)(int64_t m, int64_t n, int64_t depth, const T *a, int64_t rsa, int64_t csa, const T *b,
                       int64_t rsb, T *c, int64_t rsc) {
  int64_t length = gemm_block_length(depth);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t k = 0; k < depth; k += length) {
      int64_t steps = kl_min_i64(depth - k, length);
      for (int64_t j = 0; j < n; j += MAX_VECTORS * LANES) {
        NAME(tile)
        (1, MAX_VECTORS, LANES, k > 0, true, steps, a + i * rsa + k * csa, rsa, csa, b + k * rsb + j, rsb,
         c + i * rsc + j, rsc);
      }
    }
  }
}

/* Copies m x depth of a to rows or columns a fixed stride apart, whichever lie without gaps: rows of a wide matrix are
 * pages apart, or at strides that all fall into a few sets of the cache. */
#define A_STRIDE (GEMM_K + 16) /* more than either side of a block, and no power of two */

static void NAME(compact)(int64_t m, int64_t depth, const T *a, int64_t rsa, int64_t csa, T *to) {
  const int64_t count = csa == 1 ? m : depth, length = csa == 1 ? depth : m, stride = csa == 1 ? rsa : csa;
  for (int64_t i = 0; i < count; i++) {
    for (int64_t k = 0; k < length; k += LANES) {
      __builtin_prefetch(a + (i + 4) * stride + k); /* as in pack_block */
    }
    memcpy(to + i * A_STRIDE, a + i * stride, (size_t)length * sizeof(T));
  }
}

/* Panels of `columns` columns of b, read row by row. */
static void NAME(pack_block)(int64_t depth, int64_t columns, const T *b, int64_t rsb, int64_t csb, T *to) {
  if (csb != 1) {
    NAME(pack_panels)(0, kl_div_up(columns, PANEL), columns, depth, b, rsb, csb, to);
    return;
  }
  for (int64_t k = 0; k < depth; k++) {
    for (int64_t j = 0; j < columns; j += PANEL) {
      __builtin_prefetch(b + (k + 8) * rsb + j); /* runs are too short for the processor to see them coming */
      __builtin_prefetch(b + (k + 8) * rsb + j + LANES);
      memcpy(to + j * depth + k * PANEL, b + k * rsb + j, (size_t)kl_min_i64(columns - j, PANEL) * sizeof(T));
    }
  }
}

/* Many rows: a block of a, one of b and the block of c that they make stay in L2. */
static void NAME(blocked)(int64_t m, int64_t n, int64_t depth, const T *a, int64_t rsa, int64_t csa, const T *b,
                          int64_t rsb, int64_t csb, T *c, int64_t rsc) {
  _Alignas(64) T packed[GEMM_K * BLOCK_COLUMNS];
  _Alignas(64) T block[BLOCK_ROWS * A_STRIDE];
  int64_t length = gemm_block_length(depth);
  for (int64_t j0 = 0; j0 < n; j0 += BLOCK_COLUMNS) {
    int64_t columns = kl_min_i64(n - j0, BLOCK_COLUMNS);
    for (int64_t k = 0; k < depth || k == 0; k += length) {
      int64_t steps = kl_min_i64(depth - k, length);
      NAME(pack_block)(steps, columns, b + k * rsb + j0 * csb, rsb, csb, packed);
      for (int64_t i0 = 0; i0 < m; i0 += BLOCK_ROWS) {
        int64_t rows = kl_min_i64(m - i0, BLOCK_ROWS);
        const T *from = a + i0 * rsa + k * csa;
        int64_t from_row = rsa, from_column = csa;
        if (rsa == 1 || csa == 1) {
          NAME(compact)(rows, steps, from, rsa, csa, block);
          from = block;
          from_row = csa == 1 ? A_STRIDE : 1;
          from_column = csa == 1 ? 1 : A_STRIDE;
        }
        for (int64_t j = 0; j < columns; j += PANEL) {
          for (int64_t i = 0; i < rows; i += TILE_ROWS) {
            NAME(packed_tile)
            (kl_min_i64(rows - i, TILE_ROWS), kl_min_i64(columns - j, PANEL), k > 0, steps, from + i * from_row,
             from_row, from_column, packed + j * steps, c + (i0 + i) * rsc + j0 + j, rsc);
          }
        }
      }
    }
  }
}
#undef A_STRIDE

/* c (m x n) = a b by the rule. */
static void NAME(product)(int64_t m, int64_t n, int64_t depth, const T *a, int64_t rsa, int64_t csa, const T *b,
                          int64_t rsb, int64_t csb, T *c, int64_t rsc) {
  _Alignas(64) T packed[GEMM_K * PANEL];
  int64_t length = gemm_block_length(depth);
  if (m <= 2 && csb == 1 && depth > 0) {
    int64_t wide = n - n % (MAX_VECTORS * LANES);
    NAME(rows)(m, wide, depth, a, rsa, csa, b, rsb, c, rsc);
    b += wide;
    c += wide;
    n -= wide;
  }
  /* A small right side is in the caches already: its panels are packed one at a time, each used at once. */
  int64_t spread = (csb == 1 ? depth * rsb : n * csb) * (int64_t)sizeof(T);
  if (m >= PACK_ROWS && spread > SMALL_RIGHT) {
    NAME(blocked)(m, n, depth, a, rsa, csa, b, rsb, csb, c, rsc);
    return;
  }
  bool pack = csb != 1 || m >= PACK_ROWS;
  for (int64_t j = 0; j < n; j += PANEL) {
    int64_t columns = kl_min_i64(n - j, PANEL);
    for (int64_t k = 0; k < depth || k == 0; k += length) {
      int64_t steps = kl_min_i64(depth - k, length);
      const T *from = b + k * rsb + j * csb;
      if (pack) {
        NAME(pack)(steps, columns, from, rsb, csb, packed);
      }
      for (int64_t i = 0; i < m; i += TILE_ROWS) {
        int64_t rows = kl_min_i64(m - i, TILE_ROWS);
        const T *left = a + i * rsa + k * csa;
        if (pack) {
          NAME(packed_tile)(rows, columns, k > 0, steps, left, rsa, csa, packed, c + i * rsc + j, rsc);
        } else {
          NAME(any_tile)(rows, columns, k > 0, steps, left, rsa, csa, from, rsb, c + i * rsc + j, rsc);
        }
      }
    }
  }
}

/* out = the sum of `parts` arrays that lie `each` elements apart, n elements of each, added in order. */
static void NAME(add_parts)(int64_t parts, int64_t each, int64_t n, const T *from, T *out) {
  for (int64_t i = 0; i < n; i += LANES) {
    const int64_t left = n - i;
    V sum = left < LANES ? LOAD_PART(from + i, left) : LOAD(from + i);
    for (int64_t p = 1; p < parts; p++) {
      sum += left < LANES ? LOAD_PART(from + p * each + i, left) : LOAD(from + p * each + i);
    }
    if (left < LANES) {
      STORE_PART(out + i, sum, left);
    } else {
      STORE(out + i, sum);
    }
  }
}
#undef PANEL
#undef MAX_VECTORS
