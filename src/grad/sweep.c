/* The reverse sweep.
 *
 * The table `map` goes from tensor ids to the cotangent gathered so far.  Only ids that lead to a source are in it:
 * they are found by one walk forward, so no vjp runs for nothing. */
#include "grad/sweep.h"

#include <string.h>

#include "base/alloc.h"
#include "grad/idmap.h"
#include "op/apply.h"
#include "op/build.h"
#include "op/record.h"

struct kl_sweep {
  kl_idmap map;    /* id -> kl_tensor *, owned */
  kl_node **nodes; /* retained; [next, count) are done and released, so memory goes down as the sweep goes on */
  int64_t count, next;
  uint64_t *sources;
  int nsources;
  kl_tensor *current[KL_MAX_OUTPUTS]; /* cotangents of the visited node's outputs, owned */
  kl_node *visited;                   /* the node under way, retained: foreign, or its visit failed */
  int arg;                            /* the visited node's next input */
};

/* What a rule applies comes from where the node came from, in the backward phase; where that is not known, from the
 * line that asked for the gradient (`asked`). */
static void set_source(const kl_node *node, uint32_t asked) {
  uint32_t number = KL_SOURCE_NUMBER(node->source);
  kl_context_now->source = (number != 0 ? number : KL_SOURCE_NUMBER(asked)) | KL_PHASE_BACKWARD;
}

/* Adds `t` to what has arrived at `id`; nothing happens to ids that lead to no source. */
static kl_status accumulate(kl_sweep *s, uint64_t id, kl_tensor *t) {
  kl_idmap_slot *slot = kl_idmap_find(&s->map, id);
  if (slot == NULL) {
    return KL_OK;
  }
  if (slot->value == NULL) {
    slot->value = kl_tensor_retain(t);
    return KL_OK;
  }
  kl_tensor *sum;
  KL_TRY(kl_apply1(&kl_op_add, 2, (kl_tensor *[2]){slot->value, t}, NULL, &sum));
  slot = kl_idmap_find(&s->map, id);
  kl_tensor_release(slot->value);
  slot->value = sum;
  return KL_OK;
}

/* Accumulates after undoing what the door did to the input: broadcasting. */
static kl_status accumulate_input(kl_sweep *s, kl_build *b, const kl_edge *e, kl_tensor *t) {
  t = kl_build_sum_to(b, t, &e->spec.shape);
  return b->status != KL_OK ? b->status : accumulate(s, e->id, t);
}

static kl_status mark_paths(kl_sweep *s, int nsources, kl_tensor *const *sources) {
  for (int i = 0; i < nsources; i++) {
    s->sources[i] = sources[i]->id;
    if (kl_idmap_put(&s->map, sources[i]->id) == NULL) {
      return KL_ENOMEM;
    }
  }
  for (int64_t n = 0; n < s->count; n++) {
    const kl_node *node = s->nodes[n];
    bool leads = false;
    if (node->op->constant != NULL) {
      continue;
    }
    for (int i = 0; i < node->nin && !leads; i++) {
      leads = kl_idmap_find(&s->map, node->in[i].id) != NULL;
    }
    for (int i = 0; i < node->nout && leads; i++) {
      if (kl_dtype_is_float(node->out[i].spec.dtype) && kl_idmap_put(&s->map, node->out[i].id) == NULL) {
        return KL_ENOMEM;
      }
    }
  }
  return KL_OK;
}

static kl_status seed(kl_sweep *s, kl_tensor *target, kl_tensor *seed_given) {
  kl_build b;
  kl_build_begin(&b);
  if (kl_dtype_is_float((kl_dtype)target->dtype) && kl_idmap_find(&s->map, target->id) != NULL) {
    kl_spec spec = kl_tensor_spec(target);
    kl_tensor *t = seed_given;
    if (t == NULL) {
      t = kl_build_fill(&b, &spec, 1.0);
    } else {
      t = kl_build_broadcast_to(&b, kl_build_cast(&b, t, spec.dtype), &spec.shape);
    }
    if (b.status == KL_OK) {
      b.status = accumulate(s, target->id, t);
    }
  }
  kl_build_end(&b);
  return b.status;
}

