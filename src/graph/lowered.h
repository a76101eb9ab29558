/* A step on its way from a recorded program to a plan: kernel calls over buffers.
 *
 * lower.c makes it (views are resolved, broadcasts become strides of 0); pass_*.c decide what lives, in which order and
 * joined with what it runs, and where buffers lie; plan.c turns it into what is run.  What always holds: an item reads
 * only externals, scalars and buffers that items before it (in `order`) write, and each buffer has one writer. */
#ifndef KL_GRAPH_LOWERED_H
#define KL_GRAPH_LOWERED_H

#include "base/region.h"
#include "device/device.h"
#include "graph/program.h"
#include "op/op.h"

typedef enum kl_place {
  KL_PLACE_ARENA,    /* lives from `first` to `last` at `offset` of the arena */
  KL_PLACE_TILE,     /* only inside one fused group: temporary `number` of it */
  KL_PLACE_PRODUCT,  /* rows of a product that its fused group makes as it needs them */
  KL_PLACE_PIECE,    /* pieces that a fused group makes for its reduction */
  KL_PLACE_EXTERNAL, /* external `number` of the program */
  KL_PLACE_CELL,     /* scalar `number` of the program, as `dtype` */
  KL_PLACE_VARIABLE, /* the new value of variable `number` of the program */
  KL_PLACE_RESULT,   /* a storage of its own, made at each run, that leaves the step: result storage `number` */
} kl_place;

typedef struct kl_buffer {
  kl_place place;
  int number;
  kl_dtype dtype;
  size_t bytes;
  int writer;      /* item, or -1 */
  int first, last; /* groups between which it lives */
  size_t offset;
} kl_buffer;

/* A strided window into a buffer.  Offset in elements from the buffer's (an external's first element's) address. */
typedef struct kl_value {
  int buffer;
  kl_spec spec;
  int64_t strides[KL_MAX_NDIM];
  int64_t offset;
} kl_value;

typedef struct kl_item {
  const kl_op *op;
  kl_attr attrs[KL_MAX_ATTRS];
  int nin, nout;
  kl_value *in, *out; /* inputs of elementwise ops have the output's shape */
  kl_tile tile;       /* elementwise: may be joined with others */
  bool checks;        /* may refuse a value */
  int64_t recorded;   /* place in the trace of the first tensor of what it was lowered from, to find its source */
  bool live;
  int group; /* place in the schedule */
  int order; /* place among all items in the schedule */
} kl_item;

typedef struct kl_group {
  int first, count; /* in `scheduled`; count 0: its item went into another group */
  bool fused;
  int product;   /* item whose rows the group makes, or -1 */
  int reduction; /* item that reduces what the group makes, piece by piece, or -1 */
} kl_group;

typedef struct kl_lowered {
  kl_region region;
  const kl_program *program;
  int64_t recorded; /* while lowering: the `recorded` of items added now */
  kl_buffer *buffers;
  int nbuffers, buffers_capacity;
  kl_item *items;
  int nitems, items_capacity;
  kl_value *values;     /* by index in the trace */
  kl_value *externals;  /* by number in the program */
  kl_value **assigned;  /* by variable: the last value assigned in the step, or NULL */
  int64_t *assigned_at; /* by variable: the place in the trace of that assignment */
  bool *fresh;          /* by variable: its new value needs a storage of its own at each run */
  int nresult_storages;
  int *scheduled; /* items in the order in which they run */
  kl_group *groups;
  int ngroups;
  size_t arena_bytes;
} kl_lowered;

kl_status kl_lower(kl_lowered *l, const kl_trace *trace, const kl_program *program);
kl_status kl_pass_common(kl_lowered *l);
kl_status kl_pass_live(kl_lowered *l);
kl_status kl_pass_schedule(kl_lowered *l);
kl_status kl_pass_join(kl_lowered *l);
kl_status kl_pass_reduce(kl_lowered *l);
kl_status kl_pass_place(kl_lowered *l);

/* Lowering and all passes. */
kl_status kl_passes_run(kl_lowered *l, const kl_trace *trace, const kl_program *program);

/* The window as a kernel sees it, without an address. */
void kl_lowered_view(const kl_value *v, kl_view *view);

/* The item as a call on such windows, to ask the device about. */
void kl_lowered_call(const kl_item *item, kl_view views[KL_MAX_INPUTS + KL_MAX_OUTPUTS], kl_call *call);

/* True for one window on one buffer. */
bool kl_value_equal(const kl_value *a, const kl_value *b);

/* True if the window lies in C order without gaps. */
bool kl_value_is_dense(const kl_value *v);

/* True if the value is all of its buffer in C order. */
bool kl_value_is_whole(const kl_lowered *l, const kl_value *v);

/* True if what the buffer holds is made and read inside one group and never in memory as a whole. */
static inline bool kl_buffer_stays_inside(const kl_buffer *b) {
  return b->place == KL_PLACE_TILE || b->place == KL_PLACE_PRODUCT || b->place == KL_PLACE_PIECE;
}

#endif
