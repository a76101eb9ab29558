/* Tensors and storages: counting, views, reading elements. */
#include "tensor/tensor.h"

#include <string.h>

#include "base/alloc.h"
#include "tensor/node.h"

#define STORAGE_HEADER ((size_t)64) /* bytes: keeps data 64-byte aligned behind the structure */

static uint64_t next_id = 1;
static int64_t live;

uint64_t kl_tensor_next_id(void) { return next_id++; }

int64_t kl_tensor_live(void) { return live; }

kl_storage *kl_storage_new(size_t bytes) {
  kl_storage *storage = kl_alloc(STORAGE_HEADER + bytes);
  if (storage != NULL) {
    atomic_init(&storage->refs, 1);
    storage->bytes = bytes;
    storage->data = (char *)storage + STORAGE_HEADER;
  }
  return storage;
}

kl_storage *kl_storage_retain(kl_storage *storage) {
  atomic_fetch_add_explicit(&storage->refs, 1, memory_order_relaxed);
  return storage;
}

void kl_storage_release(kl_storage *storage) {
  if (storage != NULL && atomic_fetch_sub_explicit(&storage->refs, 1, memory_order_acq_rel) == 1) {
    kl_free(storage, STORAGE_HEADER + storage->bytes);
  }
}

static kl_tensor *tensor_alloc(kl_dtype dtype) {
  kl_tensor *t = kl_alloc(sizeof *t);
  if (t != NULL) {
    t->refs = 1;
    t->dtype = (uint8_t)dtype;
    t->weak = KL_STRONG;
    t->flags = 0;
    t->id = next_id++;
    t->offset = 0;
    t->storage = NULL;
    t->node = NULL;
    t->index = 0;
    t->variable = NULL;
    t->logits = NULL;
    t->marked_by = 0;
    live++;
  }
  return t;
}

kl_status kl_tensor_new(kl_dtype dtype, const kl_shape *shape, kl_tensor **out) {
  *out = NULL;
  KL_TRY(kl_shape_check_size("kl", shape, kl_dtype_size(dtype)));
  kl_tensor *t = tensor_alloc(dtype);
  if (t == NULL) {
    return KL_ENOMEM;
  }
  t->shape = *shape;
  kl_shape_contiguous(shape, t->strides);
  t->storage = kl_storage_new((size_t)kl_shape_numel(shape) * kl_dtype_size(dtype));
  if (t->storage == NULL) {
    kl_tensor_release(t);
    return KL_ENOMEM;
  }
  *out = t;
  return KL_OK;
}

kl_status kl_tensor_new_view(const kl_tensor *base, const kl_shape *shape, const int64_t *strides, int64_t offset,
                             kl_tensor **out) {
  *out = NULL;
  kl_tensor *t = tensor_alloc((kl_dtype)base->dtype);
  if (t == NULL) {
    return KL_ENOMEM;
  }
  t->shape = *shape;
  memcpy(t->strides, strides, sizeof *strides * (size_t)shape->ndim);
  t->offset = offset;
  t->storage = kl_storage_retain(base->storage);
  *out = t;
  return KL_OK;
}

kl_status kl_tensor_new_valueless(const kl_spec *spec, kl_node *node, int index, int flags, kl_tensor **out) {
  *out = NULL;
  kl_tensor *t = tensor_alloc(spec->dtype);
  if (t == NULL) {
    return KL_ENOMEM;
  }
  t->shape = spec->shape;
  t->flags = (uint8_t)flags;
  t->node = node == NULL ? NULL : kl_node_retain(node);
  t->index = index;
  *out = t;
  return KL_OK;
}

kl_status kl_tensor_new_alias(const kl_tensor *t, kl_tensor **out) {
  kl_spec spec = kl_tensor_spec(t);
  KL_TRY(kl_tensor_new_valueless(&spec, t->node, t->index, t->flags, out));
  (*out)->id = t->id;
  if (t->storage != NULL) {
    memcpy((*out)->strides, t->strides, sizeof t->strides);
    (*out)->offset = t->offset;
    (*out)->storage = kl_storage_retain(t->storage);
  }
  return KL_OK;
}