/* In a guarded step a target that is not finite is refused, before anything is done with its gradients. */
static kl_status check_target(kl_tensor *target) {
  kl_attr what = {.n = 1, .given = 1, .v = {1}};
  kl_tensor *fine;
  if (kl_context_now->journal == NULL || !kl_dtype_is_float((kl_dtype)target->dtype)) {
    return KL_OK;
  }
  KL_TRY(kl_apply1(&kl_op_check_finite, 1, &target, &what, &fine));
  kl_tensor_release(fine);
  return KL_OK;
}

kl_status kl_sweep_new(const kl_tape *tape, int64_t nodes, int ntargets, kl_tensor *const *targets,
                       kl_tensor *const *seeds, int nsources, kl_tensor *const *sources, kl_sweep **out) {
  *out = NULL;
  kl_sweep *s = kl_alloc_zero(sizeof *s);
  if (s == NULL) {
    return KL_ENOMEM;
  }
  s->count = nodes;
  s->nsources = nsources;
  s->nodes = kl_alloc_zero((size_t)s->count * sizeof *s->nodes);
  s->sources = kl_alloc_zero((size_t)nsources * sizeof *s->sources);
  if (s->nodes == NULL || s->sources == NULL) {
    kl_sweep_release(s);
    return KL_ENOMEM;
  }
  for (; s->next < s->count; s->next++) {
    s->nodes[s->next] = kl_node_retain(kl_tape_node(tape, s->next));
  }
  kl_status status = mark_paths(s, nsources, sources);
  for (int i = 0; i < ntargets && status == KL_OK; i++) {
    status = check_target(targets[i]);
  }
  for (int i = 0; i < ntargets && status == KL_OK; i++) {
    status = seed(s, targets[i], seeds == NULL ? NULL : seeds[i]);
  }
  if (status != KL_OK) {
    kl_sweep_release(s);
    return status;
  }
  *out = s;
  return KL_OK;
}

void kl_sweep_release(kl_sweep *s) {
  if (s == NULL) {
    return;
  }
  for (uint32_t i = 0; i < s->map.capacity; i++) {
    kl_tensor_release(s->map.slots[i].value);
  }
  kl_idmap_free(&s->map);
  for (int64_t i = 0; s->nodes != NULL && i < s->next; i++) {
    kl_node_release(s->nodes[i]);
  }
  kl_node_release(s->visited);
  for (int i = 0; i < KL_MAX_OUTPUTS; i++) {
    kl_tensor_release(s->current[i]);
  }
  kl_free(s->nodes, (size_t)s->count * sizeof *s->nodes);
  kl_free(s->sources, (size_t)s->nsources * sizeof *s->sources);
  kl_free(s, sizeof *s);
}

static bool is_source(const kl_sweep *s, uint64_t id) {
  for (int i = 0; i < s->nsources; i++) {
    if (s->sources[i] == id) {
      return true;
    }
  }
  return false;
}

/* Takes what has arrived at the node's outputs; a source keeps its own.  False if nothing has. */
static bool take_cotangents(kl_sweep *s, const kl_node *node) {
  bool any = false;
  for (int i = 0; i < node->nout; i++) {
    kl_idmap_slot *slot = kl_idmap_find(&s->map, node->out[i].id);
    s->current[i] = slot == NULL ? NULL : slot->value;
    if (s->current[i] != NULL) {
      any = true;
      if (is_source(s, node->out[i].id)) {
        kl_tensor_retain(s->current[i]);
      } else {
        slot->value = NULL;
      }
    }
  }
  return any;
}

static void leave(kl_sweep *s) {
  for (int i = 0; i < s->visited->nout; i++) {
    kl_tensor_release(s->current[i]);
    s->current[i] = NULL;
  }
  kl_node_release(s->visited);
  s->visited = NULL;
}

static kl_status visit(kl_sweep *s) {
  const kl_node *node = s->visited;
  for (; s->arg < node->nin; s->arg++) {
    int i = s->arg;
    if (kl_idmap_find(&s->map, node->in[i].id) == NULL || !kl_dtype_is_float(node->in[i].spec.dtype)) {
      continue;
    }
    kl_vjp v = {.node = node, .cotangents = s->current, .arg = i};
    kl_build_begin(&v.build);
    kl_tensor *t = node->op->vjp(&v);
    kl_status status = v.build.status;
    if (status == KL_OK && t != NULL) {
      status = accumulate_input(s, &v.build, &node->in[i], t);
    }
    kl_build_end(&v.build);
    KL_TRY(status);
  }
  return KL_OK;
}

