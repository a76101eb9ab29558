/* Element types: the list, its widths, Keras's promotion. */
#include "base/dtype.h"

#include <string.h>

static const struct {
  const char *name;
  size_t size;
} kl_dtypes[KL_DTYPE_COUNT] = {
    [KL_BOOL] = {"bool", 1},   [KL_UINT8] = {"uint8", 1},     [KL_INT32] = {"int32", 4},
    [KL_INT64] = {"int64", 8}, [KL_FLOAT32] = {"float32", 4}, [KL_FLOAT64] = {"float64", 8},
};

size_t kl_dtype_size(kl_dtype dtype) { return kl_dtypes[dtype].size; }

const char *kl_dtype_name(kl_dtype dtype) { return kl_dtypes[dtype].name; }

bool kl_dtype_parse(const char *name, kl_dtype *out) {
  for (int i = 0; i < KL_DTYPE_COUNT; i++) {
    if (strcmp(name, kl_dtypes[i].name) == 0) {
      *out = (kl_dtype)i;
      return true;
    }
  }
  return false;
}

/* Among these six types Keras's lattice is a chain in the order of the enum: bool, uint8, int32, int64, float32,
 * float64.  16-bit floats would break that (float16 with bfloat16 is float32) and would need the table spelled out. */
kl_dtype kl_dtype_promote(kl_dtype a, kl_dtype b) { return a > b ? a : b; }

kl_dtype kl_dtype_promote_weak(kl_dtype a, kl_weak weak) {
  if (weak == KL_WEAK_INT) {
    return a == KL_BOOL ? KL_INT32 : a;
  }
  if (weak == KL_WEAK_FLOAT) {
    return kl_dtype_is_float(a) ? a : KL_FLOAT32;
  }
  return a;
}

bool kl_dtype_store(kl_dtype dtype, bool is_float, int64_t integer, double number, void *out) {
  switch (dtype) {
    case KL_FLOAT32:
      *(float *)out = is_float ? (float)number : (float)integer;
      return true;
    case KL_FLOAT64:
      *(double *)out = is_float ? number : (double)integer;
      return true;
    case KL_BOOL:
      *(uint8_t *)out = is_float ? number != 0 : integer != 0;
      return true;
    case KL_UINT8:
      if (integer < 0 || integer > UINT8_MAX) {
        return false;
      }
      *(uint8_t *)out = (uint8_t)integer;
      return true;
    case KL_INT32:
      if (integer < INT32_MIN || integer > INT32_MAX) {
        return false;
      }
      *(int32_t *)out = (int32_t)integer;
      return true;
    default:
      *(int64_t *)out = integer;
      return true;
  }
}
