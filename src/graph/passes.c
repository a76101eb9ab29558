/* The passes in their order, and who looks on between them. */
#include "graph/debug.h"
#include "graph/lowered.h"

#if defined(__SANITIZE_ADDRESS__)
#define DEFAULT_LEVEL 1
#else
#define DEFAULT_LEVEL 0
#endif

static int level = DEFAULT_LEVEL;
static kl_debug_write *writer;

void kl_debug_set(int to, kl_debug_write *write) {
  level = to > DEFAULT_LEVEL ? to : DEFAULT_LEVEL;
  writer = write;
}

static kl_status look(const kl_lowered *l, kl_stage stage) {
  if (level >= 2) {
    kl_lowered_print(l, stage, writer);
  }
  return level >= 1 ? kl_lowered_verify(l, stage) : KL_OK;
}

kl_status kl_passes_run(kl_lowered *l, const kl_trace *trace, const kl_program *program) {
  static kl_status (*const passes[])(kl_lowered *) = {
      [KL_STAGE_COMMON] = kl_pass_common, [KL_STAGE_LIVE] = kl_pass_live,      [KL_STAGE_SCHEDULED] = kl_pass_schedule,
      [KL_STAGE_JOINED] = kl_pass_join,   [KL_STAGE_REDUCED] = kl_pass_reduce, [KL_STAGE_PLACED] = kl_pass_place,
  };
  KL_TRY(kl_lower(l, trace, program));
  KL_TRY(look(l, KL_STAGE_LOWERED));
  for (kl_stage stage = KL_STAGE_COMMON; stage <= KL_STAGE_PLACED; stage++) {
    KL_TRY(passes[stage](l));
    KL_TRY(look(l, stage));
  }
  return KL_OK;
}