static kl_status run(kl_sweep *s, kl_sweep_state *state) {
  const uint32_t asked = kl_context_now->source;
  if (s->visited != NULL) {
    if (s->visited->foreign == NULL) {
      set_source(s->visited, asked);
      KL_TRY(visit(s));
    }
    leave(s);
  }
  while (s->next > 0) {
    kl_node *node = s->nodes[--s->next];
    if (node->op->constant != NULL || !take_cotangents(s, node)) {
      kl_node_release(node);
      continue;
    }
    s->visited = node;
    s->arg = 0;
    if (node->foreign != NULL) {
      *state = KL_SWEEP_FOREIGN;
      return KL_OK;
    }
    set_source(node, asked);
    KL_TRY(visit(s));
    leave(s);
  }
  *state = KL_SWEEP_DONE;
  return KL_OK;
}

kl_status kl_sweep_run(kl_sweep *s, kl_sweep_state *state) {
  kl_context *context = kl_context_now;
  const uint32_t asked = context->source;
  kl_status status = run(s, state);
  context->source = asked;
  return status;
}

const kl_node *kl_sweep_node(const kl_sweep *s) { return s->visited; }

kl_tensor *kl_sweep_cotangent(const kl_sweep *s, int output) { return s->current[output]; }

kl_status kl_sweep_supply(kl_sweep *s, int input, kl_tensor *cotangent) {
  kl_build b;
  kl_build_begin(&b);
  const kl_edge *e = &s->visited->in[input];
  kl_status status = KL_OK;
  if (kl_dtype_is_float(e->spec.dtype)) {
    cotangent = kl_build_cast(&b, cotangent, e->spec.dtype);
    status = b.status != KL_OK ? b.status : accumulate_input(s, &b, e, cotangent);
  }
  kl_build_end(&b);
  return status;
}

kl_tensor *kl_sweep_result(const kl_sweep *s, int source) {
  kl_idmap_slot *slot = kl_idmap_find(&s->map, s->sources[source]);
  return slot == NULL ? NULL : slot->value;
}

void kl_sweep_explain(const kl_tape *tape, const kl_tensor *target, const kl_tensor *source) {
  kl_idmap reached = {0};
  const kl_node *cut = NULL;
  bool used = false;
  const char *because = NULL;
  if (!kl_dtype_is_float((kl_dtype)source->dtype)) {
    kl_fail(KL_OK, "the source is %s: only floats have gradients", kl_dtype_name((kl_dtype)source->dtype));
    return;
  }
  if (kl_idmap_put(&reached, source->id) == NULL) {
    return;
  }
  for (int64_t n = 0; n < kl_tape_node_count(tape); n++) {
    const kl_node *node = kl_tape_node(tape, n);
    bool leads = false;
    for (int i = 0; i < node->nin && !leads; i++) {
      leads = kl_idmap_find(&reached, node->in[i].id) != NULL;
    }
    used = used || leads;
    if (leads && node->op->constant != NULL) {
      cut = node;
      because = node->op->constant;
    }
    for (int i = 0; i < node->nout && leads && node->op->constant == NULL; i++) {
      kl_idmap_put(&reached, node->out[i].id);
    }
  }
  if (kl_idmap_find(&reached, target->id) != NULL) {
    kl_fail(KL_OK, "there is a gradient: a path of differentiable operations leads from the source to the target");
  } else if (!used) {
    kl_fail(KL_OK,
            "no recorded operation used the source: it was not watched, or it was used before the tape began "
            "or on a value that had been read out of the tensors");
  } else if (cut != NULL) {
    kl_fail(KL_OK, "the path is cut at kl.%s: %s", cut->op->name, because);
  } else {
    kl_fail(KL_OK, "the source was used, but nothing computed from it reaches the target");
  }
  kl_idmap_free(&reached);
}
