/* Looking at a step between passes: as text, and whether what always holds does. */
#ifndef KL_GRAPH_DEBUG_H
#define KL_GRAPH_DEBUG_H

#include "graph/lowered.h"

typedef void kl_debug_write(const char *line); /* without its end */

/* 0: nothing; 1: steps are checked after each pass; 2: and shown, line by line, to `write`.  Where a sanitizer is built
 * in, steps are always checked. */
void kl_debug_set(int level, kl_debug_write *write);

/* What has been done to it. */
typedef enum kl_stage {
  KL_STAGE_LOWERED,
  KL_STAGE_COMMON,
  KL_STAGE_LIVE,
  KL_STAGE_SCHEDULED,
  KL_STAGE_JOINED,
  KL_STAGE_REDUCED,
  KL_STAGE_PLACED,
} kl_stage;

const char *kl_stage_name(kl_stage stage);

/* One item per line, in the order in which they run once that is decided:
 *   group 3   %12 float32 (32, 10) = add(%11, variable 1 float32 (10,))   in the arena, groups 3 to 5, at 4096 */
void kl_lowered_print(const kl_lowered *l, kl_stage stage, kl_debug_write *write);

/* KL_ESTATE and what is wrong, if something is: an error in a pass, never the user's. */
kl_status kl_lowered_verify(const kl_lowered *l, kl_stage stage);

#endif
