/* UTF-8 as in RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef KL_IO_UTF8_H
#define KL_IO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the valid character at `text`, of which `size` bytes may be read; 0 if there is none. */
size_t kl_utf8_length(const char *text, size_t size);

bool kl_utf8_is_valid(const char *text, size_t size);

#endif
