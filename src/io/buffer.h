/* A growing block of bytes from kl_alloc: what files are read into and images are built in.
 *
 * {0} is an empty one.  The bytes move when it grows.  Whoever holds the structure owns the block. */
#ifndef KL_IO_BUFFER_H
#define KL_IO_BUFFER_H

#include <stddef.h>

#include "base/status.h"

typedef struct kl_buffer {
  char *data;
  size_t size;     /* bytes in use */
  size_t capacity; /* bytes of the block */
} kl_buffer;

/* Room for at least `capacity` bytes in all, exactly that many if the buffer is empty, otherwise at least doubled.
 * On KL_ENOMEM the buffer is as before. */
kl_status kl_buffer_reserve(kl_buffer *b, size_t capacity);

kl_status kl_buffer_append(kl_buffer *b, const void *data, size_t size);

/* Appends text, formatted, at most 255 bytes of it. */
kl_status kl_buffer_format(kl_buffer *b, const char *format, ...) KL_PRINTF(2, 3);

/* Gives the block back; the buffer is empty afterwards. */
void kl_buffer_release(kl_buffer *b);

#endif
