/* How the inputs of an op are made to agree: Keras's common type, and one shape. */
#include "op/arguments.h"

#include "op/apply.h"

void kl_arguments_release(kl_arguments *a) {
  for (int i = 0; a->owned != 0; i++, a->owned >>= 1) {
    if (a->owned & 1) {
      kl_tensor_release(a->t[i]);
    }
  }
}

static kl_status cast_argument(kl_arguments *a, int i, kl_dtype dtype) {
  kl_tensor *t = a->t[i];
  if (t->weak != KL_STRONG) {
    if (t->weak == KL_WEAK_FLOAT && !kl_dtype_is_float(dtype) && dtype != KL_BOOL) {
      return kl_fail(KL_EDTYPE, "a float (%g) where a tensor of %s is expected", t->scalar.number,
                     kl_dtype_name(dtype));
    }
    int64_t cell;
    if (!kl_dtype_store(dtype, t->weak == KL_WEAK_FLOAT, t->scalar.integer, t->scalar.number, &cell)) {
      return kl_fail(KL_EVALUE, "the number %lld does not fit in %s", (long long)t->scalar.integer,
                     kl_dtype_name(dtype));
    }
    a->spec[i].dtype = dtype;
    return KL_OK;
  }
  if (t->dtype == dtype) {
    return KL_OK;
  }
  kl_attr attr = {.n = 1, .given = 1, .v = {dtype}};
  kl_tensor *converted;
  KL_TRY(kl_apply1(&kl_op_cast, 1, &t, &attr, &converted));
  if (a->owned >> i & 1) {
    kl_tensor_release(a->t[i]);
  }
  a->t[i] = converted;
  a->owned |= (uint64_t)1 << i;
  a->spec[i].dtype = dtype;
  return KL_OK;
}

/* Keras's result type of inputs [first, n). */
static kl_dtype common_dtype(const kl_arguments *a, int first) {
  bool strong = false;
  kl_dtype dtype = KL_BOOL;
  kl_weak weak = KL_STRONG;
  for (int i = first; i < a->n; i++) {
    const kl_tensor *t = a->t[i];
    if (t->weak == KL_STRONG) {
      dtype = strong ? kl_dtype_promote(dtype, (kl_dtype)t->dtype) : (kl_dtype)t->dtype;
      strong = true;
    } else if (t->weak > weak) {
      weak = (kl_weak)t->weak;
    }
  }
  if (strong) {
    return kl_dtype_promote_weak(dtype, weak);
  }
  if (weak == KL_WEAK_FLOAT) {
    return KL_FLOAT32;
  }
  for (int i = first; i < a->n; i++) {
    int64_t value = a->t[i]->scalar.integer;
    if (value < INT32_MIN || value > INT32_MAX) {
      return KL_INT64;
    }
  }
  return KL_INT32;
}

kl_status kl_arguments_convert(kl_arguments *a, const kl_op *op) {
  kl_dtype dtype = KL_BOOL;
  int first = 0;
  switch (op->types) {
    case KL_TYPES_ANY:
      for (int i = 0; i < a->n; i++) {
        if (a->t[i]->weak != KL_STRONG) {
          kl_dtype like = i > 0 && a->t[0]->weak == KL_STRONG ? (kl_dtype)a->t[0]->dtype : common_dtype(a, i);
          KL_TRY(cast_argument(a, i, like));
        }
      }
      return KL_OK;
    case KL_TYPES_WIDE:
      for (int i = 0; i < a->n; i++) {
        if (a->t[i]->weak != KL_STRONG) {
          KL_TRY(cast_argument(a, i, a->t[i]->weak == KL_WEAK_INT ? KL_INT64 : KL_FLOAT64));
        }
      }
      return KL_OK;
    case KL_TYPES_BOOL:
      break;
    case KL_TYPES_WHERE:
      KL_TRY(cast_argument(a, 0, KL_BOOL));
      first = 1;
      dtype = common_dtype(a, 1);
      break;
    case KL_TYPES_FLOAT:
      dtype = common_dtype(a, 0);
      if (!kl_dtype_is_float(dtype)) {
        dtype = KL_FLOAT32;
      }
      break;
    case KL_TYPES_PROMOTE:
      dtype = common_dtype(a, 0);
      break;
  }
  if (dtype == KL_BOOL && op->flags & KL_NO_BOOL) {
    return kl_fail(KL_EDTYPE, "not defined for bool: cast the tensor first, for example to \"int32\"");
  }
  for (int i = first; i < a->n; i++) {
    KL_TRY(cast_argument(a, i, dtype));
  }
  return KL_OK;
}

kl_status kl_arguments_broadcast(const kl_arguments *a, kl_shape *joined) {
  *joined = a->spec[0].shape;
  for (int i = 1; i < a->n; i++) {
    if (KL_UNLIKELY(!kl_shape_broadcast(joined, &a->spec[i].shape, joined))) {
      char x[KL_SHAPE_TEXT], y[KL_SHAPE_TEXT];
      return kl_fail(KL_ESHAPE, "shapes do not broadcast: %s and %s", kl_shape_text(joined, x),
                     kl_shape_text(&a->spec[i].shape, y));
    }
  }
  return KL_OK;
}