static kl_tensor *weak_alloc(kl_dtype dtype, kl_weak weak) {
  kl_tensor *t = tensor_alloc(dtype);
  if (t != NULL) {
    t->weak = (uint8_t)weak;
    t->shape.ndim = 0;
  }
  return t;
}

kl_status kl_tensor_new_weak_int(int64_t value, kl_tensor **out) {
  *out = weak_alloc(KL_INT64, KL_WEAK_INT);
  if (*out == NULL) {
    return KL_ENOMEM;
  }
  (*out)->scalar.integer = value;
  return KL_OK;
}

kl_status kl_tensor_new_weak_float(double value, kl_tensor **out) {
  *out = weak_alloc(KL_FLOAT64, KL_WEAK_FLOAT);
  if (*out == NULL) {
    return KL_ENOMEM;
  }
  (*out)->scalar.number = value;
  return KL_OK;
}

void kl_tensor_forget_origin(kl_tensor *t) {
  kl_node *node = t->node;
  t->node = NULL;
  kl_node_release(node);
  if (t->logits != NULL && t->logits->storage != NULL) {
    kl_tensor_forget_origin(t->logits);
  } else {
    kl_tensor *logits = t->logits;
    t->logits = NULL;
    kl_tensor_release(logits);
  }
}

kl_tensor *kl_tensor_retain(kl_tensor *t) {
  t->refs++;
  return t;
}

void kl_tensor_release(kl_tensor *t) {
  if (t == NULL || --t->refs > 0) {
    return;
  }
  kl_storage_release(t->storage);
  kl_tensor_release(t->logits);
  kl_node *node = t->node;
  kl_free(t, sizeof *t);
  live--;
  kl_node_release(node);
}

bool kl_tensor_is_contiguous(const kl_tensor *t) {
  int64_t stride = 1;
  bool contiguous = true;
  for (int i = t->shape.ndim - 1; i >= 0; i--) {
    int64_t length = t->shape.dim[i];
    if (length == 0) {
      return true;
    }
    contiguous = contiguous && (length == 1 || t->strides[i] == stride);
    stride *= length;
  }
  return contiguous;
}

static const char *element(const kl_tensor *t, int64_t i) {
  int64_t at = t->offset;
  for (int axis = t->shape.ndim - 1; axis >= 0; axis--) {
    at += i % t->shape.dim[axis] * t->strides[axis];
    i /= t->shape.dim[axis];
  }
  return (const char *)t->storage->data + at * (int64_t)kl_dtype_size((kl_dtype)t->dtype);
}

double kl_tensor_get_double(const kl_tensor *t, int64_t i) {
  if (t->weak != KL_STRONG) {
    return t->weak == KL_WEAK_FLOAT ? t->scalar.number : (double)t->scalar.integer;
  }
  if (t->dtype == KL_FLOAT32) {
    return *(const float *)element(t, i);
  }
  return t->dtype == KL_FLOAT64 ? *(const double *)element(t, i) : (double)kl_tensor_get_int(t, i);
}

int64_t kl_tensor_get_int(const kl_tensor *t, int64_t i) {
  if (t->weak != KL_STRONG) {
    return t->weak == KL_WEAK_INT ? t->scalar.integer : (int64_t)t->scalar.number;
  }
  switch (t->dtype) {
    case KL_INT32:
      return *(const int32_t *)element(t, i);
    case KL_INT64:
      return *(const int64_t *)element(t, i);
    default:
      return *(const uint8_t *)element(t, i);
  }
}

void kl_tensor_copy_out(const kl_tensor *t, void *out) {
  size_t size = kl_dtype_size((kl_dtype)t->dtype);
  int64_t numel = kl_tensor_numel(t);
  if (kl_tensor_is_contiguous(t)) {
    memcpy(out, kl_tensor_data(t), (size_t)numel * size);
    return;
  }
  for (int64_t i = 0; i < numel; i++) {
    memcpy((char *)out + (size_t)i * size, element(t, i), size);
  }
}
