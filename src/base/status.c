/* The message slot: one per thread, fixed size, so that reporting "out of memory" needs none. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];
static _Thread_local uint32_t message_source;

kl_status kl_fail(kl_status code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  message_source = 0;
  return code;
}

const char *kl_error_message(void) { return message; }

uint32_t kl_error_source(void) { return message_source; }
void kl_error_set_source(uint32_t source) { message_source = source; }
