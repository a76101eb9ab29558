/* From recorded nodes to kernel calls: views become windows, broadcast inputs strides of 0, assignments and results
 * places. */
#include "graph/lowered.h"

#include <stdatomic.h>
#include <string.h>

bool kl_value_is_dense(const kl_value *v) {
  int64_t strides[KL_MAX_NDIM];
  kl_shape_contiguous(&v->spec.shape, strides);
  for (int i = 0; i < v->spec.shape.ndim; i++) {
    if (v->spec.shape.dim[i] != 1 && v->strides[i] != strides[i]) {
      return false;
    }
  }
  return true;
}

bool kl_value_is_whole(const kl_lowered *l, const kl_value *v) {
  size_t bytes = (size_t)kl_shape_numel(&v->spec.shape) * kl_dtype_size(v->spec.dtype);
  return v->offset == 0 && bytes == l->buffers[v->buffer].bytes && kl_value_is_dense(v);
}

bool kl_value_equal(const kl_value *a, const kl_value *b) {
  return a->buffer == b->buffer && a->offset == b->offset && a->spec.dtype == b->spec.dtype &&
         kl_shape_equal(&a->spec.shape, &b->spec.shape) &&
         memcmp(a->strides, b->strides, sizeof a->strides[0] * (size_t)a->spec.shape.ndim) == 0;
}

static int add_buffer(kl_lowered *l, kl_place place, int number, kl_dtype dtype, size_t bytes) {
  l->buffers[l->nbuffers] = (kl_buffer){.place = place, .number = number, .dtype = dtype, .bytes = bytes, .writer = -1};
  return l->nbuffers++;
}

static kl_value whole(kl_lowered *l, const kl_spec *spec) {
  kl_value v = {.spec = *spec};
  v.buffer =
      add_buffer(l, KL_PLACE_ARENA, 0, spec->dtype, (size_t)kl_shape_numel(&spec->shape) * kl_dtype_size(spec->dtype));
  kl_shape_contiguous(&spec->shape, v.strides);
  return v;
}

/* The window repeated to a shape, as the door does it. */
static void broadcast(kl_value *v, const kl_shape *shape) {
  kl_value from = *v;
  int missing = shape->ndim - from.spec.shape.ndim;
  v->spec.shape = *shape;
  for (int i = 0; i < shape->ndim; i++) {
    bool repeated = i < missing || (from.spec.shape.dim[i - missing] == 1 && shape->dim[i] != 1);
    v->strides[i] = repeated ? 0 : from.strides[i - missing];
  }
}

void kl_lowered_view(const kl_value *v, kl_view *view) {
  view->data = NULL;
  view->dtype = v->spec.dtype;
  view->shape = v->spec.shape;
  memcpy(view->strides, v->strides, sizeof view->strides);
}

void kl_lowered_call(const kl_item *item, kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS], kl_call *call) {
  for (int k = 0; k < item->nin; k++) {
    kl_lowered_view(&item->in[k], &views[k]);
  }
  for (int k = 0; k < item->nout; k++) {
    kl_lowered_view(&item->out[k], &views[item->nin + k]);
  }
  *call = (kl_call){.name = item->op->name, .attrs = item->attrs, .nin = item->nin, .nout = item->nout, .in = views};
  call->out = views + item->nin;
}

/* Adds a call; its outputs are new buffers. */
static kl_status add_item(kl_lowered *l, const kl_op *op, int nattrs, const kl_attr *attrs, int nin, const kl_value *in,
                          int nout, const kl_spec *specs, kl_item **out) {
  kl_item *item = &l->items[l->nitems];
  *item = (kl_item){.op = op, .nin = nin, .nout = nout, .recorded = l->recorded};
  item->in = kl_region_alloc(&l->region, sizeof *in * (size_t)(nin + nout));
  if (item->in == NULL) {
    return KL_ENOMEM;
  }
  item->out = item->in + nin;
  memcpy(item->in, in, sizeof *in * (size_t)nin);
  if (nattrs > 0) {
    memcpy(item->attrs, attrs, sizeof *attrs * (size_t)nattrs);
  }
  for (int i = 0; i < nout; i++) {
    item->out[i] = whole(l, &specs[i]);
    l->buffers[item->out[i].buffer].writer = l->nitems;
  }
  for (int i = 0; i < nin && op->flags & KL_ELEMENTWISE; i++) {
    broadcast(&item->in[i], &specs[0].shape);
  }
  item->checks =
      op->flags & KL_CHECKS && !(op->flags & KL_ELEMENTWISE && kl_dtype_is_float(item->in[nin - 1].spec.dtype));
  if (op->flags & KL_ELEMENTWISE && !item->checks && nin <= KL_TILE_MAX_INPUTS && nout <= KL_TILE_MAX_OUTPUTS) {
    kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS];
    kl_call call;
    kl_lowered_call(item, views, &call);
    item->tile = kl_device_default()->tile((int)op->id, &call);
  }
  l->nitems++;
  *out = item;
  return KL_OK;
}

