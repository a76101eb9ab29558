/* Sorting records of one size: included by sort.c with REC, NAME, LESS(a, b), DIGIT(r, i) (byte i of the key, from the
 * least significant) and DIGITS (bytes of a key) defined.  LESS is a total order of the records of a line: their keys,
 * then their positions; so every way of sorting gives the same. */

/* Stable merge of two runs; n elements of the result from the d-th on. */
static void NAME(merge_part)(const REC *a, int64_t na, const REC *b, int64_t nb, int64_t d, int64_t n, REC *out) {
  int64_t low = kl_max_i64(0, d - nb), high = kl_min_i64(d, na);
  while (low < high) { /* how many of the first d come from a */
    int64_t middle = low + (high - low) / 2;
    if (LESS(a[middle], b[d - 1 - middle])) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  int64_t i = low, j = d - low;
  for (int64_t k = 0; k < n; k++) {
    bool first = j >= nb || (i < na && LESS(a[i], b[j]));
    out[k] = first ? a[i++] : b[j++];
  }
}

#define RUN 16 /* elements that are sorted by insertion */

static void NAME(insertion)(REC *a, int64_t n) {
  for (int64_t i = 1; i < n; i++) {
    REC r = a[i];
    int64_t j = i;
    for (; j > 0 && LESS(r, a[j - 1]); j--) {
      a[j] = a[j - 1];
    }
    a[j] = r;
  }
}

static void NAME(merge_sort)(REC *a, REC *other, int64_t n) {
  for (int64_t i = 0; i < n; i += RUN) {
    NAME(insertion)(a + i, kl_min_i64(RUN, n - i));
  }
  REC *from = a, *to = other;
  for (int64_t width = RUN; width < n; width *= 2) {
    for (int64_t i = 0; i < n; i += 2 * width) {
      int64_t na = kl_min_i64(width, n - i), nb = kl_min_i64(width, n - i - na);
      NAME(merge_part)(from + i, na, from + i + na, nb, 0, na + nb, to + i);
    }
    REC *swap = from;
    from = to;
    to = swap;
  }
  if (from != a) {
    memcpy(a, from, (size_t)n * sizeof *a);
  }
}

/* By the bytes of the keys, least significant first; bytes that all keys share are passed over.  Positions ascend at
 * first, and each pass keeps the order of equal bytes. */
static void NAME(radix_sort)(REC *a, REC *other, int64_t n) {
  int32_t counts[DIGITS][256] = {{0}};
  for (int64_t i = 0; i < n; i++) {
    for (int digit = 0; digit < DIGITS; digit++) {
      counts[digit][DIGIT(a[i], digit)]++;
    }
  }
  REC *from = a, *to = other;
  for (int digit = 0; digit < DIGITS; digit++) {
    int32_t *count = counts[digit], at = 0;
    if (count[DIGIT(a[0], digit)] == n) {
      continue;
    }
    for (int i = 0; i < 256; i++) {
      int32_t here = count[i];
      count[i] = at;
      at += here;
    }
    for (int64_t i = 0; i < n; i++) {
      to[count[DIGIT(from[i], digit)]++] = from[i];
    }
    REC *swap = from;
    from = to;
    to = swap;
  }
  if (from != a) {
    memcpy(a, from, (size_t)n * sizeof *a);
  }
}

/* n > 0 records, n <= CHUNK, whose positions ascend. */
static void NAME(sort)(void *records, void *other, int64_t n) {
  if (n < DIGITS * 96) {
    NAME(merge_sort)(records, other, n);
  } else {
    NAME(radix_sort)(records, other, n);
  }
}

/* One of the pieces of a merge of runs of `width`. */
static void NAME(merge_piece)(const void *from, int64_t n, int64_t width, int64_t at, int64_t count, void *to) {
  int64_t pair = at / (2 * width) * (2 * width);
  int64_t na = kl_min_i64(width, n - pair), nb = kl_min_i64(width, n - pair - na);
  const REC *a = (const REC *)from + pair;
  NAME(merge_part)(a, na, a + na, nb, at - pair, count, (REC *)to + at);
}

/* Keeps the k least of the records that are offered, k > 0, as a heap whose root is the greatest of them. */
static void NAME(sift)(REC *heap, int64_t k, int64_t at, REC r) {
  for (;;) {
    int64_t child = 2 * at + 1;
    if (child >= k) {
      break;
    }
    if (child + 1 < k && LESS(heap[child], heap[child + 1])) {
      child++;
    }
    if (!LESS(r, heap[child])) {
      break;
    }
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = r;
}

static int64_t NAME(offer)(void *kept, int64_t k, int64_t held, const void *offered, int64_t n) {
  REC *heap = kept;
  const REC *r = offered;
  int64_t i = 0;
  if (held < k) {
    int64_t more = kl_min_i64(k - held, n);
    memcpy(heap + held, r, (size_t)more * sizeof *r);
    held += more;
    i = more;
    for (int64_t at = k / 2 - 1; at >= 0 && held == k; at--) {
      NAME(sift)(heap, k, at, heap[at]);
    }
  }
  for (; i < n; i++) {
    if (LESS(r[i], heap[0])) {
      NAME(sift)(heap, k, 0, r[i]);
    }
  }
  return held;
}

/* The heap in order, without more room. */
static void NAME(order)(void *kept, int64_t k) {
  REC *heap = kept;
  for (int64_t n = k - 1; n > 0; n--) {
    REC r = heap[n];
    heap[n] = heap[0];
    NAME(sift)(heap, n, 0, r);
  }
}

#undef RUN
