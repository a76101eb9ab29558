/* Variables: holding and replacing one tensor. */
#include "tensor/variable.h"

#include "base/alloc.h"

static void name_after(kl_variable *v, kl_tensor *value) {
  value->id = v->id;
  value->variable = v;
  value->flags = v->trainable ? KL_TENSOR_TRAINABLE : 0;
}

static kl_status new_value(kl_variable *v, const kl_tensor *t, kl_tensor **out) {
  kl_tensor *value;
  if (kl_tensor_is_contiguous(t)) {
    int64_t strides[KL_MAX_NDIM];
    kl_shape_contiguous(&t->shape, strides);
    KL_TRY(kl_tensor_new_view(t, &t->shape, strides, t->offset, &value));
  } else {
    KL_TRY(kl_tensor_new((kl_dtype)t->dtype, &t->shape, &value));
    kl_tensor_copy_out(t, kl_tensor_data(value));
  }
  name_after(v, value);
  *out = value;
  return KL_OK;
}

kl_status kl_variable_new(const kl_tensor *initial, bool trainable, kl_variable **out) {
  *out = NULL;
  kl_variable *v = kl_alloc_zero(sizeof *v);
  if (v == NULL) {
    return KL_ENOMEM;
  }
  v->refs = 1;
  v->trainable = trainable;
  v->id = kl_tensor_next_id();
  kl_tensor *copy;
  kl_status status = kl_tensor_new((kl_dtype)initial->dtype, &initial->shape, &copy);
  if (status == KL_OK) {
    kl_tensor_copy_out(initial, kl_tensor_data(copy));
    status = new_value(v, copy, &v->value);
    kl_tensor_release(copy);
  }
  if (status != KL_OK) {
    kl_variable_release(v);
    return status;
  }
  *out = v;
  return KL_OK;
}

kl_variable *kl_variable_retain(kl_variable *v) {
  v->refs++;
  return v;
}

void kl_variable_release(kl_variable *v) {
  if (v == NULL || --v->refs > 0) {
    return;
  }
  if (v->value != NULL) {
    v->value->variable = NULL; /* the tensor may live on in someone's hands */
    kl_tensor_release(v->value);
  }
  kl_free(v, sizeof *v);
}

void kl_variable_set_trainable(kl_variable *v, bool trainable) {
  v->trainable = trainable;
  v->value->flags = (uint8_t)((v->value->flags & ~KL_TENSOR_TRAINABLE) | (trainable ? KL_TENSOR_TRAINABLE : 0));
}

bool kl_variable_is_sole_holder(const kl_variable *v) {
  return v->value->refs == 1 && atomic_load_explicit(&v->value->storage->refs, memory_order_acquire) == 1;
}

kl_status kl_variable_adopt(kl_variable *v, const kl_tensor *t) {
  kl_tensor *value;
  KL_TRY(new_value(v, t, &value));
  kl_variable_replace(v, value);
  kl_tensor_release(value);
  return KL_OK;
}

void kl_variable_replace(kl_variable *v, kl_tensor *t) {
  v->value->variable = NULL; /* whoever still holds the old value holds a plain tensor */
  v->value->flags &= (uint8_t)~KL_TENSOR_TRAINABLE;
  kl_tensor_release(v->value);
  v->value = kl_tensor_retain(t);
  name_after(v, t);
}
