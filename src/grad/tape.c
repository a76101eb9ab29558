/* The tape: a watcher of the door with a list of nodes and a set of watched ids. */
#include "grad/tape.h"

#include "base/alloc.h"
#include "grad/idmap.h"
#include "op/op.h"

struct kl_tape {
  kl_watcher watcher;  /* first: the door's pointer is ours */
  kl_context *context; /* where it records, or NULL */
  uint64_t serial;     /* counts starts */
  bool persistent, used;
  int pauses;
  kl_idmap watched;
  kl_node **nodes;
  int64_t count, capacity;
  uint64_t *touched; /* ids watched because a variable was read */
  int64_t touched_count, touched_capacity;
};

static bool watches(kl_watcher *w, uint64_t id) { return kl_idmap_find(&((kl_tape *)w)->watched, id) != NULL; }

static kl_status touch(kl_watcher *w, uint64_t id) {
  kl_tape *tape = (kl_tape *)w;
  if (kl_idmap_find(&tape->watched, id) != NULL) {
    return KL_OK;
  }
  KL_TRY(kl_alloc_grow((void **)&tape->touched, sizeof id, tape->touched_count + 1, &tape->touched_capacity));
  if (kl_idmap_put(&tape->watched, id) == NULL) {
    return KL_ENOMEM;
  }
  tape->touched[tape->touched_count++] = id;
  return KL_OK;
}

static kl_status keep(kl_watcher *w, kl_node *node) {
  kl_tape *tape = (kl_tape *)w;
  KL_TRY(kl_alloc_grow((void **)&tape->nodes, sizeof(kl_node *), tape->count + 1, &tape->capacity));
  if (node->op->constant == NULL) {
    for (int i = 0; i < node->nout; i++) {
      if (kl_dtype_is_float(node->out[i].spec.dtype) && kl_idmap_put(&tape->watched, node->out[i].id) == NULL) {
        return KL_ENOMEM;
      }
    }
  }
  tape->nodes[tape->count++] = kl_node_retain(node);
  return KL_OK;
}

kl_status kl_tape_new(bool persistent, bool autowatch, kl_tape **out) {
  kl_tape *tape = kl_alloc_zero(sizeof *tape);
  *out = tape;
  if (tape == NULL) {
    return KL_ENOMEM;
  }
  tape->watcher = (kl_watcher){.autowatch = autowatch, .watches = watches, .watch = touch, .keep = keep};
  tape->persistent = persistent;
  return KL_OK;
}

void kl_tape_start(kl_tape *tape) {
  static uint64_t next_serial = 1;
  if (tape->context == NULL) {
    tape->serial = next_serial++;
    tape->context = kl_context_now;
    tape->watcher.outer = tape->context->watchers;
    tape->context->watchers = &tape->watcher;
  }
}

void kl_tape_stop(kl_tape *tape) {
  if (tape->context == NULL) {
    return;
  }
  kl_watcher **link = &tape->context->watchers;
  while (*link != &tape->watcher) {
    link = &(*link)->outer;
  }
  *link = tape->watcher.outer;
  tape->context = NULL;
}

bool kl_tape_is_recording(const kl_tape *tape) { return tape->context != NULL; }

void kl_tape_pause(kl_tape *tape) { tape->watcher.paused = ++tape->pauses > 0; }
void kl_tape_resume(kl_tape *tape) { tape->watcher.paused = --tape->pauses > 0; }

/* The innermost tape is the last started. */
uint64_t kl_tape_pause_all(kl_context *context) {
  for (kl_watcher *w = context->watchers; w != NULL; w = w->outer) {
    kl_tape_pause((kl_tape *)w);
  }
  return context->watchers == NULL ? 0 : ((kl_tape *)context->watchers)->serial;
}

void kl_tape_resume_all(kl_context *context, uint64_t mark) {
  for (kl_watcher *w = context->watchers; w != NULL; w = w->outer) {
    if (((kl_tape *)w)->serial <= mark) {
      kl_tape_resume((kl_tape *)w);
    }
  }
}

void kl_tape_drop_nodes(kl_tape *tape) {
  /* The list is detached first: a node's end may run foreign code that looks at the tape. */
  kl_node **nodes = tape->nodes;
  int64_t count = tape->count;
  size_t bytes = (size_t)tape->capacity * sizeof *nodes;
  tape->nodes = NULL;
  tape->count = tape->capacity = 0;
  if (kl_tape_is_spent(tape)) { /* it sees nothing any more, and may wait long for Lua's collector */
    kl_idmap_free(&tape->watched);
  }
  for (int64_t i = 0; i < count; i++) {
    kl_node_release(nodes[i]);
  }
  kl_free(nodes, bytes);
}

void kl_tape_reset(kl_tape *tape) {
  kl_tape_drop_nodes(tape);
  kl_idmap_clear(&tape->watched);
  tape->touched_count = 0;
  tape->used = false;
}

void kl_tape_release(kl_tape *tape) {
  if (tape == NULL) {
    return;
  }
  kl_tape_stop(tape);
  kl_tape_drop_nodes(tape);
  kl_idmap_free(&tape->watched);
  kl_free(tape->touched, (size_t)tape->touched_capacity * sizeof *tape->touched);
  kl_free(tape, sizeof *tape);
}

bool kl_tape_is_persistent(const kl_tape *tape) { return tape->persistent; }

void kl_tape_use(kl_tape *tape) { tape->used = true; }
bool kl_tape_is_spent(const kl_tape *tape) { return tape->used && !tape->persistent; }

kl_status kl_tape_watch(kl_tape *tape, const kl_tensor *t) {
  return kl_idmap_put(&tape->watched, t->id) == NULL ? KL_ENOMEM : KL_OK;
}

int64_t kl_tape_node_count(const kl_tape *tape) { return tape->count; }
kl_node *kl_tape_node(const kl_tape *tape, int64_t i) { return tape->nodes[i]; }
int64_t kl_tape_touched_count(const kl_tape *tape) { return tape->touched_count; }
uint64_t kl_tape_touched(const kl_tape *tape, int64_t i) { return tape->touched[i]; }
