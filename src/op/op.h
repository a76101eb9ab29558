/* The row type: what is known of an operation, on any device, recorded or not.
 *
 * One row per op, in the family's .c file; the list of all is op_list.h.  Tests, bindings, tape and recorders are
 * driven by rows: an op that needs code elsewhere lacks a field here. */
#ifndef KL_OP_OP_H
#define KL_OP_OP_H

#include "tensor/node.h"
#include "tensor/tensor.h"

typedef enum kl_op_id {
#define KL_OP(name) KL_OP_##name,
#include "op/op_list.h"
#undef KL_OP
  KL_OP_COUNT
} kl_op_id;

/* Parameters, in the order of the Lua signature (Keras's).  Tensor kinds are inputs, the others attributes. */
typedef enum kl_kind {
  KL_TENSOR,  /* one input */
  KL_TENSORS, /* a list of inputs, taking the place of all; at most one, and first */
  KL_SCALAR,  /* an input that is usually a Lua number and may have a default */
  KL_INT,
  KL_BOOLEAN,
  KL_AXIS, /* one axis */
  KL_AXES, /* nothing (all axes), one, or several */
  KL_SHAPE,
  KL_INTS,   /* integers, one per axis */
  KL_STARTS, /* integers that count positions from 1 in Lua, from 0 here */
  KL_DTYPE,
  KL_CHOICE, /* one of `choices`, by index */
} kl_kind;

typedef struct kl_param {
  const char *name;
  kl_kind kind;
  bool optional;              /* may be nil: `number` or `integer` then, or for attributes `given` = 0 */
  double number;              /* default of a scalar */
  int64_t integer;            /* default of an attribute */
  const char *const *choices; /* ends with NULL */
} kl_param;

#define KL_PARAM(n, k) \
  { .name = (n), .kind = (k) }
#define KL_OPTIONAL(n, k) \
  { .name = (n), .kind = (k), .optional = true }
#define KL_DEFAULT(n, k, value) \
  { .name = (n), .kind = (k), .optional = true, .integer = (value) }
#define KL_DEFAULT_NUMBER(n, value) \
  { .name = (n), .kind = KL_SCALAR, .optional = true, .number = (value) }
#define KL_CHOICES(n, list, value) \
  { .name = (n), .kind = KL_CHOICE, .optional = true, .integer = (value), .choices = (list) }

static inline bool kl_param_is_input(const kl_param *p) { return p->kind <= KL_SCALAR; }

/* How the door makes the inputs' types agree before `infer` sees them. */
typedef enum kl_types {
  KL_TYPES_ANY,     /* as they are; weak scalars take the first input's type */
  KL_TYPES_PROMOTE, /* all to the common type */
  KL_TYPES_FLOAT,   /* all to the common type, at least float32 */
  KL_TYPES_BOOL,    /* all to bool */
  KL_TYPES_WHERE,   /* the first to bool, the others to their common type */
  KL_TYPES_WIDE,    /* as they are; weak scalars become int64 or float64 */
} kl_types;

enum {
  KL_ELEMENTWISE = 1, /* inputs are broadcast to one shape by the door, the outputs have it */
  KL_OUT_BOOL = 2,    /* with KL_ELEMENTWISE: the output is bool */
  KL_CHECKS = 8,      /* the kernel may refuse a value (an index, a division by zero) */
  KL_RANDOM = 16,     /* never merged with an equal node */
  KL_NO_BOOL = 32,    /* arithmetic that bool does not have */
};

/* .constant: why there is no gradient, or NULL where `vjp` gives one. */
#define KL_CONSTANT(reason) .constant = (reason)

#define KL_SAVE_IN(i) (1u << (i))
#define KL_SAVE_OUT(i) (0x100u << (i))
#define KL_SAVE_ALL_IN 0x80u /* of ops that take a list */

typedef struct kl_infer {
  const struct kl_op *op;
  kl_attr *attrs; /* of the node; infer may complete them (all axes, a -1 in a shape) */
  int nin, nout;  /* nout starts as the row's */
  const kl_spec *in;
  kl_spec *out; /* KL_MAX_OUTPUTS of them */
} kl_infer;

struct kl_vjp;

typedef struct kl_op {
  kl_op_id id;
  const char *name;
  const char *alias;      /* further Lua names, separated by blanks, or NULL */
  const char *doc;        /* one sentence: what it computes, shapes, source of the formula */
  const kl_param *params; /* ends with {0} */
  kl_types types;
  unsigned flags;
  int outputs, hidden; /* results the caller gets (0: decided by infer), and those only the vjp reads */
  kl_status (*infer)(kl_infer *c);
  /* Output 0 as a view of input 0; KL_EUNSUPPORTED, without a message, where the input's strides do not allow it: the
   * door then copies the input first. */
  kl_status (*view)(const kl_attr *attrs, const kl_tensor *in, const kl_spec *spec, kl_tensor **out);
  /* The cotangent of input v->arg; NULL with v->build.status KL_OK: it is zero. */
  kl_tensor *(*vjp)(struct kl_vjp *v);
  unsigned saves;
  const char *constant;
  /* True where output 0 should remember input 0, so that a loss can read logits instead of probabilities. */
  bool (*links_logits)(const kl_attr *attrs, const kl_spec *in);
} kl_op;

/* The row of an id, in the order of the list. */
extern const kl_op *const kl_ops[KL_OP_COUNT];

#define KL_OP(name) extern const kl_op kl_op_##name;
#include "op/op_list.h"
#undef KL_OP

/* The row with that name, or NULL; aliases are the binding's. */
const kl_op *kl_op_find(const char *name);

/* Number of attributes among the parameters. */
int kl_op_attr_count(const kl_op *op);

#endif
