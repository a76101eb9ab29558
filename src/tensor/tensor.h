/* Tensors: a shape, an element type and, mostly, a strided window into a counted storage.
 *
 * A tensor never changes after it was made; only a kl_variable (tensor/variable.h) replaces what it holds, and writes
 * into a storage only when it is the one holder.  Views share storage.  Three kinds have no storage:
 *   - a weak scalar: a Lua number on its way into an operation, its value is in `scalar`;
 *   - a symbolic tensor (KL_TENSOR_SYMBOLIC): an edge of a functional graph, axes may be KL_UNKNOWN;
 *   - a recorded tensor: an output of a node that a kl_recorder holds and has not run.
 * A tensor's id is never used again, so a table keyed by it needs no reference to it.  All values read from one
 * variable carry the variable's id: that is how gradients find the variable. */
#ifndef KL_TENSOR_TENSOR_H
#define KL_TENSOR_TENSOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/shape.h"
#include "base/status.h"

typedef struct kl_storage {
  atomic_int refs;
  size_t bytes; /* of data */
  void *data;   /* 64-byte aligned */
} kl_storage;

enum {
  KL_TENSOR_SYMBOLIC = 1,  /* has no value and never will */
  KL_TENSOR_TRAINABLE = 2, /* the value of a trainable variable: a recording tape watches it when it is read */
};

struct kl_node;
struct kl_op;
struct kl_variable;

typedef struct kl_tensor {
  int32_t refs;  /* plain: a tensor belongs to one thread, only its storage may be shared */
  uint8_t dtype; /* kl_dtype */
  uint8_t weak;  /* kl_weak */
  uint8_t flags;
  uint64_t id;
  kl_shape shape;
  int64_t strides[KL_MAX_NDIM]; /* in elements; may be 0 or negative */
  int64_t offset;               /* of the first element, in elements */
  kl_storage *storage;
  union {
    int64_t integer;
    double number;
  } scalar;                      /* of a weak scalar */
  struct kl_node *node;          /* owned; the node it is an output of, where that is kept (symbolic, recorded) */
  int32_t index;                 /* which output of node */
  struct kl_variable *variable;  /* not owned; the variable whose value this is */
  struct kl_tensor *logits;      /* owned, an alias; what this is the softmax or sigmoid of, for losses (design 3) */
  const struct kl_op *logits_op; /* which of the two */
  uint64_t marked_by;            /* a number given to the tensor, `mark`, and by which walk (graph/program.c) */
  int32_t mark;
} kl_tensor;

/* What a tensor would be: all that `infer` needs to know and gives. */
typedef struct kl_spec {
  kl_dtype dtype;
  kl_shape shape;
} kl_spec;

/* A new storage of `bytes` uninitialised bytes; NULL after kl_fail(KL_ENOMEM). */
kl_storage *kl_storage_new(size_t bytes);
kl_storage *kl_storage_retain(kl_storage *storage);
void kl_storage_release(kl_storage *storage); /* NULL is allowed */

/* A contiguous tensor with uninitialised elements.  Errors: KL_ESHAPE for a size that does not fit, KL_ENOMEM. */
kl_status kl_tensor_new(kl_dtype dtype, const kl_shape *shape, kl_tensor **out);

/* A tensor that shares `base`'s storage.  The caller guarantees that the window lies inside it. */
kl_status kl_tensor_new_view(const kl_tensor *base, const kl_shape *shape, const int64_t *strides, int64_t offset,
                             kl_tensor **out);

/* A tensor without a value: output `index` of `node` (retained; may be NULL), flags as above. */
kl_status kl_tensor_new_valueless(const kl_spec *spec, struct kl_node *node, int index, int flags, kl_tensor **out);

/* The same tensor as another object: value (if any), node and id are shared, the logits link and the variable are not.
 */
kl_status kl_tensor_new_alias(const kl_tensor *t, kl_tensor **out);

/* Lua numbers. */
kl_status kl_tensor_new_weak_int(int64_t value, kl_tensor **out);
kl_status kl_tensor_new_weak_float(double value, kl_tensor **out);

/* Lets go of the node it came from, and of logits that have no value: it is a plain tensor from now on. */
void kl_tensor_forget_origin(kl_tensor *t);

kl_tensor *kl_tensor_retain(kl_tensor *t);
void kl_tensor_release(kl_tensor *t); /* NULL is allowed */

/* A fresh id. */
uint64_t kl_tensor_next_id(void);

static inline bool kl_tensor_has_value(const kl_tensor *t) { return t->storage != NULL || t->weak != KL_STRONG; }

static inline int64_t kl_tensor_numel(const kl_tensor *t) { return kl_shape_numel(&t->shape); }

static inline kl_spec kl_tensor_spec(const kl_tensor *t) { return (kl_spec){(kl_dtype)t->dtype, t->shape}; }

/* Address of the first element of a tensor with storage. */
static inline void *kl_tensor_data(const kl_tensor *t) {
  return (char *)t->storage->data + t->offset * (int64_t)kl_dtype_size((kl_dtype)t->dtype);
}

/* True if the elements lie in C order without gaps. */
bool kl_tensor_is_contiguous(const kl_tensor *t);

/* Element `i` in C order as a C number: for printing, item and totable only, never for arithmetic. */
double kl_tensor_get_double(const kl_tensor *t, int64_t i);
int64_t kl_tensor_get_int(const kl_tensor *t, int64_t i);

/* Copies the elements in C order to `out`, which has room for them. */
void kl_tensor_copy_out(const kl_tensor *t, void *out);

/* Number of kl_tensor structures alive; for tests. */
int64_t kl_tensor_live(void);

#endif
