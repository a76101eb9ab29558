/* Products of matrices for one element type.  Included by matmul.c with T (element), V (vector), LANES, LOAD,
 * LOAD_PART, STORE, STORE_PART, SET, FMA and NAME(x) defined.
 *
 * The bits are fixed by one rule (docs/numerics.md): K is cut into ceil(K / GEMM_K) blocks of equal length, the last
 * one shorter; within a block an element is one chain of FMAs over ascending k that starts from 0; blocks are added in
 * order.  Tiles, packing and the cut into tasks are free. */

#define PANEL (2 * LANES) /* columns of a tile */

#define MAX_VECTORS 8

/* A tile of `rows` x (`vectors` vectors, the last with `last` lanes), c = or += a b; a(i, k) = a[i * rsa + k * csa]. */
KL_INLINE void NAME(tile)(const int rows, const int vectors, const int64_t last, const bool add, const int64_t depth,
                          const T *a, const int64_t rsa, const int64_t csa, const T *b, const int64_t rsb, T *c,
                          const int64_t rsc) {
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
    if (rsb != vectors * LANES) { /* packed panels are in L1 */
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

#define ROWS_CASE(r)                                                              \
  case r:                                                                         \
    if (columns == PANEL) {                                                       \
      if (add) {                                                                  \
        NAME(tile)(r, 2, LANES, true, depth, a, rsa, csa, b, rsb, c, rsc);        \
      } else {                                                                    \
        NAME(tile)(r, 2, LANES, false, depth, a, rsa, csa, b, rsb, c, rsc);       \
      }                                                                           \
    } else if (columns > LANES) {                                                 \
      NAME(tile)(r, 2, columns - LANES, add, depth, a, rsa, csa, b, rsb, c, rsc); \
    } else {                                                                      \
      NAME(tile)(r, 1, columns, add, depth, a, rsa, csa, b, rsb, c, rsc);         \
    }                                                                             \
    break;

/* Any tile of at most TILE_ROWS x PANEL. */
static void NAME(any_tile)(int64_t rows, int64_t columns, bool add, int64_t depth, const T *a, int64_t rsa, int64_t csa,
                           const T *b, int64_t rsb, T *c, int64_t rsc) {
  switch (rows) {
    ROWS_CASE(1)
    ROWS_CASE(2)
    ROWS_CASE(3)
    ROWS_CASE(4)
#if KL_LANES > 4
    ROWS_CASE(5)
    ROWS_CASE(6)
#endif
#if KL_LANES > 8
    ROWS_CASE(7)
    ROWS_CASE(8)
#endif
    default:
      break;
  }
}
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
        NAME(any_tile)
        (kl_min_i64(m - i, TILE_ROWS), kl_min_i64(n - j, PANEL), k > 0, steps, a + i * rsa + k * csa, rsa, csa,
         packed + j * depth + k * PANEL, PANEL, c + i * n + j, n);
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
        (1, MAX_VECTORS, LANES, k > 0, steps, a + i * rsa + k * csa, rsa, csa, b + k * rsb + j, rsb, c + i * rsc + j,
         rsc);
      }
    }
  }
}

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
  bool pack = csb != 1 || m >= PACK_ROWS;
  for (int64_t j = 0; j < n; j += PANEL) {
    int64_t columns = kl_min_i64(n - j, PANEL);
    for (int64_t k = 0; k < depth || k == 0; k += length) {
      int64_t steps = kl_min_i64(depth - k, length);
      const T *from = b + k * rsb + j * csb;
      int64_t from_stride = rsb;
      if (pack) {
        NAME(pack)(steps, columns, from, rsb, csb, packed);
        from = packed;
        from_stride = PANEL;
      }
      for (int64_t i = 0; i < m; i += TILE_ROWS) {
        NAME(any_tile)
        (kl_min_i64(m - i, TILE_ROWS), columns, k > 0, steps, a + i * rsa + k * csa, rsa, csa, from, from_stride,
         c + i * rsc + j, rsc);
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
