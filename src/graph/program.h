/* A recorded step in canonical form: a list of numbers that says all a plan depends on.
 *
 * Two steps with equal words can run by one plan: ops, attributes and edges are the same; the inputs have the same
 * dtype, shape and strides; the same variables, in order of first use, are read and assigned; the same results are
 * returned. Addresses, names and the values of scalars are not in the words; they are in the lists beside them, in the
 * order in which the words number them. */
#ifndef KL_GRAPH_PROGRAM_H
#define KL_GRAPH_PROGRAM_H

#include "graph/recording.h"

/* Operands in the words: kind in the upper half, number in the lower. */
#define KL_OPERAND_RECORDED ((uint64_t)1 << 32) /* an output of a step, by its place in the trace */
#define KL_OPERAND_EXTERNAL ((uint64_t)2 << 32) /* a tensor with a value */
#define KL_OPERAND_SCALAR ((uint64_t)3 << 32)   /* a Lua number */
#define KL_OPERAND_KIND(word) ((word) & ~(uint64_t)0xffffffffu)
#define KL_OPERAND_NUMBER(word) ((int)((word)&0xffffffffu))

typedef struct kl_program {
  uint64_t *words;
  int64_t count, capacity;
  uint64_t hash;
  uint64_t walk;         /* what its tensors and variables are marked by */
  kl_tensor **externals; /* borrowed from the nodes */
  int64_t nexternals, externals_capacity;
  kl_tensor **scalars; /* borrowed */
  int64_t nscalars, scalars_capacity;
  kl_variable **variables; /* borrowed: those whose value is an external, and those assigned */
  int *uses;               /* how many references the trace holds to each variable's present value */
  int64_t nvariables, variables_capacity, uses_capacity;
  int64_t *results; /* indices of the returned tensors, each once */
  int64_t nresults, results_capacity;
} kl_program;

/* Describes the pending part of a trace that is to give the values of `nresults` of its tensors. */
kl_status kl_program_make(kl_program *p, kl_trace *trace, int nresults, kl_tensor *const *results);

void kl_program_free(kl_program *p);

/* The number of a variable in the program's list, or -1. */
int kl_program_variable(const kl_program *p, const kl_variable *v);

/* What an input of a node is: a word as above.  After kl_program_make. */
uint64_t kl_program_operand(const kl_program *p, const kl_trace *trace, const kl_tensor *t);

#endif
