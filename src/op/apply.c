/* The door.  One pass is a few hundred nanoseconds (docs/experiments.md, 3), so nothing here clears or copies more than
 * the op has axes and inputs. */
#include "op/apply.h"

#include <stdio.h>
#include <string.h>

#include "device/device.h"
#include "op/arguments.h"
#include "op/finite_watch.h"
#include "op/profile.h"
#include "op/record.h"

/* An input as the kernel sees it: with the output's shape and stride 0 where it is repeated, for elementwise ops. */
static void make_view(const kl_tensor *t, const kl_spec *spec, const kl_shape *broadcast, int64_t *cell,
                      kl_view *view) {
  view->dtype = spec->dtype;
  const kl_shape *shape = broadcast != NULL ? broadcast : &spec->shape;
  view->shape = *shape;
  int missing = shape->ndim - spec->shape.ndim;
  for (int i = 0; i < shape->ndim; i++) {
    bool repeated = i < missing || (broadcast != NULL && spec->shape.dim[i - missing] == 1 && shape->dim[i] != 1);
    view->strides[i] = repeated ? 0 : t->strides[i - missing];
  }
  if (t->weak != KL_STRONG) {
    kl_dtype_store(spec->dtype, t->weak == KL_WEAK_FLOAT, t->scalar.integer, t->scalar.number, cell);
    view->data = cell;
  } else {
    view->data = kl_tensor_data(t);
  }
}

static void view_of(const kl_tensor *t, kl_view *view) {
  view->data = kl_tensor_data(t);
  view->dtype = (kl_dtype)t->dtype;
  view->shape = t->shape;
  memcpy(view->strides, t->strides, sizeof(int64_t) * (size_t)t->shape.ndim);
}

static kl_status run_kernel(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, int nout,
                            kl_tensor *const *out) {
  kl_view in_views[KL_MAX_INPUTS];
  kl_view out_views[KL_MAX_OUTPUTS];
  int64_t cells[KL_MAX_INPUTS];
  const kl_shape *broadcast = op->flags & KL_ELEMENTWISE ? &out[0]->shape : NULL;
  for (int i = 0; i < a->n; i++) {
    make_view(a->t[i], &a->spec[i], broadcast, &cells[i], &in_views[i]);
  }
  for (int i = 0; i < nout; i++) {
    view_of(out[i], &out_views[i]);
  }
  kl_call call = {.name = op->name, .attrs = attrs, .nin = a->n, .nout = nout, .in = in_views, .out = out_views};
  if (KL_UNLIKELY(kl_profiling)) {
    int64_t begin = kl_profile_clock();
    kl_status status = kl_device_default()->run((int)op->id, &call);
    kl_profile_single(begin, op, kl_context_now->source, &call);
    return status;
  }
  return kl_device_default()->run((int)op->id, &call);
}

static kl_status run_view(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, const kl_spec *specs,
                          kl_tensor **out) {
  kl_tensor *t = a->t[0];
  kl_tensor *copy;
  if (t->weak == KL_STRONG) {
    kl_status status = op->view(attrs, t, &specs[0], &out[0]);
    if (status != KL_EUNSUPPORTED) {
      return status;
    }
  }
  KL_TRY(kl_tensor_new(a->spec[0].dtype, &t->shape, &copy));
  kl_status status = run_kernel(&kl_op_copy, a, NULL, 1, &copy);
  if (status == KL_OK) {
    status = op->view(attrs, copy, &specs[0], &out[0]);
  }
  kl_tensor_release(copy);
  return status;
}

/* Makes the outputs of an immediate op. */
static kl_status run_now(const kl_op *op, kl_arguments *a, const kl_attr *attrs, int nout, const kl_spec *specs,
                         kl_tensor **out) {
  for (int i = 0; i < a->n; i++) {
    if (KL_UNLIKELY(!kl_tensor_has_value(a->t[i]))) {
      return kl_fail(KL_ESTATE, "input %d is a tensor of a finished step and has no value any more", i + 1);
    }
  }
  if (op->view != NULL) {
    return run_view(op, a, attrs, specs, out);
  }
  for (int i = 0; i < nout; i++) {
    out[i] = NULL;
  }
  kl_status status = KL_OK;
  for (int i = 0; i < nout && status == KL_OK; i++) {
    status = kl_tensor_new(specs[i].dtype, &specs[i].shape, &out[i]);
  }
  if (status == KL_OK) {
    status = run_kernel(op, a, attrs, nout, out);
  }
  if (KL_UNLIKELY(kl_finite_watching != NULL) && status == KL_OK) {
    kl_finite_watch_see(op, kl_context_now->source, op->outputs, out);
  }
  if (status != KL_OK) {
    for (int i = 0; i < nout; i++) {
      kl_tensor_release(out[i]);
    }
  }
  return status;
}

