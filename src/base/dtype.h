/* Element types and Keras's rule for the type of a result (keras-semantics.md 1.1a).
 *
 * kl_dtypes in dtype.c is the only list; a type added there must be added to the promotion table beside it. */
#ifndef KL_BASE_DTYPE_H
#define KL_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum kl_dtype { KL_BOOL, KL_UINT8, KL_INT32, KL_INT64, KL_FLOAT32, KL_FLOAT64, KL_DTYPE_COUNT } kl_dtype;

/* The kind of a Lua number in an operation: it takes the tensor's type instead of deciding it. */
typedef enum kl_weak { KL_STRONG, KL_WEAK_INT, KL_WEAK_FLOAT } kl_weak;

/* Bytes per element: 1, 1, 4, 8, 4, 8. */
size_t kl_dtype_size(kl_dtype dtype);

/* "float32" and so on. */
const char *kl_dtype_name(kl_dtype dtype);

/* The type of that name; false if there is none. */
bool kl_dtype_parse(const char *name, kl_dtype *out);

static inline bool kl_dtype_is_float(kl_dtype dtype) { return dtype >= KL_FLOAT32; }
static inline bool kl_dtype_is_int(kl_dtype dtype) { return dtype >= KL_UINT8 && dtype <= KL_INT64; }

/* Result type of two strong operands. */
kl_dtype kl_dtype_promote(kl_dtype a, kl_dtype b);

/* Result type of a strong operand and a Lua number: int with bool gives int32, float with bool or an integer gives
 * float32, everything else keeps the tensor's type. */
kl_dtype kl_dtype_promote_weak(kl_dtype a, kl_weak weak);

/* Writes `value` (an integer, or a float where is_float) as one element of `dtype` at `out`.
 * False if an integer does not fit an integer type; floats given for an integer type are refused by the caller. */
bool kl_dtype_store(kl_dtype dtype, bool is_float, int64_t integer, double number, void *out);

#endif
