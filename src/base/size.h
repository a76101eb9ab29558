/* Size arithmetic that cannot overflow without being noticed.  Every size that a user or a file can choose is
 * multiplied and added here and nowhere else (reliability.md F8, V5). */
#ifndef KL_BASE_SIZE_H
#define KL_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b; false, with *out untouched, if it does not fit. */
static inline bool kl_mul_size(size_t a, size_t b, size_t *out) {
  if (b != 0 && a > SIZE_MAX / b) {
    return false;
  }
  *out = a * b;
  return true;
}

/* *out = a + b; false, with *out untouched, if it does not fit. */
static inline bool kl_add_size(size_t a, size_t b, size_t *out) {
  if (a > SIZE_MAX - b) {
    return false;
  }
  *out = a + b;
  return true;
}

static inline int64_t kl_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t kl_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t kl_div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

#endif