static kl_node *new_node(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, int nout, const kl_spec *specs) {
  kl_node *node = kl_node_new(op, kl_op_attr_count(op), attrs, a->n, a->t, nout);
  if (node != NULL) {
    node->source = kl_context_now->source;
    for (int i = 0; i < a->n; i++) {
      node->in[i].spec.dtype = a->spec[i].dtype;
    }
    for (int i = 0; i < nout; i++) {
      node->out[i].spec = specs[i];
    }
  }
  return node;
}

/* A node whose outputs have no value: of a functional graph, or for the recorder. */
static kl_status defer(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, int nout, const kl_spec *specs,
                       kl_recorder *recorder, kl_tensor **out) {
  for (int i = 0; i < nout && recorder != NULL; i++) { /* as making the outputs would */
    KL_TRY(kl_shape_check_size("kl", &specs[i].shape, kl_dtype_size(specs[i].dtype)));
  }
  kl_node *node = new_node(op, a, attrs, nout, specs);
  if (node == NULL) {
    return KL_ENOMEM;
  }
  for (int i = 0; i < a->n; i++) {
    node->in[i].value = kl_tensor_retain(a->t[i]);
  }
  kl_status status = KL_OK;
  int flags = recorder == NULL ? KL_TENSOR_SYMBOLIC : 0;
  int made = 0;
  while (made < nout && status == KL_OK) {
    status = kl_tensor_new_valueless(&specs[made], node, made, flags, &out[made]);
    if (status == KL_OK) {
      node->out[made].id = out[made]->id;
      made++;
    }
  }
  if (status == KL_OK && recorder != NULL) {
    status = recorder->record(recorder, node, out);
  }
  if (status != KL_OK) {
    for (int i = 0; i < made; i++) {
      kl_tensor_release(out[i]);
    }
  }
  kl_node_release(node);
  return status;
}

/* A node that keeps what the gradient reads and forgets the rest. */
static kl_node *new_tape_node(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, int nout,
                              const kl_spec *specs, kl_tensor *const *out) {
  kl_node *node = new_node(op, a, attrs, nout, specs);
  if (node == NULL) {
    return NULL;
  }
  for (int i = 0; i < a->n; i++) {
    if (op->saves & KL_SAVE_ALL_IN || (i < 7 && op->saves & KL_SAVE_IN(i))) {
      node->in[i].value = kl_tensor_retain(a->t[i]);
    }
  }
  for (int i = 0; i < nout; i++) {
    node->out[i].id = out[i]->id;
    if (i < 8 && op->saves & KL_SAVE_OUT(i)) {
      node->out[i].value = kl_tensor_retain(out[i]);
    }
  }
  return node;
}

/* Shows the op to every recording tape. */
static kl_status show_to_tapes(const kl_op *op, const kl_arguments *a, const kl_attr *attrs, int nout,
                               const kl_spec *specs, kl_tensor *const *out) {
  kl_node *node = NULL;
  kl_status status = KL_OK;
  for (kl_watcher *w = kl_context_now->watchers; w != NULL && status == KL_OK; w = w->outer) {
    if (w->paused || !kl_watcher_sees(w, a->n, a->t, &status) || status != KL_OK) {
      continue;
    }
    if (node == NULL) {
      node = new_tape_node(op, a, attrs, nout, specs, out);
      if (node == NULL) {
        return KL_ENOMEM;
      }
    }
    status = w->keep(w, node);
  }
  kl_node_release(node);
  return status;
}

/* Everything but the bookkeeping of references; *nout counts hidden results too. */
static kl_status pass(const kl_op *op, kl_arguments *a, const kl_attr *attrs, kl_tensor **out, int *count) {
  KL_TRY(kl_arguments_convert(a, op));
  kl_spec specs[KL_MAX_OUTPUTS];
  kl_attr filled[KL_MAX_ATTRS];
  int nattrs = kl_op_attr_count(op);
  if (nattrs > 0) {
    memcpy(filled, attrs, sizeof *attrs * (size_t)nattrs);
  }
  int nout = op->outputs + op->hidden;
  if (op->flags & KL_ELEMENTWISE) {
    KL_TRY(kl_arguments_broadcast(a, &specs[0].shape));
    specs[0].dtype = op->flags & KL_OUT_BOOL ? KL_BOOL : a->spec[a->n - 1].dtype;
    for (int i = 1; i < nout; i++) {
      specs[i] = specs[0];
    }
  }
  if (op->infer != NULL) {
    kl_infer c = {.op = op, .attrs = filled, .nin = a->n, .nout = nout, .in = a->spec, .out = specs};
    KL_TRY(op->infer(&c));
    nout = c.nout;
  }
  *count = nout;

  kl_context *context = kl_context_now;
  bool symbolic = op->flags & KL_RANDOM && context->building > 0;
  for (int i = 0; i < a->n; i++) {
    symbolic = symbolic || a->t[i]->flags & KL_TENSOR_SYMBOLIC;
  }
  if (symbolic || context->recorder != NULL) {
    KL_TRY(defer(op, a, filled, nout, specs, symbolic ? NULL : context->recorder, out));
  } else {
    KL_TRY(run_now(op, a, filled, nout, specs, out));
  }
  kl_status status = KL_OK;
  if (op->links_logits != NULL && a->t[0]->weak == KL_STRONG && op->links_logits(filled, &a->spec[0])) {
    status = kl_tensor_new_alias(a->t[0], &out[0]->logits);
    out[0]->logits_op = op;
  }
  if (status == KL_OK && context->watchers != NULL && !symbolic) {
    status = show_to_tapes(op, a, filled, nout, specs, out);
  }
  if (status != KL_OK) {
    for (int i = 0; i < nout; i++) {
      kl_tensor_release(out[i]);
    }
    return status;
  }
  return KL_OK;
}

