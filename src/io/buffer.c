/* Growing blocks of bytes. */
#include "io/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/size.h"

kl_status kl_buffer_reserve(kl_buffer *b, size_t capacity) {
  if (capacity <= b->capacity && b->data != NULL) {
    return KL_OK;
  }
  if (b->data != NULL && b->capacity <= SIZE_MAX / 2 && capacity < 2 * b->capacity) {
    capacity = 2 * b->capacity;
  }
  char *block = kl_alloc(capacity);
  if (block == NULL) {
    return KL_ENOMEM;
  }
  if (b->size > 0) {
    memcpy(block, b->data, b->size);
  }
  kl_free(b->data, b->capacity);
  b->data = block;
  b->capacity = capacity;
  return KL_OK;
}

kl_status kl_buffer_append(kl_buffer *b, const void *data, size_t size) {
  size_t total;
  if (!kl_add_size(b->size, size, &total)) {
    return kl_fail(KL_ENOMEM, "out of memory: %zu and %zu bytes do not fit in one block", b->size, size);
  }
  KL_TRY(kl_buffer_reserve(b, total));
  if (size > 0) {
    memcpy(b->data + b->size, data, size);
    b->size = total;
  }
  return KL_OK;
}

kl_status kl_buffer_format(kl_buffer *b, const char *format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return kl_buffer_append(b, text, n < 0 ? 0 : n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void kl_buffer_release(kl_buffer *b) {
  kl_free(b->data, b->capacity);
  *b = (kl_buffer){0};
}
