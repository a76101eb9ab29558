/* Variables through the door: reads go to the recorder's version, writes happen in place where nobody would see it. */
#include "op/assign.h"

#include <string.h>

#include "op/apply.h"
#include "op/journal.h"
#include "op/record.h"

kl_status kl_variable_read(kl_variable *v, kl_tensor **out) {
  kl_recorder *recorder = kl_context_now->recorder;
  if (recorder != NULL) {
    return recorder->variable(recorder, v, out);
  }
  *out = kl_tensor_retain(v->value);
  return KL_OK;
}

static kl_status check(const kl_variable *v, const kl_tensor *value) {
  if (value->shape.ndim != 0 && !kl_shape_equal(&value->shape, &v->value->shape)) {
    char expected[KL_SHAPE_TEXT], received[KL_SHAPE_TEXT];
    return kl_fail(KL_ESHAPE, "assign: the variable has shape %s, the value %s",
                   kl_shape_text(&v->value->shape, expected), kl_shape_text(&value->shape, received));
  }
  kl_dtype to = (kl_dtype)v->value->dtype;
  bool is_float = value->weak == KL_STRONG ? kl_dtype_is_float((kl_dtype)value->dtype) : value->weak == KL_WEAK_FLOAT;
  if (is_float && !kl_dtype_is_float(to)) {
    return kl_fail(KL_EDTYPE, "assign: the variable is %s, the value is a float: cast it first", kl_dtype_name(to));
  }
  return KL_OK;
}

/* `value` with the variable's dtype and shape, as a new reference. */
static kl_status fit(const kl_variable *v, kl_tensor *value, kl_tensor **out) {
  kl_attr dtype = {.n = 1, .given = 1, .v = {v->value->dtype}};
  kl_tensor *cast;
  if (value->weak == KL_STRONG && value->dtype == v->value->dtype) {
    cast = kl_tensor_retain(value);
  } else {
    KL_TRY(kl_apply1(&kl_op_cast, 1, &value, &dtype, &cast));
  }
  if (cast->shape.ndim == v->value->shape.ndim) {
    *out = cast;
    return KL_OK;
  }
  kl_attr shape = {.n = v->value->shape.ndim, .given = 1};
  memcpy(shape.v, v->value->shape.dim, sizeof shape.v);
  kl_status status = kl_apply1(&kl_op_broadcast_to, 1, &cast, &shape, out);
  kl_tensor_release(cast);
  return status;
}

/* A tensor that fills its whole storage may become the variable's value without a copy. */
static bool can_adopt(const kl_tensor *t) {
  return t->offset == 0 && kl_tensor_is_contiguous(t) &&
         t->storage->bytes == (size_t)kl_tensor_numel(t) * kl_dtype_size((kl_dtype)t->dtype);
}

static kl_status assign(kl_variable *v, kl_tensor *value) {
  KL_TRY(check(v, value));
  kl_context *context = kl_context_now;
  if (context->building > 0 || value->flags & KL_TENSOR_SYMBOLIC) {
    return KL_OK;
  }
  kl_tensor *fitted;
  KL_TRY(fit(v, value, &fitted));
  kl_status status = KL_OK;
  if (context->recorder != NULL) {
    status = context->recorder->assign(context->recorder, v, fitted);
  } else if (can_adopt(fitted) && fitted->variable == NULL) {
    status = kl_variable_adopt(v, fitted);
  } else if (kl_variable_is_sole_holder(v) && fitted->storage != v->value->storage) {
    kl_tensor_copy_out(fitted, kl_tensor_data(v->value));
  } else {
    kl_tensor *copy;
    status = kl_tensor_new((kl_dtype)fitted->dtype, &fitted->shape, &copy);
    if (status == KL_OK) {
      kl_tensor_copy_out(fitted, kl_tensor_data(copy));
      status = kl_variable_adopt(v, copy);
      kl_tensor_release(copy);
    }
  }
  kl_tensor_release(fitted);
  return status;
}

static kl_status update(kl_variable *v, kl_tensor *value, const kl_op *op) {
  KL_TRY(check(v, value));
  kl_context *context = kl_context_now;
  if (context->building > 0 || value->flags & KL_TENSOR_SYMBOLIC) {
    return KL_OK;
  }
  if (context->recorder == NULL && kl_variable_is_sole_holder(v) && value->dtype == v->value->dtype &&
      value->weak == KL_STRONG) {
    kl_tensor *in[2] = {v->value, value};
    return kl_apply_into(op, 2, in, v->value);
  }
  kl_tensor *fitted, *now, *result;
  KL_TRY(fit(v, value, &fitted));
  kl_status status = kl_variable_read(v, &now);
  if (status == KL_OK) {
    status = kl_apply1(op, 2, (kl_tensor *[2]){now, fitted}, NULL, &result);
    kl_tensor_release(now);
  }
  kl_tensor_release(fitted);
  if (status == KL_OK) {
    status = assign(v, result);
    kl_tensor_release(result);
  }
  return status;
}

/* An assignment cuts the path of gradients, so no tape hears of it, whichever way it is done. */
static kl_status unseen(kl_variable *v, kl_tensor *value, const kl_op *op) {
  kl_context *context = kl_context_now;
  kl_watcher *watchers = context->watchers;
  if (context->journal != NULL && context->recorder == NULL && context->building == 0) {
    KL_TRY(kl_journal_note_variable(context->journal, v));
  }
  context->watchers = NULL;
  kl_status status = op == NULL ? assign(v, value) : update(v, value, op);
  context->watchers = watchers;
  return status;
}

kl_status kl_variable_assign(kl_variable *v, kl_tensor *value) { return unseen(v, value, NULL); }
kl_status kl_variable_assign_add(kl_variable *v, kl_tensor *value) { return unseen(v, value, &kl_op_add); }
kl_status kl_variable_assign_sub(kl_variable *v, kl_tensor *value) { return unseen(v, value, &kl_op_subtract); }