/* Puts "kl.<op>: " in front of the message, once. */
static kl_status name_the_op(const kl_op *op, kl_status status) {
  char text[1024];
  const char *message = kl_error_message();
  if (strncmp(message, "kl.", 3) == 0 || status == KL_ENOMEM) {
    return status;
  }
  snprintf(text, sizeof text, "%s",
           strncmp(message, "kl: ", 4) == 0 ? message + 4 : message); /* of a part without a name */
  return kl_fail(status, "kl.%s: %s", op->name, text);
}

static kl_status apply_all(const kl_op *op, int nin, kl_tensor *const *in, const kl_attr *attrs, kl_tensor **out,
                           int *count) {
  if (nin > KL_MAX_INPUTS) {
    return kl_fail(KL_EVALUE, "kl.%s: %d inputs, at most %d are possible", op->name, nin, KL_MAX_INPUTS);
  }
  kl_arguments a;
  a.n = nin;
  a.owned = 0;
  for (int i = 0; i < nin; i++) {
    a.t[i] = in[i];
    a.spec[i] = kl_tensor_spec(in[i]);
  }
  kl_status status = pass(op, &a, attrs, out, count);
  kl_arguments_release(&a);
  return KL_LIKELY(status == KL_OK) ? KL_OK : name_the_op(op, status);
}

kl_status kl_apply(const kl_op *op, int nin, kl_tensor *const *in, const kl_attr *attrs, kl_tensor **out, int *nout) {
  int count;
  KL_TRY(apply_all(op, nin, in, attrs, out, &count));
  *nout = count - op->hidden;
  for (int i = *nout; i < count; i++) {
    kl_tensor_release(out[i]);
  }
  return KL_OK;
}

kl_status kl_apply1(const kl_op *op, int nin, kl_tensor *const *in, const kl_attr *attrs, kl_tensor **out) {
  kl_tensor *results[KL_MAX_OUTPUTS];
  int n;
  *out = NULL;
  KL_TRY(kl_apply(op, nin, in, attrs, results, &n));
  *out = results[0];
  return KL_OK;
}

kl_status kl_apply_node(const kl_node *node, kl_tensor *const *in, kl_tensor **out, int *nout) {
  return kl_apply(node->op, node->nin, in, node->attrs, out, nout);
}

kl_status kl_apply_all(const kl_node *node, kl_tensor *const *in, kl_tensor **out) {
  int count;
  return apply_all(node->op, node->nin, in, node->attrs, out, &count);
}

kl_status kl_apply_into(const kl_op *op, int nin, kl_tensor *const *in, kl_tensor *out) {
  kl_arguments a = {.n = nin};
  for (int i = 0; i < nin; i++) {
    a.t[i] = in[i];
    a.spec[i] = kl_tensor_spec(in[i]);
  }
  kl_status status = kl_arguments_convert(&a, op);
  if (status == KL_OK) {
    status = run_kernel(op, &a, NULL, 1, &out);
  }
  kl_arguments_release(&a);
  return status;
}

kl_status kl_tensor_read(kl_tensor *t) {
  const kl_recorder *recorder = kl_context_now->recorder;
  if (recorder != NULL && recorder->no_reads) {
    return kl_fail(
        KL_ESTATE,
        "a value is read inside a step that is to be replayed: it would be the same at every replay; read what "
        "the step returns, or leave replay out");
  }
  if (kl_tensor_has_value(t)) {
    return KL_OK;
  }
  if (t->flags & KL_TENSOR_SYMBOLIC) {
    return kl_fail(KL_ESTATE, "this tensor belongs to a functional graph and has no value: call the model on data");
  }
  if (kl_context_now->recorder == NULL) {
    return kl_fail(KL_ESTATE, "this tensor belongs to a finished step and has no value any more");
  }
  return kl_context_now->recorder->read(kl_context_now->recorder, t);
}
