/* The seam between operations and the machine that runs them.
 *
 * A device brings memory, copies, and a table of kernels indexed by op.  The CPU's table is complete; another device's
 * may have holes, and a hole is an error that names op and device.  A kernel gets views whose shapes `infer` has
 * already checked and whose inputs are already broadcast (stride 0) and of the right type; it writes contiguous
 * outputs. */
#ifndef KL_DEVICE_DEVICE_H
#define KL_DEVICE_DEVICE_H

#include "tensor/node.h"
#include "tensor/tensor.h"

typedef struct kl_view {
  void *data; /* first element */
  kl_dtype dtype;
  kl_shape shape;
  int64_t strides[KL_MAX_NDIM]; /* elements */
} kl_view;

struct kl_kernel;

typedef struct kl_call {
  const struct kl_kernel *kernel;
  const char *name; /* "kl.take": begins the message of a refused value */
  const kl_attr *attrs;
  int nin, nout;
  const kl_view *in;
  const kl_view *out;
  void *scratch; /* as many bytes as kernel->scratch asked for, 64-byte aligned */
} kl_call;

/* Computes n elements of each output; every operand is contiguous, and an output may be an input.  The unit of which
 * elementwise kernels and fused ones are made: an element's bits depend on nothing but its operands, not on n or its
 * place. */
typedef void (*kl_tile)(int64_t n, void *const *out, const void *const *in);

/* A matrix product row by row, so that what follows it can run on the rows while they are in the caches.  Element by
 * element the same as the whole product. */
typedef struct kl_rows {
  size_t (*packed_bytes)(const kl_call *c); /* of the packed right side; 0: this product cannot be had by rows */
  bool (*in_parts)(const kl_call *c);       /* packing does the work, and rows are only put together */
  void (*pack)(const kl_call *c, void *packed);
  void (*run)(const kl_call *c, const void *packed, int64_t first, int64_t count, void *out); /* out: count rows */
} kl_rows;

/* Where a reduction gets its input from, piece by piece. */
typedef struct kl_elements {
  /* Elements [at, at + n) in C order: where they lie, or in `buffer`, which has room for them.  Each element is asked
   * for once, by whatever thread. */
  const void *(*get)(const struct kl_elements *e, int64_t at, int64_t n, void *buffer);
} kl_elements;

/* A reduction whose input need not be in memory: what computes it can run piece by piece, each piece being reduced
 * while it is in L1.  The pieces are the chunks of the reduction as a whole, so joining changes no bit. */
typedef struct kl_reduction {
  bool (*takes)(const kl_call *c); /* this one can be had so, and long enough pieces make it worth it */
  kl_status (*run)(const kl_call *c, const kl_elements *from);
} kl_reduction;

typedef struct kl_kernel {
  kl_status (*run)(const kl_call *c);
  size_t (*scratch)(const kl_call *c); /* bytes, or NULL for none */
  const kl_tile *tiles;                /* elementwise: by dtype of the last input, or NULL */
  kl_tile (*tile)(const kl_call *c);   /* elementwise: where the choice needs more than that */
  const kl_rows *rows;                 /* of a product, or NULL */
  const kl_reduction *reduction;       /* of a reduction, or NULL */
} kl_kernel;

/* Elementwise kernels joined: walked once, tile by tile, each op's result staying in the caches for the next.  An
 * element goes through the same tile functions as in single calls, so joining changes no bit. */
#define KL_TILE_MAX_INPUTS 8
#define KL_TILE_MAX_OUTPUTS 3
#define KL_FUSED_MAX_OPS 48
#define KL_FUSED_MAX_VIEWS 48
#define KL_FUSED_MAX_TEMPS 24
typedef struct kl_fused_op {
  kl_tile tile;
  int nin, nout;
  int in[KL_TILE_MAX_INPUTS];   /* r < nviews: a view; otherwise the temporary r - nviews */
  int out[KL_TILE_MAX_OUTPUTS]; /* likewise */
} kl_fused_op;

typedef struct kl_fused {
  kl_shape shape; /* of the walk: all outputs have it, and all views are broadcast to it */
  int nops, nviews, noutputs, ntemps;
  const kl_fused_op *ops; /* in an order in which each reads what others before it wrote */
  const kl_view *views;   /* the first noutputs are outputs, contiguous */
  /* A prepared product whose rows are made as the walk needs them, or NULL; view `product_view` stands for it.  All
   * other views are then contiguous, or one repeated row or element. */
  const kl_call *product;
  int product_view;
  void *packed; /* room for its packed right side */
  /* A prepared reduction of output `reduced_view`, or NULL; never beside a product.  Unless it is `stored` the output
   * is nowhere in memory as a whole. */
  const kl_call *reduction;
  int reduced_view;
  bool stored;
} kl_fused;

#define KL_PRODUCT_BLOCK 8192 /* elements of a product that are made at a time: they stay in L1 */

typedef struct kl_device {
  const char *name;
  kl_status (*run)(int op, const kl_call *c); /* c->kernel and c->scratch are filled in by it */
  /* The same in two parts, for plans: prepare chooses the kernel (which depends on dtypes, shapes and strides, never on
   * data) and tells its scratch; execute runs it, between enter and leave, which set and restore the floating-point
   * state. */
  kl_status (*prepare)(int op, kl_call *c, size_t *scratch);
  kl_status (*execute)(const kl_call *c);
  kl_tile (*tile)(int op, const kl_call *c); /* the tile function of an elementwise call, or NULL */
  void (*execute_fused)(const kl_fused *f);
  unsigned (*enter)(void);
  void (*leave)(unsigned state);
  /* While it is set, what this thread calls runs in it alone and may run beside what other threads call.  Returns what
   * it was before. */
  bool (*set_alone)(bool alone);
  void (*synchronize)(void);
} kl_device;

/* The device of all tensors: the CPU. */
const kl_device *kl_device_default(void);

/* Chooses the instruction set by name, or the best one for NULL or "".  KL_EVALUE if it is unknown or not there.
 * Called once, before any kernel runs. */
kl_status kl_device_cpu_choose(const char *level);

/* For `kl info`: "avx512", and so on. */
const char *kl_device_cpu_level(void);
const char *kl_device_cpu_name(void); /* as the system calls the processor */
const char *kl_device_blas_name(void);

/* What the machine can do at most, measured: float32 multiply-adds in registers (two operations each) and bytes read
 * from memory, per second, on all threads.  0 where it could not be measured. */
typedef struct kl_peak {
  double flops, bandwidth;
} kl_peak;
kl_peak kl_device_measure_peak(void);

/* Number of threads that kernels use, including the caller. */
int kl_device_threads(void);
kl_status kl_device_set_threads(int n);

#endif