/* The window that an op's `view` gives on a window: the row works on a tensor that stands for the buffer. */
static kl_status view_of(const kl_op *op, const kl_attr *attrs, const kl_value *in, const kl_spec *spec,
                         kl_value *out) {
  kl_storage storage = {.bytes = 0, .data = NULL};
  atomic_init(&storage.refs, 1);
  kl_tensor base = {
      .refs = 1, .dtype = (uint8_t)in->spec.dtype, .shape = in->spec.shape, .offset = in->offset, .storage = &storage};
  memcpy(base.strides, in->strides, sizeof base.strides);
  kl_tensor *result;
  KL_TRY(op->view(attrs, &base, spec, &result));
  *out = (kl_value){.buffer = in->buffer, .spec = *spec, .offset = result->offset};
  memcpy(out->strides, result->strides, sizeof out->strides);
  kl_tensor_release(result);
  return KL_OK;
}

static kl_status lower_view(kl_lowered *l, const kl_node *node, const kl_value *in, bool is_cell, kl_value *out) {
  if (!is_cell) {
    kl_status status = view_of(node->op, node->attrs, in, &node->out[0].spec, out);
    if (status != KL_EUNSUPPORTED) {
      return status;
    }
  }
  kl_item *copy;
  KL_TRY(add_item(l, &kl_op_copy, 0, NULL, 1, in, 1, &in->spec, &copy));
  return view_of(node->op, node->attrs, &copy->out[0], &node->out[0].spec, out);
}

/* What an input of a node is; a scalar becomes a cell of the type the door gave it. */
static kl_value operand(kl_lowered *l, const kl_trace *trace, const kl_tensor *t, kl_dtype dtype, int *nscalars) {
  if (t->weak != KL_STRONG) {
    kl_value v = {.spec = {dtype, {0}}};
    v.buffer = add_buffer(l, KL_PLACE_CELL, (*nscalars)++, dtype, kl_dtype_size(dtype));
    return v;
  }
  uint64_t word = kl_program_operand(l->program, trace, t);
  return KL_OPERAND_KIND(word) == KL_OPERAND_EXTERNAL ? l->externals[KL_OPERAND_NUMBER(word)]
                                                      : l->values[KL_OPERAND_NUMBER(word)];
}

static kl_status lower_node(kl_lowered *l, const kl_trace *trace, const kl_step *s, int *nscalars) {
  const kl_node *node = s->node;
  kl_value in[KL_MAX_INPUTS];
  kl_spec specs[KL_MAX_OUTPUTS];
  for (int i = 0; i < node->nin; i++) {
    in[i] = operand(l, trace, node->in[i].value, node->in[i].spec.dtype, nscalars);
  }
  if (node->op->view != NULL) {
    return lower_view(l, node, &in[0], node->in[0].value->weak != KL_STRONG, &l->values[s->first]);
  }
  for (int i = 0; i < node->nout; i++) {
    specs[i] = node->out[i].spec;
  }
  kl_item *item;
  KL_TRY(add_item(l, node->op, node->nattrs, node->attrs, node->nin, in, node->nout, specs, &item));
  for (int i = 0; i < node->nout; i++) {
    l->values[s->first + i] = item->out[i];
  }
  return KL_OK;
}

static kl_status allocate(kl_lowered *l, const kl_trace *trace) {
  const kl_program *p = l->program;
  size_t steps = (size_t)(trace->count - trace->done), scalars = (size_t)p->nscalars;
  size_t outputs = (size_t)trace->tensor_count, nvariables = (size_t)p->nvariables;
  size_t items = 2 * steps + nvariables + 1;
  l->items = kl_region_alloc(&l->region, items * sizeof *l->items);
  l->buffers =
      kl_region_alloc(&l->region, (outputs + 2 * items + scalars + (size_t)p->nexternals) * sizeof *l->buffers);
  l->values = kl_region_alloc(&l->region, (outputs + 1) * sizeof *l->values);
  l->externals = kl_region_alloc(&l->region, ((size_t)p->nexternals + 1) * sizeof *l->externals);
  l->assigned = kl_region_alloc(&l->region, (nvariables + 1) * sizeof *l->assigned);
  l->assigned_at = kl_region_alloc(&l->region, (nvariables + 1) * sizeof *l->assigned_at);
  l->fresh = kl_region_alloc(&l->region, (nvariables + 1) * sizeof *l->fresh);
  l->scheduled = kl_region_alloc(&l->region, items * sizeof *l->scheduled);
  l->groups = kl_region_alloc(&l->region, items * sizeof *l->groups);
  return l->items != NULL && l->buffers != NULL && l->values != NULL && l->externals != NULL && l->assigned != NULL &&
                 l->assigned_at != NULL && l->fresh != NULL && l->scheduled != NULL && l->groups != NULL
             ? KL_OK
             : KL_ENOMEM;
}

/* The result's buffer leaves the step. */
static void lower_result(kl_lowered *l, int64_t index) {
  kl_buffer *b = &l->buffers[l->values[index].buffer];
  if (b->place == KL_PLACE_ARENA) {
    b->place = KL_PLACE_RESULT;
    b->number = l->nresult_storages++;
  } else if (b->place == KL_PLACE_EXTERNAL) {
    /* A window on an external leaves: if that is a variable, its old value must stay. */
    const kl_tensor *t = l->program->externals[b->number];
    int variable = t->variable == NULL ? -1 : kl_program_variable(l->program, t->variable);
    if (variable >= 0) {
      l->fresh[variable] = true;
    }
  }
}

/* The value of an assignment is written where the variable lies, by its own kernel if nobody else needs its buffer,
 * else by a copy. */
static kl_status lower_assignment(kl_lowered *l, int variable, kl_value *value) {
  kl_buffer *b = &l->buffers[value->buffer];
  if (b->place == KL_PLACE_ARENA && kl_value_is_whole(l, value)) {
    b->place = KL_PLACE_VARIABLE;
    b->number = variable;
    return KL_OK;
  }
  kl_item *copy;
  KL_TRY(add_item(l, &kl_op_copy, 0, NULL, 1, value, 1, &value->spec, &copy));
  b = &l->buffers[copy->out[0].buffer];
  b->place = KL_PLACE_VARIABLE;
  b->number = variable;
  return KL_OK;
}

kl_status kl_lower(kl_lowered *l, const kl_trace *trace, const kl_program *program) {
  int nscalars = 0;
  l->program = program;
  KL_TRY(allocate(l, trace));
  for (int64_t i = 0; i < program->nexternals; i++) {
    const kl_tensor *t = program->externals[i];
    l->externals[i] = (kl_value){.spec = kl_tensor_spec(t)};
    l->externals[i].buffer = add_buffer(l, KL_PLACE_EXTERNAL, (int)i, (kl_dtype)t->dtype, SIZE_MAX);
    memcpy(l->externals[i].strides, t->strides, sizeof t->strides);
  }
  for (int64_t i = trace->done; i < trace->count; i++) {
    const kl_step *s = &trace->steps[i];
    if (s->node != NULL) {
      l->recorded = s->first;
      KL_TRY(lower_node(l, trace, s, &nscalars));
      continue;
    }
    kl_value *value = kl_region_alloc(&l->region, sizeof *value);
    if (value == NULL) {
      return KL_ENOMEM;
    }
    const kl_tensor *t = trace->tensors[s->first];
    int variable = kl_program_variable(program, s->variable);
    *value = operand(l, trace, t, (kl_dtype)t->dtype, &nscalars);
    l->assigned[variable] = value;
    l->assigned_at[variable] = s->first;
  }
  for (int64_t i = 0; i < program->nresults; i++) {
    lower_result(l, program->results[i]);
  }
  for (int64_t v = 0; v < program->nvariables; v++) {
    if (l->assigned[v] != NULL) {
      l->recorded = l->assigned_at[v];
      KL_TRY(lower_assignment(l, (int)v, l->assigned[v]));
    }
  }
  return KL_OK;
}
